"""Durable writes, which survive a power cut: the bytes are synced, and so is the folder with the name.

A file appears under its name whole or not at all: a temporary file is written and synced, renamed, and the
folder synced, since a rename alone is not durable. A failed sync is never repeated: Linux reports the error
once and may have dropped the pages (PostgreSQL's "fsyncgate"), so it has an exception of its own. A full disk
is no failed sync: file systems report it at the write, before anything is promised.
"""

import errno
import os
from collections.abc import Iterable
from pathlib import Path

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class SyncFailed(Exception):
    """The kernel could not confirm that written bytes are durable; `__cause__` is its OSError."""


def sync(handle: int) -> None:
    """Make the bytes of an open file durable; raise SyncFailed."""
    try:
        os.fdatasync(handle)
    except OSError as fault:
        raise SyncFailed(str(fault.strerror)) from fault


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; raise SyncFailed."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as fault:
        raise SyncFailed(str(fault.strerror)) from fault
    finally:
        os.close(handle)


def write_whole(path: Path, chunks: Iterable[bytes], temporary: Path | None = None) -> None:
    """Write a file so that it exists whole or not at all; raise SyncFailed, OSError.

    temporary: its name while it is not whole, on the same file system.
    """
    temporary = temporary or path.with_name(path.name + ".tmp")
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
