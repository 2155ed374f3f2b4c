r"""The journal's format: JSON lines, each valid or invalid as a whole, which `jq` and people can read.

    {"kronkeep":"history","version":2,"after":811,"crc":"0c45e0c7"}
    {"seq":812,"len":97,"crc":"9ab31f02","batch":[["executions",41,{...}],["executions",40,null]]}
    {"end":812,"crc":"71e3a0b1"}

A segment starts with a header that names the sequence before it, then has one line for each batch: `seq` is
the number of its last change, `len` and `crc` (zlib's CRC-32) are those of the batch's bytes; null is a
removal. A segment with a successor ends with an `end` line and its last sequence, so that a lost successor is
noticed. A snapshot is the same, but all its batches carry the snapshot's own sequence, and `end`, which it
must have, counts them. A line is valid only if encoding its head again gives the same bytes, which detects
even a hexadecimal digit in another case.

The NULs after the last line of a segment are space for further lines; it is truncated when the segment is
closed. `tr -d '\\0'` removes it for those who read while kronkeepd writes.

A power cut leaves of the last, unacknowledged line a beginning, or blocks that were never written (NUL). Only
that is a torn tail. A line that has its full length, or its line feed, was written whole: whatever is wrong
with it happened later, and it may have been acknowledged, so it is damage and refused. Every flip of one bit
is of that kind: it leaves either the line feed or the length.
"""

import re
import zlib
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from kronkeep_common.errors import DamagedHistory, HistoryTooNew

VERSION = 2
NEVER_WRITTEN = b"\0" * 64  # JSON has no NUL; no single bit makes 64 of them
LONGEST_HEAD = 80  # bytes
_HEAD = re.compile(rb'\{"seq":(\d+),"len":(\d+),"crc":"([0-9a-f]{8})","batch":')
_HEADER = re.compile(rb'\{"kronkeep":"history","version":(\d+),"after":(\d+)(.*)\}\n', re.ASCII)
_CRC = re.compile(rb',"crc":"[0-9a-f]{8}"\}\n')
_BATCH = msgspec.json.Decoder(list[tuple[str, int, msgspec.Raw]])


class Entry(NamedTuple):
    """One change in a batch: table, TinyDB's number, the document's JSON (None when removed)."""

    table: str
    number: int
    body: bytes | None


class BatchLine(NamedTuple):
    """One valid batch; `seq` is that of its last change, or of the snapshot that it belongs to."""

    seq: int
    entries: list[Entry]
    snapshot: bool = False


class FileEnd(NamedTuple):
    """How a file ends: last sequence, offset of the end of its valid lines, bytes of a torn tail, whether
    closed.
    """

    seq: int
    good: int
    torn: int
    closed: bool


def sign_line(words: bytes) -> bytes:
    """Return `words`, a JSON object without its end, as a line with the checksum of all before it."""
    return b'%s,"crc":"%08x"}\n' % (words, zlib.crc32(words))


def header(after: int) -> bytes:
    """Return the first line of a segment or snapshot."""
    return sign_line(b'{"kronkeep":"history","version":%d,"after":%d' % (VERSION, after))


def end(number: int) -> bytes:
    """Return the last line of a segment with a successor (its sequence), or of a snapshot (its batches)."""
    return sign_line(b'{"end":%d' % number)


def encode(seq: int, entries: Iterable[Entry]) -> bytes:
    """Return the line of one batch whose last change has the number `seq`."""
    parts = [b'["%s",%d,%s]' % (table.encode(), number, body or b"null") for table, number, body in entries]
    payload = b"[%s]" % b",".join(parts)
    return b"%s%s}\n" % (_head(seq, payload), payload)


def _head(seq: int, payload: bytes) -> bytes:
    return b'{"seq":%d,"len":%d,"crc":"%08x","batch":' % (seq, len(payload), zlib.crc32(payload))


def decode(line: bytes) -> BatchLine | None:
    """Return the batch of a line with its line feed, or None for anything that `encode` did not write."""
    match = _HEAD.match(line)
    if match is None or not line.endswith(b"}\n"):
        return None
    payload = line[match.end() : -2]
    if match[0] != _head(int(match[1]), payload):
        return None
    triples = ((table, number, bytes(raw)) for table, number, raw in _BATCH.decode(payload))
    entries = [Entry(table, number, None if body == b"null" else body) for table, number, body in triples]
    return BatchLine(int(match[1]), entries)


def read_header(line: bytes, path: Path) -> int:
    """Return the sequence that the file begins after; raise HistoryTooNew, DamagedHistory."""
    match = _HEADER.fullmatch(line)
    if match is None:
        raise damage_error(path, 0)
    version = int(match[1])
    after = int(match[2])
    crc = _CRC.search(line)
    if version < VERSION or crc is None or line != sign_line(line[: crc.start()]):
        raise damage_error(path, 0)
    if version > VERSION:
        raise HistoryTooNew(f"{path.name} was written by a later kronkeep (format {version}).")
    if path.stem.rpartition("-")[2] != f"{after:016d}":
        raise damage_error(path, 0)
    return after


def damage_error(path: Path, offset: int) -> DamagedHistory:
    """Return the error that names file and offset (bytes)."""
    message = f"The history is damaged: {path.name}, offset {offset}."
    return DamagedHistory(message, file=str(path), offset=offset)


def read(path: Path) -> Generator[BatchLine, None, FileEnd]:
    """Yield the batches of a segment or snapshot in order, then return how it ended.

    Raise DamagedHistory for damage, HistoryTooNew, OSError.
    """
    snapshot = path.name.startswith("snapshot-")
    with path.open("rb") as file:
        first = file.readline()
        seq = read_header(first, path)
        good = len(first)
        count = 0
        for raw in file:
            line = decode(raw)
            if line is None or line.seq != (seq if snapshot else seq + len(line.entries)):
                tail = raw + file.read()
                break
            seq = line.seq
            good = good + len(raw)
            count = count + 1
            yield line._replace(snapshot=True) if snapshot else line
        else:
            tail = b""
    closing = end(count if snapshot else seq)
    left = tail if snapshot else tail.rstrip(b"\0")
    if left == closing:
        return FileEnd(seq=seq, good=good, torn=0, closed=True)
    if snapshot or not is_torn(left):
        raise damage_error(path, good)
    return FileEnd(seq=seq, good=good, torn=len(left), closed=False)


def is_torn(left: bytes) -> bool:
    """Return whether the bytes after the last valid line are what a power cut leaves, or nothing at all.

    `left` is without the NULs at its end. A line that starts with NUL started in a block that was never
    written.
    """
    if any(decode(line + b"\n") for line in left.split(b"\n")[1:]):
        return False  # a whole batch stands behind the damage
    if left.startswith(b"\0") or NEVER_WRITTEN in left:
        return True
    head = _HEAD.match(left)
    if b"\n" in left:
        return False
    return len(left) < (head.end() + int(head[2]) + 2 if head else LONGEST_HEAD)
