"""Kept logs: gzip files beside the database, with head and tail of those that are too long."""

import asyncio
import gzip
import itertools
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path

from kronkeep_common.models import KeptLog
from kronkeep_daemon.history import durable, history_folder

HEAD_BYTES = 1024 * 1024
TAIL_BYTES = 3 * 1024 * 1024
LONGEST_NAME = 240  # characters of a file's name, which may have 255 bytes
_SAFE = re.compile(r"[^A-Za-z0-9._-]")


class CappedLog:
    """Collects the bytes of a log; of a long one the first MiB and the last 3 MiB are kept."""

    def __init__(self, head_bytes: int = HEAD_BYTES, tail_bytes: int = TAIL_BYTES) -> None:
        self._head_bytes = head_bytes
        self._tail_bytes = tail_bytes
        self._head = bytearray()
        self._tail = bytearray()
        self.total = 0

    def add(self, chunk: bytes) -> None:
        """Add the next bytes."""
        self.total += len(chunk)
        free = self._head_bytes - len(self._head)
        self._head += chunk[:free]
        self._tail += chunk[max(0, free) :]
        if len(self._tail) > 2 * self._tail_bytes:
            del self._tail[: -self._tail_bytes]

    @property
    def truncated(self) -> bool:
        """Whether bytes are left out."""
        return self.total > self._head_bytes + self._tail_bytes

    def content(self) -> bytes:
        """Return the kept bytes, with a line that says how many are missing."""
        tail = bytes(self._tail[-self._tail_bytes :])
        if not self.truncated:
            return bytes(self._head) + tail
        missing = self.total - self._head_bytes - self._tail_bytes
        return bytes(self._head) + f"\n[kronkeep: {missing} bytes are not kept]\n".encode() + tail


class KeptLogStore:
    """Stores logs: a folder for each record, a file for each container."""

    def __init__(self, history: Path, guard: Callable[[], AbstractContextManager[None]]) -> None:
        self._folder = history / "logs"
        self._temporary = history / history_folder.TEMPORARY
        self._numbers = itertools.count()
        self._guard = guard
        self._writers: dict[Path, asyncio.Event] = {}

    def _path(self, record_id: str, container: str) -> Path:
        return (
            self._folder
            / _SAFE.sub("_", record_id)[:200]
            / f"{_SAFE.sub('_', container)[:LONGEST_NAME]}.log.gz"
        )

    async def save(self, record_id: str, container: str, pod: str, capped: CappedLog) -> KeptLog:
        """Store a container's log durably, in place of an earlier one.

        Raise ReadOnlyHistory while the disk is full, DamagedHistory where it failed.
        """
        text = capped.content()
        path = self._path(record_id, container)
        async with self._reserve(path):
            with self._guard():
                await asyncio.to_thread(self._write, path, text)
        return KeptLog(
            container=container, pod=pod, bytes=capped.total, kept=len(text), truncated=capped.truncated
        )

    @asynccontextmanager
    async def _reserve(self, path: Path) -> AsyncIterator[None]:
        """Let others that write the same file wait, so that the later log stays."""
        while path in self._writers:
            await self._writers[path].wait()
        self._writers[path] = asyncio.Event()
        try:
            yield
        finally:
            self._writers.pop(path).set()

    def _write(self, path: Path, text: bytes) -> None:
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            durable.sync_folder(path.parent.parent)
            durable.sync_folder(self._folder.parent)
        self._temporary.mkdir(exist_ok=True)
        temporary = self._temporary / str(next(self._numbers))
        durable.write_whole(path, [gzip.compress(text, 6)], temporary)

    async def read(self, record_id: str, container: str) -> bytes | None:
        """Return the kept log of a container; None where none is kept."""
        path = self._path(record_id, container)
        return await asyncio.to_thread(_read, path)

    def read_now(self, record_id: str, container: str) -> bytes | None:
        """Do what `read` does, in a thread of the caller's."""
        return _read(self._path(record_id, container))

    async def remove_one(self, record_id: str, container: str) -> None:
        """Remove the kept log of one container, if there is one."""
        await asyncio.to_thread(self._path(record_id, container).unlink, missing_ok=True)

    async def remove(self, record_id: str) -> None:
        """Remove every log of a record."""
        await asyncio.to_thread(shutil.rmtree, self._path(record_id, "x").parent, True)


def _read(path: Path) -> bytes | None:
    try:
        return gzip.decompress(path.read_bytes())
    except FileNotFoundError:
        return None
