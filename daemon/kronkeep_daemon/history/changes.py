"""What happened to one document, in the order of the journal."""

from typing import Literal, NamedTuple


class Change(NamedTuple):
    """A document put or removed; `seq` counts changes, `body` is its JSON (None when removed)."""

    seq: int
    table: str
    id: str
    op: Literal["put", "remove"]
    body: bytes | None
