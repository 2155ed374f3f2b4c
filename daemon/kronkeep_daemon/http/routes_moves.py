"""The routes of moves of storages to another layout."""

from kronkeep_common import api
from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage_layout import LAYOUTS
from kronkeep_common.models.storage_move import MovePlan, MoveRequest
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.route import ApiCall, RouteTable

MOVE = "/v1/storages/{id}/move"

routes = RouteTable()


@routes.get(MOVE, query=("layout",))
async def plan_move(call: ApiCall[None]) -> MovePlan:
    """Show what a move of a storage's backups to another layout would copy."""
    name = call.query.get("layout", "")
    layout = next((each for each in LAYOUTS if each == name), None)
    if layout is None:
        raise InvalidRequest(f"The layouts are {', '.join(LAYOUTS)}.", field="layout")
    return await call.services.layout_moves.plan(call.id, layout)


@routes.post(MOVE, Level.ADMIN, status=202)
async def begin_move(call: ApiCall[MoveRequest]) -> BackupStorage:
    """Begin to move a storage's backups into the repositories of another layout; the originals stay."""
    return await call.services.layout_moves.begin(call.id, call.body.layout)


@routes.post(MOVE + "/remove-old", Level.ADMIN, status=202)
async def remove_originals(call: ApiCall[api.Empty]) -> BackupStorage:
    """Begin to remove the originals of a move, each while its copy is there."""
    return await call.services.layout_moves.remove_old(call.id)


@routes.post(MOVE + "/cancel", Level.ADMIN, status=202)
async def cancel_move(call: ApiCall[api.Empty]) -> BackupStorage:
    """Give up a move before records name the copies, and begin to remove these."""
    return await call.services.layout_moves.cancel(call.id)
