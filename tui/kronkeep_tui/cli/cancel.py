"""`kronkeep cancel`: stop a run, a backup, a copy or a restore that has not ended."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kronkeep_common.errors import AmbiguousId, ExecutionNotFound, NotFound
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean
from kronkeep_tui.cli import output
from kronkeep_tui.cli.arguments import add_namespace, singular_kind
from kronkeep_tui.cli.record_ids import RUN_HELP, find_run_id, is_like_an_id, last_part
from kronkeep_tui.cli.verb import Verbs, add_verb, with_blocking_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client
    from kronkeep_common.models import BackupCopy, BackupExecution, CronJobExecution, Restore


def add_parser(verbs: Verbs) -> None:
    """Add the verb `cancel`."""
    routes = [f"POST /v1/{table}/{{id}}/cancel" for table in ("executions", "backups", "copies", "restores")]
    cancel = add_verb(verbs, "cancel", routes=routes, help="stop a run, a backup, a copy or a restore")
    cancel.description = (
        "Stop a run, a backup, a copy or a restore that has not ended. An id that only one of them has needs "
        "no option; a CronJob's name is its newest run."
    )
    cancel.add_argument("id", help=f"{RUN_HELP}; or the id of a backup, a copy or a restore")
    kind = cancel.add_mutually_exclusive_group()
    kind.add_argument("--backup", action="store_const", const="backups", dest="kind", help="stop a backup")
    kind.add_argument(
        "--copy", action="store_const", const="copies", dest="kind", help="stop the copying of a backup"
    )
    kind.add_argument(
        "--restore", action="store_const", const="restores", dest="kind", help="stop a restore or a drill"
    )
    add_namespace(cancel)
    output.add_json(cancel)
    cancel.set_defaults(func=with_blocking_client(cancel_record))


async def cancel_record(client: "Client", options: argparse.Namespace) -> int:
    """Stop the record that the options name, and print what became of it."""
    calls: dict[str, Any] = {
        "executions": client.runs,
        "backups": client.backups,
        "copies": client.copies,
        "restores": client.restores,
    }
    record_id = last_part(options.id)
    kind = options.kind
    if kind is None and is_like_an_id(options.id):
        kind = await _find_kind(calls, record_id)
    elif kind is None:
        record_id = await find_run_id(client, options.id, options.namespace)
    stopped = await calls[kind or "executions"].cancel(record_id)
    output.print_answer(stopped, f"{stopped.id} {_describe_end(stopped)}", options)
    return 0


async def _find_kind(calls: Mapping[str, Any], record_id: str) -> str:
    """Return the kind of the only record with an id; raise AmbiguousId, ExecutionNotFound."""
    kinds = []
    for kind, records in calls.items():
        try:
            await records.get(record_id)
        except NotFound:
            continue
        kinds.append(kind)
    if len(kinds) == 1:
        return kinds[0]
    name = clean(record_id, 80)
    nouns = " and ".join(f"a {singular_kind(kind)}" for kind in kinds)
    if kinds:
        raise AmbiguousId(
            f"The id {name} is that of {nouns}.", next_step="Say which with --backup, --copy or --restore."
        )
    raise ExecutionNotFound(
        f"There is no run, backup, copy or restore {name}.",
        next_step="List them: kronkeep get executions --filter status:running, get backups, get restores.",
    )


def _describe_end(stopped: "CronJobExecution | BackupExecution | BackupCopy | Restore") -> str:
    """Return the status; a restore that was cancelled has failed, which a person did not mean."""
    return "cancelled" if stopped.reason == Reason.CANCELLED else stopped.status
