"""The files of a history folder: one lock, a snapshot, and the segments after it.

Opening reads the newest complete snapshot, then the segments from its sequence on. They must leave no gap:
each starts where the one before ended, and one that is closed has a successor. The order of steps ensures
that at every moment: a new segment is durable under its name before the old one is closed, both before the
snapshot appears, and only then are old files removed.
"""

import fcntl
import logging
import os
from collections.abc import Generator, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from kronkeep_common.errors import StateInUse
from kronkeep_daemon.history import durable, journal
from kronkeep_daemon.history.journal import BatchLine, Entry

log = logging.getLogger(__name__)
ROOM = 256 * 1024  # bytes


class ReadResult(NamedTuple):
    """What opening found: last sequence, last segment, its valid length and torn bytes."""

    seq: int
    segment: Path | None
    good: int
    torn: int


def lock(folder: Path) -> int:
    """Return the open lock file of the folder; raise StateInUse where another process holds it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as fault:
        os.close(handle)
        raise StateInUse(f"Another kronkeepd uses the state folder {folder}.") from fault
    return handle


def sequence_of(path: Path) -> int:
    """Return the sequence in the name of a snapshot or segment."""
    number = path.stem.rpartition("-")[2]
    if not number.isdigit():
        raise journal.damage_error(path, 0)
    return int(number)


def segments(folder: Path) -> list[Path]:
    """Return all segments, oldest first."""
    return sorted(folder.glob("journal-*.jsonl"))


def newest_snapshot(folder: Path) -> Path | None:
    """Return the newest complete snapshot; incomplete ones are logged and skipped."""
    for path in sorted(folder.glob("snapshot-*.jsonl"), reverse=True):
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - journal.LONGEST_HEAD))
            last = file.read().rstrip(b"\n").rpartition(b"\n")[2]
        if last.startswith(b'{"end":'):
            return path
        log.warning("%s has no end and is passed over", path.name)
    return None


def read_all(folder: Path) -> Generator[BatchLine, None, ReadResult]:
    """Yield every batch from the newest snapshot on; change nothing.

    Raise DamagedHistory with file and offset, HistoryTooNew, OSError.
    """
    seq = 0
    good = 0
    bad = 0
    snapshot = newest_snapshot(folder)
    if snapshot is not None:
        seq = (yield from journal.read(snapshot)).seq
    later = [path for path in segments(folder) if sequence_of(path) >= seq]
    if not later and (snapshot is not None or segments(folder)):
        raise journal.damage_error(snapshot or segments(folder)[0], 0)
    for number, path in enumerate(later):
        if sequence_of(path) != seq:
            raise journal.damage_error(path, 0)
        ended = yield from journal.read(path)
        seq = ended.seq
        good = ended.good
        bad = ended.torn
        if ended.closed and number + 1 == len(later):
            raise journal.damage_error(path, good)  # its successor is lost
    return ReadResult(seq=seq, segment=later[-1] if later else None, good=good, torn=bad)


def set_aside(path: Path, good: int) -> None:
    """Cut off a torn tail and keep it beside the file as `.torn`."""
    tail = path.read_bytes()[good:].rstrip(b"\0")
    log.warning("%s: %d bytes of a torn tail are kept aside", path.name, len(tail))
    durable.write_whole(path.with_suffix(f".{good}.torn"), [tail])
    os.truncate(path, good)  # the next append's sync covers it; until then the tail is torn again


class Segment:
    """The file that lines are appended to, by one thread at a time; `size` is its length in bytes.

    The file is lengthened ahead of its lines: on ext4 a sync that must also write a new length takes twice as
    long.
    """

    def __init__(self, *, folder: Path, after: int, path: Path | None = None, size: int = 0) -> None:
        self.path = path or folder / f"journal-{after:016d}.jsonl"
        self.after = sequence_of(self.path)
        self.size = size
        if path is None:
            self.size = len(journal.header(after))
            durable.write_whole(self.path, [journal.header(after)])
        self._handle = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)
        self._length = os.fstat(self._handle).st_size

    def append(self, lines: bytes) -> None:
        """Write and sync; raise SyncFailed, or OSError with nothing of the lines left behind."""
        try:
            self._lengthen(self.size + len(lines))
            view = memoryview(lines)
            place = self.size
            while place < self.size + len(lines):
                place += os.pwrite(self._handle, view[place - self.size :], place)
        except OSError:
            os.ftruncate(self._handle, self.size)
            self._length = self.size
            raise
        durable.sync(self._handle)
        self.size += len(lines)

    def _lengthen(self, needed: int) -> None:
        if needed <= self._length:
            return
        try:
            os.posix_fallocate(self._handle, self.size, needed + ROOM - self.size)
            self._length = needed + ROOM
        except OSError as fault:
            if fault.errno not in durable.NO_SPACE:
                raise  # without space for more, the lines alone may still fit

    def successor(self, seq: int) -> "Segment":
        """Close this segment and return the one after `seq`; raise SyncFailed, OSError."""
        if seq == self.after:
            return self
        following = Segment(folder=self.path.parent, after=seq)
        try:
            self.append(journal.end(seq))
        except OSError as fault:
            if fault.errno not in durable.NO_SPACE:
                raise
            log.warning("%s stays without its end: %s", self.path.name, fault.strerror)
        self.close()
        return following

    def close(self) -> None:
        """Close the file and truncate the space at its end; where that fails it is read as space."""
        with suppress(OSError):
            os.ftruncate(self._handle, self.size)
        os.close(self._handle)


def write_snapshot(folder: Path, seq: int, batches: Iterable[list[Entry]]) -> int:
    """Write every document as of `seq`, remove what that replaces, and return the snapshot's size in bytes.

    Raise SyncFailed, OSError.
    """

    def chunks() -> Generator[bytes, None, None]:
        count = 0
        yield journal.header(seq)
        for count, batch in enumerate(batches, 1):  # noqa: B007
            yield journal.encode(seq, batch)
        yield journal.end(count)

    snapshot = folder / f"snapshot-{seq:016d}.jsonl"
    durable.write_whole(snapshot, chunks())
    for path in [*segments(folder), *folder.glob("snapshot-*.jsonl")]:
        if sequence_of(path) < seq:
            path.unlink()
    durable.sync_folder(folder)
    return snapshot.stat().st_size
