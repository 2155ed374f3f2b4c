"""The move of a storage's backups into the repositories of another layout."""

from kronkeep_common.models.base import Bytes, Moment, Record, Request
from kronkeep_common.models.storage_layout import Layout
from kronkeep_common.states import MoveState


class MoveRequest(Request, frozen=True, kw_only=True):
    """The layout that a storage is to have."""

    layout: Layout


class MovePlan(Record, frozen=True, kw_only=True):
    """What a move to the layout would copy: `backups` from the repositories `sources` into `targets`.

    `bytes_stored` is what these backups have added to their repositories, which restic 0.17 and later tell;
    the copies take about as much, beside the originals, until those are removed.
    """

    layout: Layout
    backups: int
    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    bytes_stored: Bytes | None = None


class LayoutMove(Record, frozen=True, kw_only=True):
    """The newest move of a storage's backups into the repositories of another layout, and what it does next.

    `copying` copies the snapshots; `checking` copies what came meanwhile, as new archives go to the new
    repositories from then on, and reads all data there; `pointing` lets the records name the copies; `kept`
    waits for a person to remove the originals, which `removing` does. `copied` of `backups` are copied, and
    `read_parts` has how many tenths of each new repository's data were read. One that `is_cancelled` removes
    the copies instead. `message` and `next_step` say why it does not go on.
    """

    layout: Layout
    from_layout: Layout
    state: MoveState
    created_at: Moment
    ended_at: Moment | None = None
    backups: int = 0
    copied: int = 0
    read_parts: dict[str, int] = {}
    is_cancelled: bool = False
    message: str | None = None
    next_step: str | None = None
