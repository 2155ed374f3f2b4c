"""The columns of the command line's tables, by kind of record."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from kronkeep_common.text import age, clean, clip, days, duration, growth, size


def _plain(value: object) -> str:
    return clean(str(value or "-"))


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _yes_no(value: bool) -> str:
    return "yes" if value else "no"


def _age(moment: datetime | None) -> str:
    return age(moment, datetime.now(UTC))


class Column(NamedTuple):
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


def cluster_column(clusters: Mapping[str, str]) -> Column:
    """Return a column with the names of clusters, which are given by id."""

    def format_cluster(cluster_id: str) -> str:
        return _plain(clusters.get(cluster_id, cluster_id))

    return Column("CLUSTER", "cluster", format_cluster)


def _last_of(statuses: tuple[str, ...]) -> str:
    return str(statuses[-1]) if statuses else "-"


def _mode(mode: int) -> str:
    return f"{mode:04o}"


def _target(target: Any) -> str:
    if target is None:
        return "scratch"
    return "in place" if target.kind == "in-place" else clean(f"{target.namespace}/{target.claim}")


def _backup_schedule(schedule: str | None) -> str:
    return clean(schedule or "after each run")


def _policy_state(policy: Any) -> str:
    return "overdue" if policy.overdue else "waits" if policy.retention_waits else "-"


def _comma_list(names: tuple[str, ...]) -> str:
    return clean(", ".join(names)) or "-"


def _short(text: str) -> str:
    return clip(clean(text), 80)


def _program(entry: Any) -> str:
    return clean(f"{entry.program or '?'}[{entry.pid}]")


def _path(parts: dict[str, str]) -> str:
    return clean("/".join(parts.values()) or "-")


COLUMNS: dict[str, tuple[Column, ...]] = {
    "cronjobs": (
        Column("NAMESPACE", "namespace"),
        Column("NAME", "name"),
        Column("SCHEDULE", "schedule"),
        Column("SUSPENDED", "suspended", _yes_no),
        Column("LAST", "recent", _last_of),
        Column("STARTED", "last_started_at", _age),
        Column("NEXT", "next_at", _age),
        Column("STORAGE", "policy.storage_id"),
        Column("GOOD BACKUP", "last_good_backup_at", _age),
        Column("VERIFIED", "last_verified_at", _age),
    ),
    "executions": (
        Column("NAMESPACE", "namespace"),
        Column("CRONJOB", "cronjob"),
        Column("ID", "id"),
        Column("STATUS", "status"),
        Column("TRIGGER", "trigger"),
        Column("AGE", "created_at", _age),
        Column("TOOK", "duration_seconds", duration),
        Column("BACKUP", "backup_id"),
        Column("REASON", "reason"),
    ),
    "backups": (
        Column("NAMESPACE", "namespace"),
        Column("CRONJOB", "cronjob"),
        Column("ID", "id"),
        Column("STATUS", "status"),
        Column("STORAGE", "storage_id"),
        Column("AGE", "created_at", _age),
        Column("TOOK", "duration_seconds", duration),
        Column("SNAPSHOT", "result.snapshot_id"),
        Column("READ", "result.bytes_read", size),
        Column("REASON", "reason"),
    ),
    "restores": (
        Column("NAMESPACE", "namespace"),
        Column("CRONJOB", "cronjob"),
        Column("ID", "id"),
        Column("PURPOSE", "purpose"),
        Column("STATUS", "status"),
        Column("BACKUP", "backup_id"),
        Column("TARGET", "target", _target),
        Column("AGE", "created_at", _age),
        Column("TOOK", "duration_seconds", duration),
        Column("REASON", "reason"),
    ),
    "files": (
        Column("KIND", "kind"),
        Column("MODE", "mode", _mode),
        Column("SIZE", "size", size),
        Column("MODIFIED", "modified_at", _age),
        Column("NAME", "name"),
    ),
    "storages": (
        Column("NAME", "id"),
        Column("KIND", "kind"),
        Column("STATUS", "status"),
        Column("USED", "usage.used_bytes", size),
        Column("LEFT", "usage.available_bytes", size),
        Column("LEVEL", "usage.level"),
        Column("FULL IN", "usage.days_until_full", days),
        Column("MEASURED", "usage.measured_at", _age),
        Column("CHECKED", "checked_at", _age),
        Column("REASON", "reason"),
    ),
    "usages": (
        Column("MEASURED", "measured_at", _age),
        Column("USED", "used_bytes", size),
        Column("CAPACITY", "capacity_bytes", size),
        Column("LEFT", "available_bytes", size),
        Column("LEVEL", "level"),
        Column("GROWTH", "growth_bytes_per_day", growth),
        Column("FULL IN", "days_until_full", days),
        Column("SNAPSHOTS", "snapshots", _number),
    ),
    "policies": (
        Column("NAMESPACE", "namespace"),
        Column("CRONJOB", "cronjob"),
        Column("ID", "id"),
        Column("STORAGE", "storage_id"),
        Column("WHEN", "policy.schedule", _backup_schedule),
        Column("NEXT", "next_backup_at", _age),
        Column("TYPE", "policy.backup_type"),
        Column("VERIFIED", "last_verified_at", _age),
        Column("ENABLED", "policy.enabled", _yes_no),
        Column("SNAPSHOTS", "snapshots", _number),
        Column("GOOD BACKUP", "last_good_backup_at", _age),
        Column("STATE", "", _policy_state),
    ),
    "manifests": (
        Column("FILE", "file"),
        Column("STATUS", "status"),
        Column("SINCE", "since", _age),
        Column("OBJECTS", "objects", _comma_list),
        Column("MESSAGE", "message"),
    ),
    "alerts": (
        Column("ID", "id"),
        Column("SEVERITY", "severity"),
        Column("STATUS", "status"),
        Column("CODE", "code"),
        Column("OBJECT", "object"),
        Column("SINCE", "since", _age),
        Column("BY", "acknowledged_by"),
        Column("MESSAGE", "message", _short),
    ),
    "audit": (
        Column("WHEN", "created_at", _age),
        Column("USER", "user"),
        Column("FROM", "", _program),
        Column("METHOD", "method"),
        Column("ROUTE", "route"),
        Column("OBJECT", "object", _path),
        Column("OUTCOME", "outcome"),
    ),
}
WIDE_COLUMNS: dict[str, tuple[Column, ...]] = {
    "cronjobs": (Column("ZONE", "time_zone"), Column("IMAGE", "image"), Column("UID", "id")),
    "executions": (Column("NODE", "node"), Column("EXIT", "exit_code", _number)),
    "backups": (
        Column("TYPE", "backup_type"),
        Column("RUN", "cronjob_execution_id"),
        Column("VERIFIED", "verified_at", _age),
    ),
    "storages": (Column("REPOSITORY", "repository"),),
}
