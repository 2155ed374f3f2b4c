"""`kronkeep uninstall --dry-run`: what kronkeep put into the clusters and the commands that remove it."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.text import clean
from kronkeep_tui.cli import output
from kronkeep_tui.cli.verb_runner import add_verb, run_at_once

if TYPE_CHECKING:
    from kronkeep_common.client import Client


def add_parser(verbs: Any) -> None:
    """Add the parser of `uninstall` to `verbs`."""
    verb = add_verb(verbs, "uninstall", "GET /v1/uninstall")
    verb.add_argument("--dry-run", action="store_true", help="only list it, which is all that this verb does")
    verb.add_argument("-o", "--output", choices=("table", "json", "jsonl", "yaml"), default="table")
    verb.set_defaults(func=run_at_once(_list))


async def _list(client: "Client", options: argparse.Namespace) -> int:
    if not options.dry_run:
        words = "kronkeep takes nothing out of a cluster by itself."
        raise InvalidRequest(words, next_step="Stop kronkeepd, then run the commands of uninstall --dry-run.")
    leftovers = (await client.leftovers()).items
    if options.output != "table":
        output.show("leftovers", leftovers, options.output)
        return 0
    for line in leftovers:
        sys.stdout.write(
            f"{clean(line.command, 1000)}    # {clean(line.cluster, 80)}: {clean(line.why, 200)}\n"
        )
    return 0
