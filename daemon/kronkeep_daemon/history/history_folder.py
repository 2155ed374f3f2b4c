"""The folder of a history: its files, its lock, and what an ended process left in it.

history.db        the database, with history.db-wal and history.db-shm beside it while it is open
newest            the sequence of the newest change, outside the database
lock              held by the process that writes
sieve.db          which kept logs cannot have a word; removed where it is damaged, and made again
logs/             kept logs, a folder for each namespace of a cluster; tmp/: files that are not whole yet
"""

import fcntl
import os
import re
import shutil
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

from kronkeep_common.errors import OldHistory, StateInUse
from kronkeep_daemon.history import durable

DATABASE = "history.db"
WAL = "history.db-wal"
WAL_INDEX = "history.db-shm"
FRAME_BYTES = 24 + 4096
NEWEST = "newest"
SIEVE = "sieve.db"
TEMPORARY = "tmp"
_NEWEST = re.compile(rb"([0-9a-f]+) (\d{20}) ([0-9a-f]{8})\n", re.ASCII)


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


def refuse_journal(folder: Path) -> None:
    """Raise OldHistory where the folder holds a journal of a version before the first release."""
    if any(folder.glob("journal-*.jsonl")) or any(folder.glob("snapshot-*.jsonl")):
        raise OldHistory(f"{folder} holds a history in the format of a kronkeep before the first release.")


def remove_leftovers(folder: Path) -> None:
    """Remove the files that an ended process had not finished."""
    shutil.rmtree(folder / TEMPORARY, ignore_errors=True)
    for path in folder.glob("*.tmp"):
        path.unlink()


class NewestChange(NamedTuple):
    """The newest change of a history, as it is kept outside the database."""

    history_id: str
    sequence: int


def read_newest(folder: Path) -> NewestChange | None:
    """Return what the file says; None where there is none, or it was not written whole."""
    try:
        line = (folder / NEWEST).read_bytes()
    except FileNotFoundError:
        return None
    match = _NEWEST.fullmatch(line)
    if match is None or line != _newest_line(match[1].decode(), int(match[2])):
        return None
    return NewestChange(match[1].decode(), int(match[2]))


def _newest_line(history_id: str, sequence: int) -> bytes:
    words = b"%s %020d" % (history_id.encode(), sequence)
    return b"%s %08x\n" % (words, zlib.crc32(words))


class NewestFile:
    """The file that says which change is the newest, so that a database whose tail is lost is noticed.

    It is written after each durable change and not synced: after a power cut it may name an older change than
    the database holds, never a newer one.
    """

    def __init__(self, folder: Path, history_id: str, sequence: int) -> None:
        self._history_id = history_id
        line = _newest_line(history_id, sequence)
        if read_newest(folder) is None:
            durable.write_whole(folder / NEWEST, [line])
        self._handle = os.open(folder / NEWEST, os.O_WRONLY | os.O_CLOEXEC)

    def write(self, sequence: int) -> None:
        """Write the sequence of the newest change; raise OSError."""
        os.pwrite(self._handle, _newest_line(self._history_id, sequence), 0)

    def close(self) -> None:
        """Close the file; what was written stays."""
        os.close(self._handle)


class WalIndex:
    """The file beside the WAL in which SQLite counts its frames, open for as long as the database is.

    It must not be closed earlier: whoever closes a file gives up every lock that the process has on it
    (https://sqlite.org/howtocorrupt.html, section 2.2). The next process that opens the database then takes
    this file for an abandoned one and truncates it, while it is mapped here: SIGBUS.
    """

    def __init__(self, folder: Path) -> None:
        self._handle = os.open(folder / WAL_INDEX, os.O_RDONLY | os.O_CLOEXEC)

    def waiting_bytes(self) -> int:
        """Return how many bytes of the WAL no checkpoint has written into the database.

        Both counts of frames, mxFrame and nBackfill (https://sqlite.org/walformat.html#the_wal_index_header),
        are in the byte order of the machine.
        """
        header = os.pread(self._handle, 100, 0)
        if len(header) < 100:
            return 0
        frames, backfilled = map(int, struct.unpack("=16xI76xI", header))
        return max(0, frames - backfilled) * FRAME_BYTES

    def close(self) -> None:
        """Close the file, once no connection to the database is open."""
        os.close(self._handle)


def database_size(folder: Path) -> int:
    """Return the bytes of the database and its WAL in a folder."""
    return sum(path.stat().st_size for path in (folder / DATABASE, folder / WAL) if path.exists())
