"""`kronkeep coverage`: which claims are backed up, by which policy, and which are not."""

import argparse
import sys
from typing import TYPE_CHECKING

from kronkeep_common.text import clean
from kronkeep_tui.cli import output
from kronkeep_tui.cli.arguments import add_cluster
from kronkeep_tui.cli.verb import Verbs, add_verb, with_blocking_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client

EXIT_UNCOVERED = 1


def add_parser(verbs: Verbs) -> None:
    """Add the verb `coverage`."""
    coverage = add_verb(verbs, "coverage", routes=["GET /v1/coverage"])
    coverage.add_argument("-n", "--namespace", help="only of this namespace")
    coverage.add_argument("--filter", help="such as 'status:nobody age:<7d'")
    coverage.add_argument(
        "--check", action="store_true", help="print only what is not covered; exit code 1 where there is any"
    )
    add_cluster(coverage)
    output.add_options(coverage)
    coverage.set_defaults(func=with_blocking_client(_list))


async def _list(client: "Client", options: argparse.Namespace) -> int:
    terms = [options.filter] if options.filter else []
    terms += [f"cluster:{options.cluster}"] if options.cluster else []
    answer = await client.coverage(options.namespace, filter=" ".join(terms) or None)
    claims = [claim for claim in answer.items if claim.is_uncovered or not options.check]
    clusters = {cluster.id: cluster.name for cluster in answer.clusters}
    if claims or not options.check:
        output.print_records(
            "claims", claims, options.output, headers=not options.no_headers, clusters=clusters
        )
    for fault in answer.faults:
        where = f"{fault.namespace}: " if fault.namespace else ""
        sys.stderr.write(clean(f"{where}{fault.message} {fault.next_step or ''}".strip(), 1000) + "\n")
    return EXIT_UNCOVERED if options.check and (claims or answer.faults) else 0
