"""`kronkeep copy`: copy a backup to another storage now."""

import argparse
import sys
from typing import TYPE_CHECKING

from kronkeep_common.text import clean
from kronkeep_tui.cli import output, wait_for_end
from kronkeep_tui.cli.arguments import add_namespace
from kronkeep_tui.cli.record_ids import BACKUP_HELP, find_backup_id
from kronkeep_tui.cli.verb import Verbs, add_verb, with_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client


def add_parser(verbs: Verbs) -> None:
    """Add the verb `copy`."""
    routes = ["POST /v1/backups/{id}/copies", "GET /v1/copies/{id}"]
    help_text = "copy a backup to another storage now, or again where that failed"
    copy = add_verb(verbs, "copy", routes=routes, help=help_text)
    copy.add_argument("backup", help=BACKUP_HELP)
    copy.add_argument("--to", metavar="STORAGE", required=True, help="the storage that the copy is to be in")
    copy.add_argument("--wait", action="store_true", help="wait until the copy is made")
    add_namespace(copy)
    output.add_json(copy)
    copy.set_defaults(func=with_client(_copy))


async def _copy(client: "Client", options: argparse.Namespace) -> int:
    backup_id = await find_backup_id(client, options.backup, options.namespace)
    copy = await client.copies.start(backup_id, options.to)
    if not options.wait or options.output == "text":
        output.print_answer(copy, f"{copy.id} {copy.status}", options)
    if options.output == "text":
        sys.stderr.write(
            f"The policy's rules for copies in {clean(options.to, 63)} decide how long it stays: retention "
            f"may remove it. kronkeep pin {clean(copy.backup_id, 60)} exempts it.\n"
        )
    if not options.wait:
        return 0
    ended = await wait_for_end.wait_for_copy(client, copy.id)
    if options.output == "json":
        output.print_document(ended, "json")
    if ended.status == "succeeded":
        return 0
    sys.stderr.write(f"{clean(ended.message or ended.status, 500)}\n{clean(ended.next_step or '', 500)}\n")
    return 1
