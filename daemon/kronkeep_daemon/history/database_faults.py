"""Errors of SQLite and of files as kronkeep's: a full disk passes, a failed disk or a damaged file does not.

SQLite reports ENOSPC as SQLITE_FULL, but a quota (EDQUOT) and a limit of file sizes (EFBIG) as a failed write
(https://sqlite.org/rescode.html), so a failed write is tried once more on a file of its own to learn why.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kronkeep_common.errors import DamagedHistory, ReadOnlyHistory
from kronkeep_daemon.history.durable import NO_SPACE, SyncFailed
from kronkeep_daemon.history.history_folder import DATABASE, WAL

PAGE = 4096  # bytes
FULL = "The disk that holds the history is full."
_PRIMARY = 0xFF  # the bits of an error code without its details
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class DiskFailed(DamagedHistory):
    """The disk could not read, write or sync the history; it is final for this process."""


def code_of(fault: sqlite3.Error) -> int:
    """Return SQLite's extended error code; 0 where it has none."""
    return int(getattr(fault, "sqlite_errorcode", 0) or 0)


@contextmanager
def translate_faults(folder: Path) -> Iterator[None]:
    """Translate errors of SQLite and of files to ReadOnlyHistory, DiskFailed or DamagedHistory."""
    try:
        yield
    except SyncFailed as fault:
        raise DiskFailed(f"The disk failed to keep the history: {fault}.") from fault
    except OSError as fault:
        if fault.errno in NO_SPACE:
            raise ReadOnlyHistory(FULL) from fault
        raise DiskFailed(f"The disk failed to keep the history: {fault.strerror}.") from fault
    except sqlite3.DatabaseError as fault:
        raise translate_fault(fault, folder) from fault
    except UnicodeDecodeError as fault:
        raise _damage(folder, "a text is not UTF-8") from fault


def translate_fault(fault: sqlite3.DatabaseError, folder: Path) -> ReadOnlyHistory | DamagedHistory:
    """Return an error of SQLite as ReadOnlyHistory, DiskFailed or DamagedHistory."""
    code = code_of(fault)
    if code & _PRIMARY == sqlite3.SQLITE_FULL or (
        code == sqlite3.SQLITE_IOERR_WRITE and find_write_fault(folder) in NO_SPACE
    ):
        return ReadOnlyHistory(FULL)
    if code & _PRIMARY == sqlite3.SQLITE_BUSY:
        return ReadOnlyHistory(
            "Another program is writing to the history.",
            next_step=f"End the program that holds {folder / DATABASE} open; writing resumes by itself.",
        )
    if code & _PRIMARY in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
        return DiskFailed(f"The disk failed to keep the history: {fault}.", file=str(folder / DATABASE))
    return _damage(folder, str(fault))


def _damage(folder: Path, why: str) -> DamagedHistory:
    path = folder / DATABASE
    return DamagedHistory(f"The history is damaged: {path.name}: {why}.", file=str(path))


def find_write_fault(folder: Path) -> int | None:
    """Return the errno of a write where the database's next page would be written; None where it succeeds."""
    place = max(
        (path.stat().st_size for path in (folder / DATABASE, folder / WAL) if path.exists()), default=0
    )
    probe = folder / "space.tmp"
    try:
        handle = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(handle, bytes(PAGE), place)
        finally:
            os.close(handle)
            probe.unlink(missing_ok=True)
    except OSError as fault:
        return fault.errno
    return None
