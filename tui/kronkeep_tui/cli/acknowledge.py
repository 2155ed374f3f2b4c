"""`kronkeep acknowledge`: mark alerts as known."""

import argparse
from typing import TYPE_CHECKING, Any

from kronkeep_common.text import clean
from kronkeep_tui.cli.verb_runner import add_verb, run_at_once

if TYPE_CHECKING:
    from kronkeep_common.client import Client


def add_parser(verbs: Any) -> None:
    """Add the parser of `acknowledge` to `verbs`."""
    one = add_verb(verbs, "acknowledge", "POST /v1/alerts/{id}/acknowledge")
    one.add_argument("id", nargs="+", help="ids of alerts: kronkeep get alerts --filter status:open")
    one.set_defaults(func=run_at_once(_acknowledge))


async def _acknowledge(client: "Client", options: argparse.Namespace) -> int:
    for alert_id in options.id:
        alert = await client.alerts.acknowledge(alert_id)
        print(f"{alert.id} {alert.code} {clean(alert.object, 300)} is acknowledged")
    return 0
