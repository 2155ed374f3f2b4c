"""`kronkeep acknowledge`: say that you know of alerts."""

import argparse
from typing import TYPE_CHECKING

from kronkeep_common.text import clean
from kronkeep_tui.cli import output
from kronkeep_tui.cli.several_ids import act_on_each
from kronkeep_tui.cli.verb import Verbs, add_verb, with_blocking_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client
    from kronkeep_common.models import Alert


def add_parser(verbs: Verbs) -> None:
    """Add the verb `acknowledge`."""
    acknowledge = add_verb(verbs, "acknowledge", routes=["POST /v1/alerts/{id}/acknowledge"])
    acknowledge.add_argument("id", nargs="+", help="ids of alerts (kronkeep get alerts --filter status:open)")
    output.add_json(acknowledge)
    acknowledge.set_defaults(func=with_blocking_client(_acknowledge))


async def _acknowledge(client: "Client", options: argparse.Namespace) -> int:
    await act_on_each(options.id, client.alerts.acknowledge, _describe, options)
    return 0


def _describe(alert: "Alert") -> str:
    return f"{alert.id} {alert.code} {clean(alert.object, 300)} is acknowledged"
