"""`kronkeep cancel`: stop a run, a backup, a copy or a restore that has not ended."""

import argparse
from typing import TYPE_CHECKING

from kronkeep_tui.cli import output
from kronkeep_tui.cli.arguments import add_namespace
from kronkeep_tui.cli.record_ids import RUN_HELP, find_run_id, last_part
from kronkeep_tui.cli.verb import Verbs, add_verb, with_blocking_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client
    from kronkeep_common.models import BackupCopy, BackupExecution, CronJobExecution, Restore


def add_parser(verbs: Verbs) -> None:
    """Add the verb `cancel`."""
    routes = [f"POST /v1/{table}/{{id}}/cancel" for table in ("executions", "backups", "copies", "restores")]
    cancel = add_verb(verbs, "cancel", routes=routes, help="stop a run, a backup, a copy or a restore")
    cancel.add_argument("id", help=f"{RUN_HELP}; with --backup, --copy or --restore that id")
    kind = cancel.add_mutually_exclusive_group()
    kind.add_argument("--backup", action="store_true", help="stop a backup")
    kind.add_argument("--copy", action="store_true", help="stop the copying of a backup")
    kind.add_argument("--restore", action="store_true", help="stop a restore or a drill")
    add_namespace(cancel)
    output.add_json(cancel)
    cancel.set_defaults(func=with_blocking_client(_cancel))


async def _cancel(client: "Client", options: argparse.Namespace) -> int:
    stopped: BackupExecution | BackupCopy | Restore | CronJobExecution
    if options.backup:
        stopped = await client.backups.cancel(last_part(options.id))
    elif options.copy:
        stopped = await client.copies.cancel(last_part(options.id))
    elif options.restore:
        stopped = await client.restores.cancel(last_part(options.id))
    else:
        stopped = await client.runs.cancel(await find_run_id(client, options.id, options.namespace))
    output.print_answer(stopped, f"{stopped.id} {stopped.status}", options)
    return 0
