"""`kronkeep describe`: one CronJob, run, backup or storage, field by field."""

import argparse
from typing import TYPE_CHECKING

import msgspec

from kronkeep_common.json_decoding import JsonObject
from kronkeep_common.models import BackupExecution, BackupStorage, CronJob, CronJobExecution
from kronkeep_common.text import clean
from kronkeep_tui.cli import output
from kronkeep_tui.cli.arguments import add_cluster, singular_kind, split_name
from kronkeep_tui.cli.verb import Verbs, with_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client

NEWEST = 10  # runs and backups of a CronJob


def add_parser(verbs: Verbs) -> None:
    """Add the verb `describe`."""
    describe = verbs.add_parser(
        "describe", help="one CronJob, run, backup or storage, with what belongs to it"
    )
    kinds = ("cronjob", "execution", "backup", "storage")
    describe.add_argument("kind", choices=kinds, type=singular_kind)
    describe.add_argument("id", help="NAMESPACE/NAME of a CronJob, otherwise an id")
    add_cluster(describe)
    describe.set_defaults(func=with_client(_describe))


async def _describe(client: "Client", options: argparse.Namespace) -> int:
    match options.kind:
        case "cronjob":
            await _describe_cronjob(client, options.id)
        case "execution":
            run = await client.runs.get(options.id)
            _print_fields(run)
            if run.backup_id:
                print("\nbackup:")
                _print_fields(await client.backups.get(run.backup_id), "  ")
        case "backup":
            _print_fields(await client.backups.get(options.id))
        case "storage":
            _print_fields(await client.storages.get(options.id))
    return 0


async def _describe_cronjob(client: "Client", name: str) -> None:
    """Print a CronJob's fields, then its newest runs and backups."""
    cronjob = await client.cronjobs.get(*split_name(name))
    _print_fields(cronjob)
    runs = (await client.runs.list(cronjob_id=cronjob.id, limit=NEWEST)).items
    if runs:
        print("\nexecutions:")
        output.print_records("executions", runs, "table")
    backups = (await client.backups.list(cronjob_id=cronjob.id, limit=NEWEST)).items
    if backups:
        print("\nbackups:")
        output.print_records("backups", backups, "table")


def _print_fields(
    record: CronJob | CronJobExecution | BackupExecution | BackupStorage, indent: str = ""
) -> None:
    values: JsonObject = msgspec.json.decode(msgspec.json.encode(record))
    if isinstance(record, CronJob | BackupExecution) and record.unarchived_volumes:
        values["unarchived_volumes"] = [volume.sentence for volume in record.unarchived_volumes]
    width = max(map(len, values), default=0)
    for key, value in values.items():
        if isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict)):
            text = msgspec.json.encode(value).decode()
        elif isinstance(value, list):
            text = " ".join(map(str, value))
        else:
            text = str(value)
        print(f"{indent}{key.replace('_', ' '):{width}}  {clean(text)}")
