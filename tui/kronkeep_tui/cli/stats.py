"""`kronkeep stats`: how many runs and backups of the last days ended how."""

import argparse
import sys
from typing import TYPE_CHECKING

from kronkeep_tui.cli import output
from kronkeep_tui.cli.arguments import read_count
from kronkeep_tui.cli.verb import Verbs, add_verb, with_blocking_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client


def add_parser(verbs: Verbs) -> None:
    """Add the verb `stats`."""
    stats = add_verb(verbs, "stats", routes=["GET /v1/figures"])
    stats.description = (
        f"{stats.description} The columns after BACKUPS count these by their status, as `kronkeep get "
        "backups --filter status:failed` does; those of FAILED that never began, as their run had failed, "
        "are NOT BEGUN. A run or backup counts on the day on which it was created."
    )
    stats.add_argument(
        "--by",
        choices=("namespace", "cronjob", "storage"),
        default="namespace",
        help="a row for each (default: %(default)s)",
    )
    stats.add_argument(
        "--days", type=read_count, default=90, help="how many days up to today, in UTC (default: 90)"
    )
    stats.add_argument("--period", choices=("total", "day", "week"), default="total", help="a line for each")
    stats.add_argument("-n", "--namespace", help="only of this namespace")
    output.add_options(stats)
    stats.set_defaults(func=with_blocking_client(_list))


async def _list(client: "Client", options: argparse.Namespace) -> int:
    answer = await client.figures.list(options.by, options.days, options.period, options.namespace)
    clusters = {cluster.id: cluster.name for cluster in answer.clusters}
    kind = "figures of storages" if options.by == "storage" else "figures"
    output.print_records(
        kind, answer.items, options.output, headers=not options.no_headers, clusters=clusters
    )
    if answer.items and options.output in ("table", "wide"):
        sys.stdout.flush()
        begin = min(figures.from_at for figures in answer.items)
        end = max(figures.until_at for figures in answer.items)
        sys.stderr.write(f"From {begin:%Y-%m-%d} on, before {end:%Y-%m-%d} (UTC).\n")
    return 0
