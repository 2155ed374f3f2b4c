"""`kronkeep audit`: who changed what, newest first."""

import argparse
from typing import TYPE_CHECKING

from kronkeep_tui.cli import output
from kronkeep_tui.cli.arguments import read_count
from kronkeep_tui.cli.verb import Verbs, add_verb, with_blocking_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client


def add_parser(verbs: Verbs) -> None:
    """Add the verb `audit`."""
    audit = add_verb(verbs, "audit", routes=["GET /v1/audit"])
    audit.add_argument("--limit", type=read_count, default=50, help="how many entries (default: 50)")
    output.add_options(audit, output.NAMELESS)
    output.add_zone(audit)
    audit.set_defaults(func=with_blocking_client(_list))


async def _list(client: "Client", options: argparse.Namespace) -> int:
    answer = await client.audit(options.limit)
    output.print_records(
        "audit", answer.items, options.output, headers=not options.no_headers, zone=options.zone
    )
    return 0
