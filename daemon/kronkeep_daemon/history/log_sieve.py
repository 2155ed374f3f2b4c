"""The sieve of kept logs: a filter of trigrams for each record's logs, so that a search reads few of them.

It is derived from the logs and lies in a database of its own, which may be lost at any time: records without
a row are searched plainly, and LogSieveBuilder makes their rows again. A row is widened before a log is put
into the record's folder and gets the folder's stamp after it; a row with another stamp than its folder, as
after a kill, is removed when the daemon starts, and until then no row is believed. Any fault of the database
removes it.

A row has at most a quarter of the bytes of the largest log of its record, and 16 KiB.
"""

import hashlib
import logging
import os
import sqlite3
import threading
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from kronkeep_daemon.history import trigram_bits

log = logging.getLogger(__name__)
CACHE_KIB = 1024
BUSY_SECONDS = 1.0
PAGE_BYTES = 16 * 1024  # of 4 KiB a row of 2 KiB, as a log of 200 KB has, would waste the half
WAL_PAGES = 64
SHARE = 4  # the part of a log's bytes that its row may have
UNSETTLED = 0  # the stamp of a row whose folder is being changed
_CREATE = (
    "CREATE TABLE IF NOT EXISTS sieves("
    "key TEXT PRIMARY KEY, stamp INTEGER NOT NULL, checksum INTEGER NOT NULL, bits BLOB NOT NULL)"
)
_PUT = (
    "INSERT INTO sieves VALUES(?, ?, ?, ?)"
    " ON CONFLICT(key) DO UPDATE SET stamp=excluded.stamp, checksum=excluded.checksum, bits=excluded.bits"
)


def key_of(namespace: str, record: str) -> str:
    """Return the key of the folder of a record below that of a namespace."""
    return f"{namespace}/{record}"


def stamp_of(folder: Path) -> int:
    """Return a number that differs once a file of the folder is another; raise OSError."""
    with os.scandir(folder) as entries:
        files = sorted((entry.name, entry.stat()) for entry in entries)
    described = [(name, stat.st_size, stat.st_mtime_ns, stat.st_ino) for name, stat in files]
    digest = hashlib.blake2b(repr(described).encode(), digest_size=7).digest()
    return 1 + int.from_bytes(digest)


def most_bytes(log_bytes: int) -> int:
    """Return how many bytes the row of a log may have that has so many on the disk."""
    return log_bytes // SHARE


class LogSieve:
    """The rows of one history's kept logs; all calls are short and may come from any thread.

    is_believed: whether every row was compared with its folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self.is_believed = False
        self.open()

    @property
    def is_open(self) -> bool:
        """Whether there is a database; without one nothing is kept and each log is searched."""
        return self._connection is not None

    def open(self) -> None:
        """Open the database, or a new one where it is none."""
        with self._lock:
            if self._connection is None:
                self.is_believed = not self._path.exists()
                try:
                    self._connection = _connect(self._path)
                except sqlite3.Error as fault:
                    self._lose(fault)

    def _lose(self, fault: sqlite3.Error | None) -> None:
        """Remove the database; without one every log is searched."""
        log.warning("the sieve of kept logs is removed and made again: %s", fault or "damaged")
        with suppress(sqlite3.Error):
            if self._connection is not None:
                self._connection.close()
        self._connection = None
        for end in ("", "-wal", "-shm"):
            with suppress(OSError):
                self._path.with_name(self._path.name + end).unlink()

    def _execute(self, sql: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        with self._lock:
            if self._connection is None:
                return []
            try:
                return self._connection.execute(sql, values).fetchall()
            except sqlite3.Error as fault:
                self._lose(fault)
                return []

    def candidates(self, keys: Sequence[str], places: tuple[int, ...]) -> set[str]:
        """Return the keys whose logs may have the word of these places (trigram_bits.places_of)."""
        if not (places and self.is_believed):
            return set(keys)
        marks = ", ".join("?" * len(keys))
        sql = f"SELECT key, stamp, checksum, bits FROM sieves WHERE key IN ({marks})"
        left = set(keys)
        for key, _, checksum, bits in self._execute(sql, keys):
            if not isinstance(bits, bytes) or checksum != _checksum(str(key), bits):
                self.forget()
                return set(keys)
            if not trigram_bits.may_have(bits, places):
                left.discard(str(key))
        return left

    def stamps(self, keys: Sequence[str]) -> dict[str, object]:
        """Return the stamps of those that have a row."""
        marks = ", ".join("?" * len(keys))
        rows = self._execute(f"SELECT key, stamp FROM sieves WHERE key IN ({marks})", keys)
        return {str(key): stamp for key, stamp in rows}

    def keys_after(self, key: str, limit: int) -> list[str]:
        """Return the next keys that have a row, in order."""
        rows = self._execute("SELECT key FROM sieves WHERE key > ? ORDER BY key LIMIT ?", (key, limit))
        return [str(each) for (each,) in rows]

    def widen(self, key: str, bits: bytes, *, is_new: bool) -> None:
        """Add a filter to that of a record whose folder is about to change.

        is_new: its folder has no logs yet; a folder with logs and no row gets none.
        """
        rows = self._execute("SELECT bits FROM sieves WHERE key = ?", (key,))
        old = rows[0][0] if rows and not is_new else None
        if isinstance(old, bytes) and old:
            self.put(key, trigram_bits.join_bits(old, bits), UNSETTLED)
        elif is_new:
            self.put(key, bits, UNSETTLED)

    def put(self, key: str, bits: bytes, stamp: int) -> None:
        """Put the row of a record."""
        self._execute(_PUT, (key, stamp, _checksum(key, bits), bits))

    def settle(self, key: str, stamp: int) -> None:
        """Let a row that is wide enough stand for its folder as it is now."""
        self._execute("UPDATE sieves SET stamp = ? WHERE key = ?", (stamp, key))

    def remove(self, key: str) -> None:
        """Remove the row of a record, if it has one."""
        self._execute("DELETE FROM sieves WHERE key = ?", (key,))

    def forget(self) -> None:
        """Remove all rows, since one is damaged."""
        with self._lock:
            self._lose(None)

    def size_bytes(self) -> int:
        """Return the bytes of the database and its WAL."""
        paths = (self._path, self._path.with_name(self._path.name + "-wal"))
        return sum(path.stat().st_size for path in paths if path.exists())

    def close(self) -> None:
        """Close the database; every log is a candidate afterwards."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS, cached_statements=50
    )
    try:
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode=WAL").fetchall()
        connection.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}").fetchall()
        connection.execute("PRAGMA synchronous=NORMAL")  # the newest rows may be lost, no others
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute(_CREATE)
    except BaseException:
        connection.close()
        raise
    return connection


def _checksum(key: str, bits: bytes) -> int:
    return zlib.crc32(bits, zlib.crc32(key.encode()))
