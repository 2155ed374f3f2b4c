"""The journal: JSON lines, appended and made durable in groups.

    {"seq":812,"len":97,"crc":"9ab31f02","batch":[["executions",41,{...}],["executions",40,null]]}

One line is one batch and holds or fails whole. `seq` is the number of its last change, `len` and `crc`
(CRC-32, as zlib) are those of the batch's bytes. A line is accepted only if writing its head anew gives
the very same bytes, so that no flipped bit passes. Segments are named by the sequence they begin after;
each begins with a header that carries the schema version.

Opening reads the newest whole snapshot, then the segments after it. The last line of the last segment may
be torn by a power cut: what follows the last good line is kept aside as `.torn` and cut off, unless
something readable comes after the damage; then, and for damage anywhere else, opening refuses with file
and offset.
"""

import errno
import logging
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from kronkeep_common.errors import DamagedHistory, HistoryTooNew, ReadOnlyHistory
from kronkeep_daemon.history.changes import Entry

log = logging.getLogger(__name__)
VERSION = 1
_HEAD = re.compile(rb'\{"seq":(\d+),"len":(\d+),"crc":"([0-9a-f]{8})","batch":')
_HEADER = re.compile(rb'\{"kronkeep":"history","version":(\d+),"after":(\d+)\}')


class Line(NamedTuple):
    """One readable batch and where it stands."""

    seq: int
    batch: list[list[Any]]


def header(after: int) -> bytes:
    """The first line of a segment or snapshot."""
    return b'{"kronkeep":"history","version":%d,"after":%d}\n' % (VERSION, after)


def encode(seq: int, entries: list[Entry]) -> bytes:
    """The line of one batch whose last change is number `seq`."""
    parts = [
        b"[%s,%d,%s]" % (msgspec.json.encode(e.table), e.doc_id, e.body if e.body is not None else b"null")
        for e in entries
    ]
    payload = b"[" + b",".join(parts) + b"]"
    return _head(seq, payload) + payload + b"}\n"


def _head(seq: int, payload: bytes) -> bytes:
    return b'{"seq":%d,"len":%d,"crc":"%08x","batch":' % (seq, len(payload), zlib.crc32(payload))


def decode(line: bytes) -> Line | None:
    """The batch of a line without its line feed, or None for anything that `encode` did not write."""
    match = _HEAD.match(line)
    if match is None or not line.endswith(b"}"):
        return None
    payload = line[match.end() : -1]
    if line[: match.end()] != _head(int(match[1]), payload):
        return None
    return Line(int(match[1]), msgspec.json.decode(payload, type=list[list[Any]]))


def check_header(line: bytes, path: Path) -> int:
    """The sequence that a file begins after; raises HistoryTooNew, DamagedHistory."""
    match = _HEADER.fullmatch(line)
    if match is None:
        raise damaged(path, 0)
    if int(match[1]) > VERSION:
        raise HistoryTooNew(f"{path.name} was written by a later kronkeep (format {int(match[1])}).")
    return int(match[2])


def damaged(path: Path, offset: int) -> DamagedHistory:
    """The refusal that names file and offset (bytes)."""
    message = f"The history is damaged: {path.name}, offset {offset}."
    return DamagedHistory(message, file=str(path), offset=offset)


def read(path: Path, *, last: bool) -> Iterator[Line]:
    """The batches of a segment in order; with `last` a torn tail is cut off and kept aside.

    Raises DamagedHistory for damage anywhere else.
    """
    data = path.read_bytes()
    end = data.find(b"\n") + 1
    if not end:
        if last and header(0)[:10].startswith(data[:10]):
            _set_aside(path, data, 0)
            return
        raise damaged(path, 0)
    seq = check_header(data[: end - 1], path)
    if path.stem != f"journal-{seq:016d}":
        raise damaged(path, 0)
    while end < len(data):
        stop = data.find(b"\n", end)
        line = decode(data[end : stop if stop >= 0 else len(data)]) if stop >= 0 else None
        if line is None or line.seq != seq + len(line.batch):
            if not last or _readable_after(data, end):
                raise damaged(path, end)
            _set_aside(path, data, end)
            return
        seq, end = line.seq, stop + 1
        yield line


def _readable_after(data: bytes, offset: int) -> bool:
    """Whether a whole batch stands after the damage; then it is no torn tail."""
    for match in _HEAD.finditer(data, offset + 1):
        stop = data.find(b"\n", match.start())
        if stop >= 0 and decode(data[match.start() : stop]) is not None:
            return True
    return False


def _set_aside(path: Path, data: bytes, offset: int) -> None:
    log.warning("%s: %d bytes of a torn tail are kept aside", path.name, len(data) - offset)
    torn = path.with_suffix(f".{offset}.torn")
    write_durably(torn, [data[offset:]])
    with path.open("r+b") as file:
        file.truncate(offset)
        os.fsync(file.fileno())


def write_durably(path: Path, chunks: Iterator[bytes] | list[bytes]) -> None:
    """Writes a whole file so that after a power cut it is there whole or not at all."""
    temporary = path.with_suffix(path.suffix + ".tmp")
    with temporary.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes names in the folder durable (a rename is not, without it)."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Segment:
    """The file that is appended to. `append` runs in a thread; nothing else writes."""

    def __init__(self, path: Path, after: int) -> None:
        self.path = path
        if not path.exists() or path.stat().st_size == 0:
            write_durably(path, [header(after)])
        self._handle = os.open(path, os.O_WRONLY | os.O_APPEND)
        self.size = os.fstat(self._handle).st_size

    def append(self, lines: bytes) -> None:
        """Writes and syncs; raises ReadOnlyHistory when the disk is full, OSError for what is worse."""
        try:
            view = memoryview(lines)
            while view:
                view = view[os.write(self._handle, view) :]
        except OSError as fault:
            os.ftruncate(self._handle, self.size)
            if fault.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise ReadOnlyHistory("The disk that holds the history is full.") from fault
            raise
        os.fdatasync(self._handle)
        self.size += len(lines)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._handle)
