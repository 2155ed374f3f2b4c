"""`kronkeep storage move`: the backups of a storage go into the repositories of another layout."""

import argparse
from typing import TYPE_CHECKING

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_layout import LAYOUTS
from kronkeep_common.models.storage_move import LayoutMove, MovePlan
from kronkeep_common.states import MoveState
from kronkeep_common.text import clean, size
from kronkeep_tui.cli import output, wait_for_end
from kronkeep_tui.cli.verb import Verbs, add_verb, with_blocking_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client

_MOVE = "/v1/storages/{id}/move"
_RESTING = (MoveState.KEPT, MoveState.DONE)


def add_verbs(storage_verbs: Verbs) -> None:
    """Add the verb to those of `storage`."""
    move = add_verb(
        storage_verbs,
        "move",
        routes=[f"GET {_MOVE}", f"POST {_MOVE}", f"POST {_MOVE}/remove-old", f"POST {_MOVE}/cancel"],
        help="move its backups into the repositories of another layout; the originals stay until you say so",
    )
    move.add_argument("name", help="of the storage")
    what = move.add_mutually_exclusive_group()
    what.add_argument("--layout", choices=LAYOUTS, help="what gets a repository of its own")
    what.add_argument(
        "--remove-old", action="store_true", help="remove the originals of a move whose copies were checked"
    )
    what.add_argument("--cancel", action="store_true", help="give it up, and remove the copies")
    move.add_argument("--dry-run", action="store_true", help="with --layout: only print what would be copied")
    move.add_argument("--wait", action="store_true", help="wait until it is done, or waits for you")
    output.add_json(move)
    move.set_defaults(func=with_blocking_client(_move))


async def _move(client: "Client", options: argparse.Namespace) -> int:
    if options.layout is not None:
        plan = await client.storages.plan_move(options.name, options.layout)
        if options.output == "text":
            print(describe_plan(plan))
        if options.dry_run:
            if options.output == "json":
                output.print_document(plan, "json")
            return 0
        storage = await client.storages.move(options.name, options.layout)
    elif options.remove_old:
        storage = await client.storages.remove_originals(options.name)
    elif options.cancel:
        storage = await client.storages.cancel_move(options.name)
    else:
        storage = await client.storages.get(options.name)
    if storage.move is None:
        raise InvalidRequest(
            f"{storage.id} has the layout {storage.layout} and was not moved.", next_step="Name a --layout."
        )
    if options.wait:
        storage = await _wait_until_resting(client, storage)
    assert storage.move is not None
    output.print_answer(storage, describe_move(storage.id, storage.move), options)
    return 1 if storage.move.message is not None else 0


async def _wait_until_resting(client: "Client", storage: BackupStorage) -> BackupStorage:
    """Return the storage once its move is done, waits for a person, or does not go on."""
    line = wait_for_end.ProgressLine()
    while storage.move is not None and storage.move.state not in _RESTING and storage.move.message is None:
        line.show(clean(describe_move(storage.id, storage.move)))
        await client.pause(wait_for_end.POLL_SECONDS)
        storage = await client.storages.get(storage.id)
    line.end()
    return storage


def describe_plan(plan: MovePlan) -> str:
    """Return what a move would copy, in a sentence."""
    much = f", about {size(plan.bytes_stored)}" if plan.bytes_stored is not None else ""
    places = f"from {len(plan.sources)} to {len(plan.targets)} repositories{much}"
    return (
        f"{plan.backups} backups are to be copied {places}" if plan.backups else "no backup is to be copied"
    )


def describe_move(name: str, move: LayoutMove) -> str:
    """Return how far a move is, and what to do."""
    words = f"{name}: {move.state} for the layout {move.layout}, {move.copied} of {move.backups} copied"
    if move.state is MoveState.KEPT:
        words = (
            f"{name}: {move.backups} backups are in the layout {move.layout}, and all their data was read. "
            f"The originals are still there: kronkeep storage move {name} --remove-old"
        )
    if move.state is MoveState.DONE:
        words = (
            f"{name}: the move to the layout {move.layout} was {'given up' if move.is_cancelled else 'done'}"
        )
    why = f"\n  {move.message} {move.next_step or ''}".rstrip() if move.message is not None else ""
    return words + why
