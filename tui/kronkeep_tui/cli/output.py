"""What the command line prints: tables, JSON, JSON lines, YAML, names; clean text, no colour."""

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import msgspec

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.text import age, clean, clip, days, duration, growth, size

FORMATS = ("table", "wide", "json", "jsonl", "yaml", "name")
Column = tuple[str, Callable[[Any], str]]


def _now() -> datetime:
    return datetime.now(UTC)


def _when(field: str) -> Callable[[Any], str]:
    return lambda record: age(getattr(record, field), _now())


def _text(field: str) -> Callable[[Any], str]:
    return lambda record: clean(str(getattr(record, field) or "-"))


COLUMNS: dict[str, tuple[Column, ...]] = {
    "cronjobs": (
        ("NAMESPACE", _text("namespace")),
        ("NAME", _text("name")),
        ("SCHEDULE", _text("schedule")),
        ("SUSPENDED", lambda r: "yes" if r.suspended else "no"),
        ("LAST", lambda r: str(r.recent[-1]) if r.recent else "-"),
        ("STARTED", _when("last_started_at")),
        ("NEXT", _when("next_at")),
        ("STORAGE", lambda r: r.policy.storage_id if r.policy else "-"),
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
        ("TOOK", lambda r: duration(r.duration_seconds)),
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
        ("TOOK", lambda r: duration(r.duration_seconds)),
        ("SNAPSHOT", lambda r: r.result.snapshot_id if r.result else "-"),
        ("READ", lambda r: size(r.result.bytes_read) if r.result else "-"),
        ("REASON", _text("reason")),
    ),
    "restores": (
        ("NAMESPACE", _text("namespace")),
        ("CRONJOB", _text("cronjob")),
        ("ID", _text("id")),
        ("PURPOSE", _text("purpose")),
        ("STATUS", _text("status")),
        ("BACKUP", _text("backup_id")),
        ("TARGET", lambda r: _target(r.target)),
        ("AGE", _when("created_at")),
        ("TOOK", lambda r: duration(r.duration_seconds)),
        ("REASON", _text("reason")),
    ),
    "files": (
        ("KIND", _text("kind")),
        ("MODE", lambda r: f"{r.mode:04o}"),
        ("SIZE", lambda r: size(r.size)),
        ("MODIFIED", _when("modified_at")),
        ("NAME", _text("name")),
    ),
    "storages": (
        ("NAME", _text("id")),
        ("KIND", _text("kind")),
        ("STATUS", _text("status")),
        ("USED", lambda r: size(r.usage.used_bytes) if r.usage else "-"),
        ("LEFT", lambda r: size(r.usage.available_bytes) if r.usage else "-"),
        ("LEVEL", lambda r: r.usage.level if r.usage else "-"),
        ("FULL IN", lambda r: days(r.usage.days_until_full) if r.usage else "-"),
        ("MEASURED", lambda r: age(r.usage.measured_at, _now()) if r.usage else "-"),
        ("CHECKED", _when("checked_at")),
        ("REASON", _text("reason")),
    ),
    "usages": (
        ("MEASURED", _when("measured_at")),
        ("USED", lambda r: size(r.used_bytes)),
        ("CAPACITY", lambda r: size(r.capacity_bytes)),
        ("LEFT", lambda r: size(r.available_bytes)),
        ("LEVEL", _text("level")),
        ("GROWTH", lambda r: growth(r.growth_bytes_per_day)),
        ("FULL IN", lambda r: days(r.days_until_full)),
        ("SNAPSHOTS", lambda r: str(r.snapshots)),
    ),
    "policies": (
        ("NAMESPACE", _text("namespace")),
        ("CRONJOB", _text("cronjob")),
        ("ID", _text("id")),
        ("STORAGE", _text("storage_id")),
        ("WHEN", lambda r: clean(r.policy.schedule or "after each run")),
        ("NEXT", _when("next_backup_at")),
        ("TYPE", lambda r: r.policy.backup_type),
        ("VERIFIED", _when("last_verified_at")),
        ("ENABLED", lambda r: "yes" if r.policy.enabled else "no"),
        ("SNAPSHOTS", lambda r: str(r.snapshots)),
        ("GOOD BACKUP", _when("last_good_backup_at")),
        ("STATE", lambda r: "overdue" if r.overdue else "waits" if r.retention_waits else "-"),
    ),
    "manifests": (
        ("FILE", _text("file")),
        ("STATUS", _text("status")),
        ("SINCE", _when("since")),
        ("OBJECTS", lambda r: clean(", ".join(r.objects)) or "-"),
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
        ("MESSAGE", lambda r: clip(clean(r.message), 80)),
    ),
    "audit": (
        ("WHEN", _when("created_at")),
        ("USER", _text("user")),
        ("FROM", lambda r: clean(f"{r.program or '?'}[{r.pid}]")),
        ("METHOD", _text("method")),
        ("ROUTE", _text("route")),
        ("OBJECT", lambda r: clean("/".join(r.object.values()) or "-")),
        ("OUTCOME", _text("outcome")),
    ),
}
MORE: dict[str, tuple[Column, ...]] = {
    "cronjobs": (("ZONE", _text("time_zone")), ("IMAGE", _text("image")), ("UID", _text("id"))),
    "executions": (
        ("NODE", _text("node")),
        ("EXIT", lambda r: "-" if r.exit_code is None else str(r.exit_code)),
    ),
    "backups": (
        ("TYPE", _text("backup_type")),
        ("RUN", _text("cronjob_execution_id")),
        ("VERIFIED", _when("verified_at")),
    ),
    "storages": (("REPOSITORY", _text("repository")),),
}


def _target(target: Any) -> str:
    if target is None:
        return "scratch"
    return "in place" if target.kind == "in-place" else clean(f"{target.namespace}/{target.claim}")


def ordered(records: Sequence[Any], field: str) -> list[Any]:
    """The records by one field, those without it last; `-field` turns the order. Raises InvalidRequest."""
    name = field.removeprefix("-")
    if records and not hasattr(records[0], name):
        raise InvalidRequest(f"There is no field {clean(repr(name), 60)}.", next_step="See -o json.")
    there = [r for r in records if getattr(r, name) is not None]
    gone = [r for r in records if getattr(r, name) is None]
    try:
        return sorted(there, key=lambda r: getattr(r, name), reverse=field != name) + gone
    except TypeError:
        return sorted(there, key=lambda r: str(getattr(r, name)), reverse=field != name) + gone


def show(
    kind: str,
    records: Sequence[Any],
    form: str,
    *,
    headers: bool = True,
    clusters: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Prints records of a kind; `clusters` are the names of several by id, which a table then has first."""
    if form in ("table", "wide"):
        columns = COLUMNS[kind] + (MORE.get(kind, ()) if form == "wide" else ())
        if clusters:
            columns = (("CLUSTER", lambda r: clean(clusters.get(r.cluster, r.cluster) or "-")), *columns)
        _table(columns, records, headers)
    elif form == "name":
        _lines([_name(record) for record in records])
    elif form == "jsonl":
        _lines([msgspec.json.encode(record).decode() for record in records])
    else:
        document(msgspec.to_builtins(list(records)), form)


def document(value: object, form: str) -> None:
    """Prints one value as JSON or YAML."""
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
