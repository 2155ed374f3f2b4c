"""`kronkeep silence`: send no alerts of some kind for a while, or end such a silence."""

import argparse
from typing import TYPE_CHECKING

from kronkeep_common.durations import parse_duration
from kronkeep_common.errors import InvalidRequest
from kronkeep_common.text import clean, count_words, short_id
from kronkeep_tui.cli import output
from kronkeep_tui.cli.several_ids import act_on_each
from kronkeep_tui.cli.verb import Verbs, add_verb, with_blocking_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client
    from kronkeep_common.models import SilenceView


def add_parser(verbs: Verbs) -> None:
    """Add the verb `silence`."""
    silence = add_verb(verbs, "silence", routes=["POST /v1/silences", "POST /v1/silences/{id}/end"])
    silence.add_argument(
        "--filter",
        help="which alerts, as in kronkeep get alerts: 'ns:pay severity:warning', 'code:RunFailed'",
    )
    silence.add_argument("--for", dest="duration", metavar="4h", help="how long: 90m, 4h, 1d12h (to 30d)")
    silence.add_argument("--because", metavar="WHY", help="why, for whoever looks at the alerts meanwhile")
    silence.add_argument(
        "--end", nargs="+", metavar="ID", help="end silences now instead (kronkeep get silences)"
    )
    output.add_json(silence)
    silence.set_defaults(func=with_blocking_client(_silence))


async def _silence(client: "Client", options: argparse.Namespace) -> int:
    wanted = (options.filter, options.duration, options.because)
    if options.end:
        if any(wanted):
            raise InvalidRequest("--end ends silences, and takes none of the other options.")
        await act_on_each(options.end, client.silences.end, _describe_end, options)
        return 0
    if not all(wanted):
        raise InvalidRequest(
            "A silence needs --filter, --for and --because.",
            next_step="kronkeep silence --filter ns:pay --for 4h --because 'database upgrade'",
        )
    silence = await client.silences.create(
        options.filter, for_seconds=parse_duration(options.duration), because=options.because
    )
    words = (
        f"{short_id(silence.id)} holds back {count_words(silence.alerts, 'open alert')} and new ones "
        f"until {silence.ends_at:%Y-%m-%d %H:%M} UTC"
    )
    output.print_answer(silence, words, options)
    return 0


def _describe_end(silence: "SilenceView") -> str:
    return f"{short_id(silence.id)} has ended: {clean(silence.filter, 300)}"
