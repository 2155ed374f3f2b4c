"""One durable change of a document."""

from typing import Literal, NamedTuple


class Change(NamedTuple):
    """A document was put or removed; `seq` numbers the changes, `body` is its JSON (None when removed).

    retracts: what is removed was not so, and nothing counts it any more.
    """

    seq: int
    table: str
    id: str
    op: Literal["put", "remove"]
    body: bytes | None
    retracts: bool = False


class ForgottenChanges(Exception):
    """Changes that were still to be read were removed to make place for later ones."""
