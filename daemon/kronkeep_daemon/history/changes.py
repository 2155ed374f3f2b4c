"""What happened to one document, in the order of the journal."""

from typing import Any, Literal, NamedTuple

import msgspec


class Change(NamedTuple):
    """A document put or removed; `seq` counts changes, `body` is its JSON (None when removed)."""

    seq: int
    table: str
    id: str
    op: Literal["put", "remove"]
    body: bytes | None

    @property
    def doc(self) -> dict[str, Any] | None:
        """The document as plain values."""
        return None if self.body is None else msgspec.json.decode(self.body)
