"""`kronkeep describe`: one record of any kind, field by field, with what belongs to it."""

import argparse
from contextlib import suppress
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any

import msgspec

from kronkeep_common.display_zone import format_rfc3339, local_zone
from kronkeep_common.errors import BackupNotFound
from kronkeep_common.models import BackupExecution, CronJob, CronJobExecution, Restore
from kronkeep_common.text import clean
from kronkeep_tui.cli import output
from kronkeep_tui.cli.arguments import add_cluster, add_namespace, plural_kind, singular_kind
from kronkeep_tui.cli.record_reader import KINDS, fetch_record
from kronkeep_tui.cli.verb import Verbs, with_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client

NEWEST = 10  # runs and backups of a CronJob


def add_parser(verbs: Verbs) -> None:
    """Add the verb `describe`."""
    kinds = [singular_kind(kind) for kind in KINDS]
    describe = verbs.add_parser(
        "describe",
        help="one record, field by field, with what belongs to it",
        description="Show one record, field by field. A CronJob comes with its newest runs and backups, a "
        "run with its backup, a backup with its copies, a restore with its backup.",
    )
    describe.add_argument(
        "kind", choices=kinds, type=singular_kind, metavar="KIND", help=f"what ID is of: {', '.join(kinds)}"
    )
    describe.add_argument(
        "id",
        nargs="+",
        help="an id or its beginning, a name, or NAMESPACE/NAME of a CronJob: it, its newest run or backup",
    )
    add_namespace(describe)
    output.add_zone(describe, "the zone of times")
    add_cluster(describe)
    describe.add_argument(
        "-o",
        "--output",
        choices=("text", "json", "yaml"),
        default="text",
        help="json, yaml: the record alone, of several ids a list of them",
    )
    describe.set_defaults(func=with_client(_describe))


async def _describe(client: "Client", options: argparse.Namespace) -> int:
    kind = plural_kind(options.kind)
    if options.output != "text":
        records = [await fetch_record(client, kind, word, options.namespace) for word in options.id]
        output.print_document(records[0] if len(records) == 1 else records, options.output)
        return 0
    for place, word in enumerate(options.id):
        if place:
            print()
        await _describe_in_text(
            client, await fetch_record(client, kind, word, options.namespace), options.zone or local_zone()
        )
    return 0


async def _describe_in_text(client: "Client", record: object, zone: tzinfo) -> None:
    _print_fields(record, zone)
    match record:
        case CronJob():
            await _print_newest(client, record)
        case CronJobExecution(backup_id=str(backup_id)):
            _print_below("backup", await client.backups.get(backup_id), zone)
        case BackupExecution():
            copies = (await client.copies.of_backup(record.id)).items
            if copies:
                print("\ncopies:")
                output.print_records("copies", copies, "table")
        case Restore(backup_id=str(backup_id)):
            with suppress(BackupNotFound):  # its record has expired
                _print_below("backup", await client.backups.get(backup_id), zone)


async def _print_newest(client: "Client", cronjob: CronJob) -> None:
    """Print a CronJob's newest runs and backups."""
    runs = (await client.runs.list(cronjob_id=cronjob.id, limit=NEWEST)).items
    if runs:
        print("\nexecutions:")
        output.print_records("executions", runs, "table")
    backups = (await client.backups.list(cronjob_id=cronjob.id, limit=NEWEST)).items
    if backups:
        print("\nbackups:")
        output.print_records("backups", backups, "table")


def _print_below(title: str, record: object, zone: tzinfo) -> None:
    print(f"\n{title}:")
    _print_fields(record, zone, "  ")


def _print_fields(record: object, zone: tzinfo, indent: str = "") -> None:
    values: dict[str, Any] = msgspec.to_builtins(record, builtin_types=(datetime,), str_keys=True)
    if isinstance(record, CronJob | BackupExecution) and record.unarchived_volumes:
        values["unarchived_volumes"] = [volume.sentence for volume in record.unarchived_volumes]
    width = max(map(len, values), default=0)
    for key, value in values.items():
        first, *more = _lines_of(value, zone)
        print(f"{indent}{key.replace('_', ' '):{width}}  {first}")
        for line in more:
            print(f"{indent}{'':{width}}  {line}")


def _lines_of(value: Any, zone: tzinfo) -> list[str]:
    """Return a value as one line, what is nested in it as a line each; at least one line."""
    if isinstance(value, datetime):
        return [format_rfc3339(value, zone)]
    if isinstance(value, dict):
        return [line for key, each in value.items() for line in _labelled_lines(key, each, zone)] or ["-"]
    if _is_of_dicts(value):
        return [
            f"{'  ' if at else '- '}{line}" for item in value for at, line in enumerate(_lines_of(item, zone))
        ]
    if isinstance(value, list | tuple):
        return [", ".join(_lines_of(item, zone)[0] for item in value) or "-"]
    if value is None or value == "":
        return ["-"]
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    return [clean(str(value))]


def _is_of_dicts(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], dict)


def _labelled_lines(key: str, value: Any, zone: tzinfo) -> list[str]:
    lines = _lines_of(value, zone)
    label = clean(key.replace("_", " "))
    is_nested = isinstance(value, dict) or _is_of_dicts(value)
    return (
        [f"{label}:", *(f"  {line}" for line in lines)] if is_nested and value else [f"{label}: {lines[0]}"]
    )
