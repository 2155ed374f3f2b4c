"""`kronkeep test-channels`: send a test message to the channels of alerts, and say how each ended."""

import argparse
from typing import TYPE_CHECKING

from kronkeep_common.text import clean
from kronkeep_tui.cli import output
from kronkeep_tui.cli.verb import Verbs, add_verb, with_blocking_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client


def add_parser(verbs: Verbs) -> None:
    """Add the verb `test-channels`."""
    verb = add_verb(verbs, "test-channels", routes=["POST /v1/channels/test"])
    verb.add_argument(
        "channel", nargs="*", help="names of channels in the settings, [[alerts.channels]] (default: all)"
    )
    output.add_json(verb)
    verb.set_defaults(func=with_blocking_client(_test_channels))


async def _test_channels(client: "Client", options: argparse.Namespace) -> int:
    """Print how each test ended; return 1 where one was not sent."""
    trials = (await client.alerts.test_channels(*options.channel)).items
    if options.output == "json":
        output.print_document(trials, "json")
    else:
        for trial in trials:
            end = "sent" if trial.is_sent else f"not sent: {trial.message}"
            print(clean(f"{trial.name} ({trial.kind}): {end}", 700))
    return int(not all(trial.is_sent for trial in trials))
