"""Ids of records: 128 bits as 32 hexadecimal digits, random or derived, and the short forms that people type.

A derived id is made of what the record is about, so that a daemon that was killed and a second daemon make
the same one, and each thing is done once. It is a SHA-256 over the kind and the parts, each with its length
before it: a tenant who chooses one part (a policy's id, a name) can never make the whole look like another's.
"""

import hashlib
import secrets
from typing import Protocol

from kronkeep_common.errors import AmbiguousId, InvalidRequest
from kronkeep_common.text import clean

ID_DIGITS = 32
SHORTEST_PREFIX = 4
MOST_CANDIDATES = 5  # that an error names


class PrefixTable(Protocol):
    """Where records are found by the beginnings of their ids."""

    def ids_with_prefix(self, prefix: str, limit: int) -> list[str]:
        """Return at most `limit` ids that begin so."""
        ...

    def __contains__(self, record_id: str) -> bool: ...


def new_id() -> str:
    """Return a new random id."""
    return secrets.token_hex(ID_DIGITS // 2)


def derive_id(kind: str, *parts: str) -> str:
    """Return an id that is always the same for the same kind and parts, and for no others."""
    return hashlib.sha256(join_parts(kind, *parts)).hexdigest()[:ID_DIGITS]


def join_parts(*parts: str) -> bytes:
    """Return the parts, each with its length before it, so that no two lists of parts look alike."""
    encoded = [part.encode(errors="surrogatepass") for part in parts]
    return b"".join(b"%d:%s" % (len(part), part) for part in encoded)


def expand_prefix(table: PrefixTable, text: str, noun: str) -> str:
    """Return the only id that begins with `text`; `text` itself where it is an id, or none begins so.

    noun: what the records are, for the errors. Raises AmbiguousId, and InvalidRequest for a beginning that is
    too short.
    """
    if text in table:
        return text
    if len(text) < SHORTEST_PREFIX:
        raise InvalidRequest(
            f"{clean(repr(text), 20)} is too short for the beginning of an id.",
            next_step=f"Write at least {SHORTEST_PREFIX} characters of the {noun}'s id.",
            field="id",
        )
    ids = table.ids_with_prefix(text, MOST_CANDIDATES + 1)
    if len(ids) > 1:
        raise ambiguous_id(text, ids, noun)
    return ids[0] if ids else text


def ambiguous_id(text: str, ids: list[str], noun: str, what: str = "an id") -> AmbiguousId:
    """Return the error for a text with which the ids of several records begin.

    what: what of the records begins so.
    """
    named = [clean(record_id, 80) for record_id in ids[:MOST_CANDIDATES]]
    more = " and others" if len(ids) > MOST_CANDIDATES else ""
    return AmbiguousId(
        f"More than one {noun} has {what} that begins with {clean(text, 80)}: {', '.join(named)}{more}.",
        candidates=named,
    )


def copy_id_for(backup_id: str, storage_id: str) -> str:
    """Return the id of a backup's copy in a storage, so that each is made once."""
    return derive_id("copy", backup_id, storage_id)
