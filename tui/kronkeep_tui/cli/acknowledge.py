"""`kronkeep acknowledge`: say that you know of alerts."""

import argparse
from typing import TYPE_CHECKING

from kronkeep_common.text import clean
from kronkeep_tui.cli.verb import Verbs, add_verb, with_blocking_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client


def add_parser(verbs: Verbs) -> None:
    """Add the verb `acknowledge`."""
    acknowledge = add_verb(verbs, "acknowledge", routes=["POST /v1/alerts/{id}/acknowledge"])
    acknowledge.add_argument("id", nargs="+", help="ids of alerts (kronkeep get alerts --filter status:open)")
    acknowledge.set_defaults(func=with_blocking_client(_acknowledge))


async def _acknowledge(client: "Client", options: argparse.Namespace) -> int:
    for alert_id in options.id:
        alert = await client.alerts.acknowledge(alert_id)
        print(f"{alert.id} {alert.code} {clean(alert.object, 300)} is acknowledged")
    return 0
