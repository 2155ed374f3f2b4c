"""`kronkeep cancel`: stop an active run, backup or restore."""

import argparse
from typing import TYPE_CHECKING, Any

from kronkeep_tui.cli.verb_runner import add_verb, run_at_once

if TYPE_CHECKING:
    from kronkeep_common.client import Client
    from kronkeep_common.models import BackupExecution, CronJobExecution, Restore


def add_parser(verbs: Any) -> None:
    """Add the parser of `cancel` to `verbs`."""
    cancel = add_verb(
        verbs,
        "cancel",
        *(f"POST /v1/{of}/{{id}}/cancel" for of in ("executions", "backups", "restores")),
        help="stop a run, a backup or a restore",
    )
    cancel.add_argument("id", help="the run's id, or with --backup or --restore that one's")
    what = cancel.add_mutually_exclusive_group()
    what.add_argument("--backup", action="store_true", help="stop a backup")
    what.add_argument("--restore", action="store_true", help="stop a restore or a drill")
    cancel.set_defaults(func=run_at_once(_cancel))


async def _cancel(client: "Client", options: argparse.Namespace) -> int:
    stopped: BackupExecution | Restore | CronJobExecution
    if options.backup:
        stopped = await client.backups.cancel(options.id)
    elif options.restore:
        stopped = await client.restores.cancel(options.id)
    else:
        stopped = await client.runs.cancel(options.id)
    print(f"{stopped.id} {stopped.status}")
    return 0
