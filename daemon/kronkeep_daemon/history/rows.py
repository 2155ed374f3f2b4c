"""Rows: a document as its SQLite table holds it, its JSON beside the columns that are searched.

A column is NULL where the document lacks the field, or its value is not text. The checksum covers the table's
name, the number and the JSON; the other columns follow from the JSON, so a row is verified by both.
"""

import zlib
from typing import Any, NamedTuple

import msgspec

SORT = "created_at"
SHARED = ("cronjob_id", "cronjob", "namespace", "status", "policy_id", "storage_id", "cluster")
COLUMNS = ("id", SORT, *SHARED)
LATEST = "\U0010ffff"  # sorts after every time
_Keys = msgspec.defstruct("_Keys", [(field, str | None, None) for field in COLUMNS], gc=False)
_KEYS = msgspec.json.Decoder(_Keys)


class Row(NamedTuple):
    """One document: TinyDB's number, the values of the columns, and its JSON."""

    number: int
    id: str | None
    created_at: str
    cronjob_id: str | None
    cronjob: str | None
    namespace: str | None
    status: str | None
    policy_id: str | None
    storage_id: str | None
    cluster: str | None
    body: bytes

    @property
    def position(self) -> tuple[str, int]:
        """The place of the row in the order of time, newest last."""
        return self.created_at, self.number


def sort_time(text: str) -> str:
    """Return a time as rows are sorted by it: without its Z, so that a whole second sorts before its
    fractions.
    """
    return text[:-1] if text.endswith("Z") else text


def row_of(number: int, body: bytes) -> Row:
    """Return the row of a document."""
    try:
        values = msgspec.structs.astuple(_KEYS.decode(body))
    except msgspec.ValidationError:
        document = msgspec.json.decode(body)
        values = tuple(_text(document.get(field)) for field in COLUMNS)
    return Row._make((number, values[0] or None, sort_time(values[1] or ""), *values[2:], body))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def checksum(table: str, number: int, body: bytes) -> int:
    """Return the CRC-32 of a row."""
    return zlib.crc32(body, zlib.crc32(b"%s/%d/" % (table.encode(), number)))
