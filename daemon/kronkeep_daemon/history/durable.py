"""Bytes that outlive a power cut: what is written is synced, and so is the folder that names it.

A file appears under its name whole or not at all: a temporary file is written and synced, renamed, and the
folder synced, since a rename alone is not durable. A failed sync is never tried again: Linux reports the
error once and may have dropped the pages (PostgreSQL's "fsyncgate"), so it has a class of its own. No space
is no failed sync: file systems say it at the write, before anything is promised.
"""

import errno
import os
from collections.abc import Iterable
from pathlib import Path

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class SyncFailed(Exception):
    """The kernel could not say that written bytes are kept; `__cause__` is its OSError."""


def sync(handle: int) -> None:
    """Makes the bytes of an open file durable; raises SyncFailed."""
    try:
        os.fdatasync(handle)
    except OSError as fault:
        raise SyncFailed(str(fault.strerror)) from fault


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable; raises SyncFailed."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as fault:
        raise SyncFailed(str(fault.strerror)) from fault
    finally:
        os.close(handle)


def write_whole(path: Path, chunks: Iterable[bytes]) -> None:
    """Writes a file so that it is there whole or not at all; raises SyncFailed, OSError."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            file.writelines(chunks)
            file.flush()
            sync(file.fileno())
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
