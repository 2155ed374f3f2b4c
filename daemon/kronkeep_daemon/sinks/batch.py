"""Pure functions: changes as what a sink writes, with the last state of each document only."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from kronkeep_daemon.history.changes import Change

# PostgreSQL keeps no NUL in text: https://www.postgresql.org/docs/15/datatype-json.html. A backslash that is
# itself escaped comes first in the pattern, so that the text `\u0000` of six characters stays.
_NUL = re.compile(rb"\\\\|\\u0000")


class Put(NamedTuple):
    """A document as it is to be written: id, sequence, JSON."""

    id: str
    sequence: int
    body: bytes


class TableBatch(NamedTuple):
    """What is put into one table, what is removed from it: (id, sequence), and the ids of what was not so."""

    puts: list[Put]
    removed: list[tuple[str, int]]
    retracted: list[str]


def replace_nul(body: bytes) -> bytes:
    """Return JSON with the replacement character in the place of each NUL."""
    if b"\\u0000" not in body:
        return body
    return _NUL.sub(lambda match: rb"\ufffd" if match[0] == rb"\u0000" else match[0], body)


def batches_of(changes: Iterable[Change]) -> dict[str, TableBatch]:
    """Return by table what changes come to; of several changes of a document the last counts."""
    last = {(change.table, change.id): change for change in changes}
    batches: dict[str, TableBatch] = {}
    for change in last.values():
        batch = batches.setdefault(change.table, TableBatch([], [], []))
        record_id = change.id.replace("\0", "\ufffd")
        if change.retracts:
            batch.retracted.append(record_id)
        elif change.body is None:
            batch.removed.append((record_id, change.seq))
        else:
            batch.puts.append(Put(record_id, change.seq, replace_nul(change.body)))
    return batches


def puts_of(documents: Iterable[tuple[str, bytes]], sequence: int) -> list[Put]:
    """Return documents, given as id and JSON, as they are at a sequence."""
    return [
        Put(record_id.replace("\0", "\ufffd"), sequence, replace_nul(body)) for record_id, body in documents
    ]


def json_of_puts(puts: Sequence[Put]) -> str:
    """Return puts as a JSON array of objects with id, sequence and body."""
    parts = (b'{"id":%s,"sequence":%d,"body":%s}' % (_encode(put.id), put.sequence, put.body) for put in puts)
    return (b"[" + b",".join(parts) + b"]").decode()


def json_of_removed(removed: Sequence[tuple[str, int]]) -> str:
    """Return removals as a JSON array of objects with id and sequence."""
    parts = (b'{"id":%s,"sequence":%d}' % (_encode(record_id), sequence) for record_id, sequence in removed)
    return (b"[" + b",".join(parts) + b"]").decode()


def _encode(text: str) -> bytes:
    return msgspec.json.encode(text)
