"""The columns of the command line's tables, by kind of record."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple

from kronkeep_common.display_zone import format_rfc3339
from kronkeep_common.text import age, clean, clip, days, duration, growth, short_id, size


def _plain(value: object) -> str:
    return clean(str(value or "-"))


def _id(value: str | None) -> str:
    return short_id(value) if value else "-"


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _yes_no(value: bool) -> str:
    return "yes" if value else "no"


def _suspension(cronjob: Any) -> str:
    return "maintenance" if cronjob.maintenance else _yes_no(cronjob.suspended)


def _storage_state(storage: Any) -> str:
    """Return a storage's status; FAIL for an active one that cannot be used or is damaged."""
    return "FAIL" if storage.has_fault and storage.status == "active" else _plain(storage.status)


def _age(moment: datetime | None) -> str:
    return age(moment, datetime.now(UTC))


class OutputColumn(NamedTuple):
    """A title, the field that the column shows (`policy.storage_id`; empty: the record), and its format."""

    title: str
    field: str
    format: Callable[[Any], str] = _plain

    def cell(self, record: object) -> str:
        """Return the text for a record; a part of the path that is None makes the value None."""
        value: Any = record
        for name in filter(None, self.field.split(".")):
            value = None if value is None else getattr(value, name)
        return self.format(value)


def cluster_column(clusters: Mapping[str, str]) -> OutputColumn:
    """Return a column with the names of clusters, which are given by id."""

    def format_cluster(cluster_id: str) -> str:
        return _plain(clusters.get(cluster_id, cluster_id))

    return OutputColumn("CLUSTER", "cluster", format_cluster)


def with_times(column: OutputColumn, zone: tzinfo) -> OutputColumn:
    """Return a column of ages with times in a zone instead; any other column as it is."""
    if column.format is not _age:
        return column

    def format_moment(moment: datetime | None) -> str:
        return "-" if moment is None else format_rfc3339(moment, zone)

    return column._replace(format=format_moment)


def with_whole_text(column: OutputColumn) -> OutputColumn:
    """Return a column of short texts with the whole ones instead; any other column as it is."""
    return column._replace(format=_plain) if column.format is _short else column


def _last_of(statuses: tuple[str, ...]) -> str:
    return str(statuses[-1]) if statuses else "-"


def _subject(figures: Any) -> str:
    return _plain("/".join(filter(None, (figures.namespace, figures.cronjob, figures.storage_id))))


def _snapshot(backup: Any) -> str:
    """Return the id of a backup's snapshot as restic shows it, or that it is no longer there."""
    match backup.snapshot_state:
        case "present":
            return clean(backup.result.snapshot_id[:8])
        case "none":
            return "-"
        case gone:
            return str(gone)


def _restorable_name(backup: Any) -> str:
    return _plain(backup.cronjob) if backup.is_there else f"{_plain(backup.cronjob)} (deleted)"


def _restorable_state(backup: Any) -> str:
    """Return whether a backup can be restored as it is; the reason where its storage cannot be used now."""
    if backup.storage_reason is not None:
        return _plain(backup.storage_reason)
    return "ok" if backup.is_confirmed else "not-verified"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:g} %"


def _mode(mode: int) -> str:
    return f"{mode:04o}"


def _target(target: Any) -> str:
    if target is None:
        return "scratch"
    return "in place" if target.kind == "in-place" else clean(f"{target.namespace}/{target.claim}")


def _backup_schedule(policy: Any) -> str:
    return "-" if policy is None else clean(policy.schedule or "after each run")


def _policy_state(policy: Any) -> str:
    states = {
        "cannot be read": policy.fault,
        "overdue": policy.overdue,
        "nothing to archive": policy.nothing_to_archive,
        "storage not usable": policy.storage_refusal,
        f"storage {policy.storage_reason}": policy.storage_reason,
        "waits": policy.retention_waits,
        ", ".join(finding.partition(":")[0] for finding in policy.findings): policy.findings,
        "copy overdue": any(copy.overdue for copy in policy.copies),
        "copy failed": any(copy.failed_copy_id for copy in policy.copies),
        f"{len(policy.unarchived_volumes)} not archived": policy.unarchived_volumes,
    }
    return ", ".join(state for state, is_so in states.items() if is_so) or "-"


def _policy_cronjobs(policies: tuple[Any, ...]) -> str:
    return _comma_list(tuple(policy.cronjob for policy in policies))


def _optional_size(value: int | None) -> str:
    return "-" if value is None else size(value)


def _unusual(backup: Any) -> str:
    return "yes" if backup.is_unusual else "acknowledged" if backup.unusual else "-"


def _post_hooks(backup: Any) -> str:
    if backup.failed_post_hooks:
        return "failed"
    return "ok" if any(run.stage == "post" for run in backup.hooks) else "-"


def _comma_list(names: tuple[str, ...]) -> str:
    return clean(", ".join(names)) or "-"


def _short(text: str) -> str:
    return clip(clean(text), 80)


def _filter(text: str) -> str:
    return _short(text) or "all"


def _count(items: tuple[str, ...]) -> str:
    return str(len(items))


def _program(entry: Any) -> str:
    return clean(f"{entry.program or '?'}[{entry.pid}]")


def _path(parts: dict[str, str]) -> str:
    return clean("/".join(parts.values()) or "-")


_BACKUP_FIGURES = (
    OutputColumn("BACKUPS", "backups", _number),
    OutputColumn("FAILED", "backups_failed", _number),
    OutputColumn("NOT BEGUN", "backups_not_begun", _number),
    OutputColumn("PARTIAL", "backups_partial", _number),
    OutputColumn("MISSED", "backups_missed", _number),
    OutputColumn("UNKNOWN", "backups_unknown", _number),
    OutputColumn("READ", "bytes_read", size),
    OutputColumn("NEW", "bytes_added", size),
)
COLUMNS: dict[str, tuple[OutputColumn, ...]] = {
    "cronjobs": (
        OutputColumn("NAMESPACE", "namespace"),
        OutputColumn("NAME", "name"),
        OutputColumn("SCHEDULE", "schedule"),
        OutputColumn("SUSPENDED", "", _suspension),
        OutputColumn("LAST", "recent", _last_of),
        OutputColumn("STARTED", "last_started_at", _age),
        OutputColumn("NEXT", "next_at", _age),
        OutputColumn("STORAGE", "policy.storage_id"),
        OutputColumn("GOOD BACKUP", "last_good_backup_at", _age),
        OutputColumn("VERIFIED", "last_verified_at", _age),
    ),
    "executions": (
        OutputColumn("NAMESPACE", "namespace"),
        OutputColumn("CRONJOB", "cronjob"),
        OutputColumn("ID", "id", _id),
        OutputColumn("STATUS", "status"),
        OutputColumn("TRIGGER", "trigger"),
        OutputColumn("AGE", "created_at", _age),
        OutputColumn("TOOK", "duration_seconds", duration),
        OutputColumn("BACKUP", "backup_id", _id),
        OutputColumn("REASON", "reason"),
    ),
    "backups": (
        OutputColumn("NAMESPACE", "namespace"),
        OutputColumn("CRONJOB", "cronjob"),
        OutputColumn("ID", "id", _id),
        OutputColumn("STATUS", "status"),
        OutputColumn("STORAGE", "storage_id"),
        OutputColumn("AGE", "created_at", _age),
        OutputColumn("TOOK", "duration_seconds", duration),
        OutputColumn("SNAPSHOT", "", _snapshot),
        OutputColumn("UNUSUAL", "", _unusual),
        OutputColumn("POST HOOKS", "", _post_hooks),
        OutputColumn("MISSING", "snapshot_missing_at", _age),
        OutputColumn("RECOVERED", "recovered_at", _age),
        OutputColumn("READ", "result.bytes_read", size),
        OutputColumn("REASON", "reason"),
    ),
    "copies": (
        OutputColumn("NAMESPACE", "namespace"),
        OutputColumn("CRONJOB", "cronjob"),
        OutputColumn("ID", "id", _id),
        OutputColumn("STATUS", "status"),
        OutputColumn("BACKUP", "backup_id", _id),
        OutputColumn("FROM", "from_storage_id"),
        OutputColumn("STORAGE", "storage_id"),
        OutputColumn("AGE", "created_at", _age),
        OutputColumn("TOOK", "duration_seconds", duration),
        OutputColumn("SNAPSHOT", "snapshot_state"),
        OutputColumn("VERIFIED", "verified_at", _age),
        OutputColumn("REASON", "reason"),
    ),
    "restores": (
        OutputColumn("NAMESPACE", "namespace"),
        OutputColumn("CRONJOB", "cronjob"),
        OutputColumn("ID", "id", _id),
        OutputColumn("PURPOSE", "purpose"),
        OutputColumn("STATUS", "status"),
        OutputColumn("BACKUP", "backup_id", _id),
        OutputColumn("TARGET", "target", _target),
        OutputColumn("AGE", "created_at", _age),
        OutputColumn("TOOK", "duration_seconds", duration),
        OutputColumn("REASON", "reason"),
    ),
    "files": (
        OutputColumn("KIND", "kind"),
        OutputColumn("MODE", "mode", _mode),
        OutputColumn("SIZE", "size", size),
        OutputColumn("MODIFIED", "modified_at", _age),
        OutputColumn("NAME", "name"),
    ),
    "repositories": (
        OutputColumn("REPOSITORY", "id"),
        OutputColumn("LAYOUT", "layout"),
        OutputColumn("COPIES OF", "copies_of"),
        OutputColumn("FIRST BYTE", "first_byte_seconds", duration),
        OutputColumn("CROWDED", "is_crowded", _yes_no),
        OutputColumn("CREATED", "created_at", _age),
        OutputColumn("FORGOTTEN", "forgotten_at", _age),
        OutputColumn("PRUNED", "pruned_at", _age),
    ),
    "storages": (
        OutputColumn("NAME", "id"),
        OutputColumn("KIND", "kind"),
        OutputColumn("STATUS", "", _storage_state),
        OutputColumn("SERVES", "namespaces", _comma_list),
        OutputColumn("USED", "usage.used_bytes", size),
        OutputColumn("LEFT", "usage.available_bytes", size),
        OutputColumn("LEVEL", "usage.level"),
        OutputColumn("FULL IN", "usage.days_until_full", days),
        OutputColumn("MEASURED", "usage.measured_at", _age),
        OutputColumn("CHECKED", "checked_at", _age),
        OutputColumn("UNRECORDED", "snapshots.unrecorded", _number),
        OutputColumn("MISSING", "snapshots.missing", _number),
        OutputColumn("REASON", "reason"),
    ),
    "usages": (
        OutputColumn("MEASURED", "measured_at", _age),
        OutputColumn("USED", "used_bytes", size),
        OutputColumn("CAPACITY", "capacity_bytes", size),
        OutputColumn("LEFT", "available_bytes", size),
        OutputColumn("LEVEL", "level"),
        OutputColumn("GROWTH", "growth_bytes_per_day", growth),
        OutputColumn("FULL IN", "days_until_full", days),
        OutputColumn("SNAPSHOTS", "snapshots", _number),
    ),
    "policies": (
        OutputColumn("NAMESPACE", "namespace"),
        OutputColumn("CRONJOB", "cronjob"),
        OutputColumn("ID", "id", _id),
        OutputColumn("STORAGE", "storage_id"),
        OutputColumn("WHEN", "policy", _backup_schedule),
        OutputColumn("NEXT", "next_backup_at", _age),
        OutputColumn("TYPE", "policy.backup_type"),
        OutputColumn("VERIFIED", "last_verified_at", _age),
        OutputColumn("ENABLED", "policy.enabled", _yes_no),
        OutputColumn("SNAPSHOTS", "snapshots", _number),
        OutputColumn("GOOD BACKUP", "last_good_backup_at", _age),
        OutputColumn("STATE", "", _policy_state),
    ),
    "orphans": (
        OutputColumn("NAMESPACE", "namespace"),
        OutputColumn("CRONJOB", "cronjob"),
        OutputColumn("POLICY", "policy_id"),
        OutputColumn("STORAGES", "storage_ids", _comma_list),
        OutputColumn("SNAPSHOTS", "snapshots", _number),
        OutputColumn("GOOD", "good", _number),
        OutputColumn("NEWEST", "newest_at", _age),
        OutputColumn("WOULD GO", "removable", _number),
        OutputColumn("CLAIMS", "claims", _comma_list),
        OutputColumn("ADOPTERS", "adopters", _comma_list),
    ),
    "queue": (
        OutputColumn("REPOSITORY", "repository"),
        OutputColumn("PLACE", "place", _number),
        OutputColumn("STATUS", "status"),
        OutputColumn("TASK", "task"),
        OutputColumn("NAMESPACE", "namespace"),
        OutputColumn("CRONJOB", "cronjob"),
        OutputColumn("BACKUP", "backup_id", _id),
        OutputColumn("SINCE", "since", _age),
        OutputColumn("PRIORITY", "priority"),
        OutputColumn("REASON", "reason"),
    ),
    "manifests": (
        OutputColumn("FILE", "file"),
        OutputColumn("STATUS", "status"),
        OutputColumn("SINCE", "since", _age),
        OutputColumn("OBJECTS", "objects", _comma_list),
        OutputColumn("MESSAGE", "message"),
    ),
    "sinks": (
        OutputColumn("NAME", "name"),
        OutputColumn("KIND", "kind"),
        OutputColumn("STATUS", "status"),
        OutputColumn("SINCE", "since", _age),
        OutputColumn("LAG", "lag", _number),
        OutputColumn("SEQUENCE", "sequence", _number),
        OutputColumn("SHIPPED", "shipped_at", _age),
        OutputColumn("REFUSED", "refused", _number),
        OutputColumn("REASON", "reason"),
        OutputColumn("MESSAGE", "message", _short),
    ),
    "alerts": (
        OutputColumn("ID", "id", _id),
        OutputColumn("SEVERITY", "severity"),
        OutputColumn("STATUS", "status"),
        OutputColumn("CODE", "code"),
        OutputColumn("REASON", "reason"),
        OutputColumn("OBJECT", "object"),
        OutputColumn("SINCE", "since", _age),
        OutputColumn("BY", "acknowledged_by"),
        OutputColumn("SILENCE", "silence_id", _id),
        OutputColumn("MESSAGE", "message", _short),
    ),
    "silences": (
        OutputColumn("ID", "id", _id),
        OutputColumn("STATUS", "status"),
        OutputColumn("FILTER", "filter", _short),
        OutputColumn("ENDS", "last_at", _age),
        OutputColumn("ALERTS", "alerts", _number),
        OutputColumn("BY", "created_by"),
        OutputColumn("BECAUSE", "because", _short),
    ),
    "maintenance": (
        OutputColumn("ID", "id", _id),
        OutputColumn("STATUS", "status"),
        OutputColumn("FILTER", "filter", _filter),
        OutputColumn("ENDS", "last_at", _age),
        OutputColumn("CRONJOBS", "cronjobs", _number),
        OutputColumn("FAULTS", "faults", _count),
        OutputColumn("BY", "created_by"),
        OutputColumn("BECAUSE", "because", _short),
    ),
    "audit": (
        OutputColumn("WHEN", "created_at", _age),
        OutputColumn("USER", "user"),
        OutputColumn("FROM", "", _program),
        OutputColumn("METHOD", "method"),
        OutputColumn("ROUTE", "route"),
        OutputColumn("OBJECT", "object", _path),
        OutputColumn("OUTCOME", "outcome"),
    ),
    "matches": (
        OutputColumn("PATH", "path"),
        OutputColumn("SIZE", "size", size),
        OutputColumn("BACKUPS", "backups", _number),
        OutputColumn("FIRST", "first_seen_at", _age),
        OutputColumn("IN", "first_backup_id", _id),
        OutputColumn("LAST", "last_seen_at", _age),
        OutputColumn("IN", "last_backup_id", _id),
    ),
    "claims": (
        OutputColumn("NAMESPACE", "namespace"),
        OutputColumn("CLAIM", "name"),
        OutputColumn("STATUS", "status"),
        OutputColumn("SIZE", "size_bytes", _optional_size),
        OutputColumn("POLICY OF", "policies", _policy_cronjobs),
        OutputColumn("MOUNTED BY", "mounted_by", _comma_list),
        OutputColumn("LAST GOOD", "last_good_at", _age),
        OutputColumn("VERIFIED", "last_verified_at", _age),
    ),
    "restorable": (
        OutputColumn("NAMESPACE", "namespace"),
        OutputColumn("CRONJOB", "", _restorable_name),
        OutputColumn("AGE", "created_at", _age),
        OutputColumn("VERIFIED", "verified_at", _age),
        OutputColumn("SIZE", "size_bytes", size),
        OutputColumn("TAKES", "expected_seconds", duration),
        OutputColumn("STORAGE", "storage_id"),
        OutputColumn("STATE", "", _restorable_state),
        OutputColumn("TO RESTORE IT", "command"),
    ),
    "figures": (
        OutputColumn("OF", "", _subject),
        OutputColumn("FROM", "from_at", _day),
        OutputColumn("SUCCESS", "success", _percent),
        OutputColumn("RUNS", "runs", _number),
        OutputColumn("FAILED", "failed", _number),
        OutputColumn("UNKNOWN", "unknown", _number),
        OutputColumn("MISSED", "missed", _number),
        OutputColumn("RAN", "seconds", duration),
        *_BACKUP_FIGURES,
    ),
    # No run belongs to a storage.
    "figures of storages": (
        OutputColumn("OF", "", _subject),
        OutputColumn("FROM", "from_at", _day),
        *_BACKUP_FIGURES,
    ),
}
WIDE_COLUMNS: dict[str, tuple[OutputColumn, ...]] = {
    "cronjobs": (
        OutputColumn("ZONE", "time_zone"),
        OutputColumn("IMAGE", "image"),
        OutputColumn("UID", "id"),
    ),
    "executions": (OutputColumn("NODE", "node"), OutputColumn("EXIT", "exit_code", _number)),
    "backups": (
        OutputColumn("TYPE", "backup_type"),
        OutputColumn("RUN", "cronjob_execution_id", _id),
        OutputColumn("VERIFIED", "verified_at", _age),
    ),
    "restores": (
        OutputColumn("FILES IN", "restore_seconds", duration),
        OutputColumn("EXPECTED", "expected_seconds", duration),
    ),
    "policies": (
        OutputColumn("RESTORE", "expected_restore_seconds", duration),
        OutputColumn("RTO", "policy.rto_seconds", duration),
    ),
    "storages": (OutputColumn("LAYOUT", "layout"), OutputColumn("REPOSITORY", "repository")),
    "claims": (
        OutputColumn("AGE", "created_at", _age),
        OutputColumn("CLASS", "storage_class"),
        OutputColumn("WHY", "message", _short),
    ),
    "queue": (
        OutputColumn("NODE", "node"),
        OutputColumn("GOOD UNTIL", "good_until", _age),
        OutputColumn("MESSAGE", "message", _short),
    ),
}
