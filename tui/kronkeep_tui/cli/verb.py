"""What the verbs share: how their work runs, and how names and pairs are parsed."""

import argparse
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.text import clean

if TYPE_CHECKING:
    from kronkeep_common.client import Client

ROUTES = Path(__file__).parent / "routes.json"  # written from the daemon's table of routes: make reference
Work = Callable[["Client", argparse.Namespace], Coroutine[Any, Any, int]]
Command = Callable[[argparse.Namespace], int]


def add_verb(verbs: Any, name: str, *routes: str, help: str | None = None) -> argparse.ArgumentParser:
    """Add a verb for routes of the API (`METHOD path`); its help shows their summaries and levels.

    It gets `--cluster` if a route is about an object of one of several clusters.
    """
    table: dict[str, list[str]] = json.loads(ROUTES.read_text())
    sentence = table[routes[0]][1]
    route_lines = "".join(f"  {route}  ({table[route][0]})\n" for route in routes)
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=help or sentence[0].lower() + sentence[1:].rstrip("."),
        description=" ".join(table[route][1] for route in routes),
        epilog=f"of the API, with the level that it needs:\n{route_lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if any("cluster" in table[route][2:] for route in routes):
        add_cluster(parser)
    return parser


def run_at_once(work: Work) -> Command:
    """Return a command for a verb that asks and prints: without an event loop it starts in half the time."""

    def start(options: argparse.Namespace) -> int:
        from kronkeep_common.client.blocking_transport import run_without_loop
        from kronkeep_common.client.sync_client import blocking_client

        client = blocking_client(options.socket, getattr(options, "cluster", None))
        return run_without_loop(work(client, options))

    return start


def run(work: Work) -> Command:
    """Return a command for a verb that waits or streams: `work` gets a client on an event loop."""

    def start(options: argparse.Namespace) -> int:
        import asyncio

        async def once() -> int:
            from kronkeep_common.client import Client

            async with Client(options.socket, cluster=getattr(options, "cluster", None)) as client:
                return await work(client, options)

        return asyncio.run(once())

    return start


def add_cluster(verb: argparse.ArgumentParser, default: Any = None) -> None:
    """Add `--cluster`, for a verb about an object of one of several clusters."""
    words = "the cluster that is meant, by its name in the settings, where there are several"
    verb.add_argument("--cluster", metavar="NAME", help=words, default=default)


def split_name(name: str, otherwise: str = "default") -> tuple[str, str]:
    """Return (namespace, name) of NAMESPACE/NAME, or of NAME in the namespace `otherwise`."""
    namespace, slash, rest = name.partition("/")
    return (namespace, rest) if slash else (otherwise, name)


def parse_pairs(words: list[str], sign: str = "=") -> dict[str, str]:
    """Parse KEY=VALUE words into a dict; raise InvalidRequest for one without the sign."""
    for word in words:
        if sign not in word:
            raise InvalidRequest(f"{clean(repr(word), 80)} is not like KEY{sign}VALUE.")
    return dict(word.split(sign, 1) for word in words)


def parse_variables(words: list[str]) -> tuple[Any, ...]:
    """Parse K=V words into environment variables."""
    from kronkeep_common.models import EnvVar

    return tuple(EnvVar(name=key, value=value) for key, value in parse_pairs(words).items())
