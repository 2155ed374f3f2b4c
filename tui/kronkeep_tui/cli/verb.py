"""How a verb is added to the command line, and how its work gets a client."""

import argparse
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from kronkeep_tui.cli.arguments import add_cluster

if TYPE_CHECKING:
    from kronkeep_common.client import Client

ROUTES = Path(__file__).parent / "routes.json"  # generated from the daemon's table of routes: make reference
Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Work: TypeAlias = "Callable[[Client, argparse.Namespace], Coroutine[None, None, int]]"
Command = Callable[[argparse.Namespace], int]


def add_verb(
    verbs: Verbs, name: str, *, routes: list[str], help: str | None = None
) -> argparse.ArgumentParser:
    """Add a verb that uses routes of the API (`METHOD path`); its help lists their sentences and levels.

    It has `--cluster` where a route is about something that one of several clusters has.
    """
    table: dict[str, list[str]] = json.loads(ROUTES.read_text())
    sentence = table[routes[0]][1]
    levels = "".join(f"  {route}  ({table[route][0]})\n" for route in routes)
    verb = verbs.add_parser(
        name,
        help=help or sentence[0].lower() + sentence[1:].rstrip("."),
        description=" ".join(table[route][1] for route in routes),
        epilog=f"routes of the API, with the access level that each needs:\n{levels}",
    )
    if any("cluster" in table[route][2:] for route in routes):
        add_cluster(verb)
    return verb


def with_blocking_client(work: Work) -> Command:
    """Run work that asks and prints; without an event loop it starts in half the time."""

    def command(options: argparse.Namespace) -> int:
        from kronkeep_common.client.blocking_transport import run_without_loop
        from kronkeep_common.client.sync_client import blocking_client

        client = blocking_client(options.socket, getattr(options, "cluster", None))
        return run_without_loop(work(client, options))

    return command


def with_client(work: Work) -> Command:
    """Run work that waits or streams, with a client on an event loop."""

    def command(options: argparse.Namespace) -> int:
        import asyncio

        async def run() -> int:
            from kronkeep_common.client import Client

            async with Client(options.socket, cluster=getattr(options, "cluster", None)) as client:
                return await work(client, options)

        return asyncio.run(run())

    return command
