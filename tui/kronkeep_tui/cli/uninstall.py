"""`kronkeep uninstall --dry-run`: what kronkeep has put into the clusters, and how to remove it."""

import argparse
import sys
from typing import TYPE_CHECKING

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.text import clean
from kronkeep_tui.cli import output
from kronkeep_tui.cli.verb import Verbs, add_verb, with_blocking_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client


def add_parser(verbs: Verbs) -> None:
    """Add the verb `uninstall`."""
    uninstall = add_verb(verbs, "uninstall", routes=["GET /v1/uninstall"])
    uninstall.add_argument(
        "--dry-run", action="store_true", help="list the commands; this verb does nothing else"
    )
    uninstall.add_argument(
        "-o",
        "--output",
        choices=("table", "json", "jsonl", "yaml"),
        default="table",
        help="of what is printed (default: %(default)s)",
    )
    uninstall.set_defaults(func=with_blocking_client(_list))


async def _list(client: "Client", options: argparse.Namespace) -> int:
    if not options.dry_run:
        raise InvalidRequest(
            "kronkeep removes nothing from a cluster by itself.",
            next_step="Stop kronkeepd, then run the commands of uninstall --dry-run.",
        )
    leftovers = (await client.leftovers()).items
    if options.output != "table":
        output.print_records("leftovers", leftovers, options.output)
        return 0
    for leftover in leftovers:
        why = f"{clean(leftover.cluster, 80)}: {clean(leftover.why, 200)}"
        sys.stdout.write(f"{clean(leftover.command, 1000)}    # {why}\n")
    return 0
