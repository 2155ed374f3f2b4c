"""Output of the command line: tables, JSON, JSON lines, YAML, names; clean text without colour."""

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from types import MappingProxyType
from typing import Any

import msgspec

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.text import age, clean, clip, days, duration, growth, size

FORMATS = ("table", "wide", "json", "jsonl", "yaml", "name")
Column = tuple[str, Callable[[Any], str]]


def _now() -> datetime:
    return datetime.now(UTC)


def _value(record: Any, path: str) -> Any:
    """Return a field of a record, such as `usage.used_bytes`; None if any part of the path is None."""
    for field in path.split("."):
        if record is None:
            return None
        record = getattr(record, field)
    return record


def _format_field(path: str, write: Callable[[Any], str]) -> Callable[[Any], str]:
    def cell(record: Any) -> str:
        return write(_value(record, path))

    return cell


def _when(path: str) -> Callable[[Any], str]:
    def cell(record: Any) -> str:
        return age(_value(record, path), _now())

    return cell


def _text(path: str) -> Callable[[Any], str]:
    def cell(record: Any) -> str:
        return clean(str(_value(record, path) or "-"))

    return cell


def _yes_or_no(value: object) -> str:
    return "yes" if value else "no"


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _last(values: Sequence[Any]) -> str:
    return str(values[-1]) if values else "-"


def _join_with(separator: str) -> Callable[[Sequence[str]], str]:
    def write(values: Sequence[str]) -> str:
        return clean(separator.join(values)) or "-"

    return write


def _octal(mode: int) -> str:
    return f"{mode:04o}"


def _backup_schedule(schedule: str | None) -> str:
    return clean(schedule or "after each run")


def _policy_state(policy: Any) -> str:
    return "overdue" if policy.overdue else "waits" if policy.retention_waits else "-"


def _message(text: str) -> str:
    return clip(clean(text), 80)


def _caller(entry: Any) -> str:
    return clean(f"{entry.program or '?'}[{entry.pid}]")


def _target(target: Any) -> str:
    if target is None:
        return "scratch"
    return "in place" if target.kind == "in-place" else clean(f"{target.namespace}/{target.claim}")


def _objects(entry: Any) -> str:
    return clean("/".join(entry.object.values()) or "-")


COLUMNS: dict[str, tuple[Column, ...]] = {
    "cronjobs": (
        ("NAMESPACE", _text("namespace")),
        ("NAME", _text("name")),
        ("SCHEDULE", _text("schedule")),
        ("SUSPENDED", _format_field("suspended", _yes_or_no)),
        ("LAST", _format_field("recent", _last)),
        ("STARTED", _when("last_started_at")),
        ("NEXT", _when("next_at")),
        ("STORAGE", _text("policy.storage_id")),
        ("GOOD BACKUP", _when("last_good_backup_at")),
        ("VERIFIED", _when("last_verified_at")),
    ),
    "executions": (
        ("NAMESPACE", _text("namespace")),
        ("CRONJOB", _text("cronjob")),
        ("ID", _text("id")),
        ("STATUS", _text("status")),
        ("TRIGGER", _text("trigger")),
        ("AGE", _when("created_at")),
        ("TOOK", _format_field("duration_seconds", duration)),
        ("BACKUP", _text("backup_id")),
        ("REASON", _text("reason")),
    ),
    "backups": (
        ("NAMESPACE", _text("namespace")),
        ("CRONJOB", _text("cronjob")),
        ("ID", _text("id")),
        ("STATUS", _text("status")),
        ("STORAGE", _text("storage_id")),
        ("AGE", _when("created_at")),
        ("TOOK", _format_field("duration_seconds", duration)),
        ("SNAPSHOT", _text("result.snapshot_id")),
        ("READ", _format_field("result.bytes_read", size)),
        ("REASON", _text("reason")),
    ),
    "restores": (
        ("NAMESPACE", _text("namespace")),
        ("CRONJOB", _text("cronjob")),
        ("ID", _text("id")),
        ("PURPOSE", _text("purpose")),
        ("STATUS", _text("status")),
        ("BACKUP", _text("backup_id")),
        ("TARGET", _format_field("target", _target)),
        ("AGE", _when("created_at")),
        ("TOOK", _format_field("duration_seconds", duration)),
        ("REASON", _text("reason")),
    ),
    "files": (
        ("KIND", _text("kind")),
        ("MODE", _format_field("mode", _octal)),
        ("SIZE", _format_field("size", size)),
        ("MODIFIED", _when("modified_at")),
        ("NAME", _text("name")),
    ),
    "storages": (
        ("NAME", _text("id")),
        ("KIND", _text("kind")),
        ("STATUS", _text("status")),
        ("USED", _format_field("usage.used_bytes", size)),
        ("LEFT", _format_field("usage.available_bytes", size)),
        ("LEVEL", _text("usage.level")),
        ("FULL IN", _format_field("usage.days_until_full", days)),
        ("MEASURED", _when("usage.measured_at")),
        ("CHECKED", _when("checked_at")),
        ("REASON", _text("reason")),
    ),
    "usages": (
        ("MEASURED", _when("measured_at")),
        ("USED", _format_field("used_bytes", size)),
        ("CAPACITY", _format_field("capacity_bytes", size)),
        ("LEFT", _format_field("available_bytes", size)),
        ("LEVEL", _text("level")),
        ("GROWTH", _format_field("growth_bytes_per_day", growth)),
        ("FULL IN", _format_field("days_until_full", days)),
        ("SNAPSHOTS", _format_field("snapshots", _number)),
    ),
    "policies": (
        ("NAMESPACE", _text("namespace")),
        ("CRONJOB", _text("cronjob")),
        ("ID", _text("id")),
        ("STORAGE", _text("storage_id")),
        ("WHEN", _format_field("policy.schedule", _backup_schedule)),
        ("NEXT", _when("next_backup_at")),
        ("TYPE", _text("policy.backup_type")),
        ("VERIFIED", _when("last_verified_at")),
        ("ENABLED", _format_field("policy.enabled", _yes_or_no)),
        ("SNAPSHOTS", _format_field("snapshots", _number)),
        ("GOOD BACKUP", _when("last_good_backup_at")),
        ("STATE", _policy_state),
    ),
    "manifests": (
        ("FILE", _text("file")),
        ("STATUS", _text("status")),
        ("SINCE", _when("since")),
        ("OBJECTS", _format_field("objects", _join_with(", "))),
        ("MESSAGE", _text("message")),
    ),
    "alerts": (
        ("ID", _text("id")),
        ("SEVERITY", _text("severity")),
        ("STATUS", _text("status")),
        ("CODE", _text("code")),
        ("OBJECT", _text("object")),
        ("SINCE", _when("since")),
        ("BY", _text("acknowledged_by")),
        ("MESSAGE", _format_field("message", _message)),
    ),
    "audit": (
        ("WHEN", _when("created_at")),
        ("USER", _text("user")),
        ("FROM", _caller),
        ("METHOD", _text("method")),
        ("ROUTE", _text("route")),
        ("OBJECT", _objects),
        ("OUTCOME", _text("outcome")),
    ),
}
MORE: dict[str, tuple[Column, ...]] = {
    "cronjobs": (("ZONE", _text("time_zone")), ("IMAGE", _text("image")), ("UID", _text("id"))),
    "executions": (
        ("NODE", _text("node")),
        ("EXIT", _format_field("exit_code", _number)),
    ),
    "backups": (
        ("TYPE", _text("backup_type")),
        ("RUN", _text("cronjob_execution_id")),
        ("VERIFIED", _when("verified_at")),
    ),
    "storages": (("REPOSITORY", _text("repository")),),
}


def sort_records(records: Sequence[Any], field: str) -> list[Any]:
    """Sort records by a field, those without it last; `-field` reverses. Raise InvalidRequest if unknown."""
    name = field.removeprefix("-")
    if records and not hasattr(records[0], name):
        raise InvalidRequest(f"There is no field {clean(repr(name), 60)}.", next_step="See -o json.")
    value = attrgetter(name)
    present = [record for record in records if value(record) is not None]
    absent = [record for record in records if value(record) is None]
    try:
        return sorted(present, key=value, reverse=field != name) + absent
    except TypeError:  # values that have no order of their own
        return sorted(present, key=_format_field(name, str), reverse=field != name) + absent


def _cluster_name(names: Mapping[str, str]) -> Callable[[Any], str]:
    def cell(record: Any) -> str:
        return clean(names.get(record.cluster, record.cluster) or "-")

    return cell


def show(
    kind: str,
    records: Sequence[Any],
    form: str,
    *,
    headers: bool = True,
    clusters: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Print records of a kind; `clusters` maps ids to names and adds a first column if there are several."""
    if form in ("table", "wide"):
        columns = COLUMNS[kind] + (MORE.get(kind, ()) if form == "wide" else ())
        if clusters:
            columns = (("CLUSTER", _cluster_name(clusters)), *columns)
        _table(columns, records, headers)
    elif form == "name":
        _lines([_name(record) for record in records])
    elif form == "jsonl":
        _lines([msgspec.json.encode(record).decode() for record in records])
    else:
        document(msgspec.to_builtins(list(records)), form)


def document(value: object, form: str) -> None:
    """Print one value as JSON or YAML."""
    if form == "yaml":
        import yaml

        sys.stdout.write(yaml.safe_dump(msgspec.to_builtins(value), sort_keys=False, allow_unicode=True))
        return
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def _name(record: Any) -> str:
    name = getattr(record, "name", None) or getattr(record, "file", None) or record.id
    namespace = getattr(record, "namespace", None)
    return clean(f"{namespace}/{name}" if namespace else name)


def _lines(lines: Sequence[str]) -> None:
    sys.stdout.write("".join(line + "\n" for line in lines))


def _table(columns: Sequence[Column], records: Sequence[Any], headers: bool) -> None:
    rows = [[title for title, _ in columns]] if headers else []
    rows += [[cell(record) for _, cell in columns] for record in records]
    if not records:
        sys.stderr.write("Nothing found.\n")
        return
    widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
    for row in rows:
        cells = [text.ljust(width) for text, width in zip(row, widths, strict=True)]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
