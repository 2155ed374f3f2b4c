"""Kept logs: gzip files beside the database, with head and tail of those that are too long."""

import asyncio
import gzip
import itertools
import os
import re
import shutil
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from kronkeep_common.models import KeptLog
from kronkeep_daemon.history import durable, history_folder, log_sieve, trigram_bits
from kronkeep_daemon.history.log_sieve import LogSieve, key_of
from kronkeep_daemon.history.log_usage import BLOCK, LogUsage, folder_bytes, occupied_bytes
from kronkeep_daemon.history.rows import Row

HEAD_BYTES = 1024 * 1024
TAIL_BYTES = 3 * 1024 * 1024
LONGEST_NAME = 240  # characters of a file's name, which may have 255 bytes
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]|^\.+")


class LogOwner(Protocol):
    """The record that logs are of: a run, a backup or a restore."""

    @property
    def id(self) -> str: ...
    @property
    def cluster(self) -> str: ...
    @property
    def namespace(self) -> str: ...


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
    """Stores logs: a folder for each namespace of a cluster, in it one for each record, a file a container.

    usage: the bytes of each namespace, kept up with each change.
    sieve: tells which records' logs cannot have a word, kept up with each change.
    """

    def __init__(self, history: Path, guard: Callable[[], AbstractContextManager[None]]) -> None:
        self.folder = history / "logs"
        self.usage = LogUsage()
        self.sieve = LogSieve(history / history_folder.SIEVE)
        self._temporary = history / history_folder.TEMPORARY
        self._numbers = itertools.count()
        self._guard = guard
        self._writers: dict[Path, asyncio.Event] = {}

    def _folder_of(self, owner: LogOwner) -> Path:
        return self.folder / namespace_folder(owner) / _file_name(owner.id, 200)

    def _path(self, owner: LogOwner, container: str) -> Path:
        return self._folder_of(owner) / f"{_file_name(container, LONGEST_NAME)}.log.gz"

    async def save(self, owner: LogOwner, container: str, pod: str, capped: CappedLog) -> KeptLog:
        """Store a container's log durably, in place of an earlier one.

        Raise ReadOnlyHistory while the disk is full, DamagedHistory where it failed.
        """
        text = capped.content()
        path = self._path(owner, container)
        async with self._reserve(path.parent):
            with self._guard():
                more = await asyncio.to_thread(self._write, path, text)
            self.usage.add(namespace_folder(owner), more)
        return KeptLog(
            container=container, pod=pod, bytes=capped.total, kept=len(text), truncated=capped.truncated
        )

    @asynccontextmanager
    async def _reserve(self, *folders: Path) -> AsyncIterator[None]:
        """Let others that change the logs of these records wait.

        Of one log that two write the later stays, and no folder is removed while a file is put into it. All
        folders are taken at once, so that no two callers wait for each other.
        """
        while busy := self._writers.keys() & set(folders):
            await self._writers[busy.pop()].wait()
        end = asyncio.Event()
        self._writers.update(dict.fromkeys(folders, end))
        try:
            yield
        finally:
            for folder in folders:
                del self._writers[folder]
            end.set()

    def _write(self, path: Path, text: bytes) -> int:
        """Write a log and return how many bytes more than before are occupied."""
        before = occupied_bytes(path)
        is_new = not path.parent.is_dir()
        if is_new:
            before -= BLOCK
            path.parent.mkdir(parents=True, exist_ok=True)
            for folder in (path.parent.parent, self.folder, self.folder.parent):
                durable.sync_folder(folder)
        self._temporary.mkdir(exist_ok=True)
        temporary = self._temporary / str(next(self._numbers))
        compressed = gzip.compress(text, 6)
        key = key_of(path.parent.parent.name, path.parent.name)
        bits = trigram_bits.build_bits(text, log_sieve.most_bytes(len(compressed)))
        self.sieve.widen(key, bits, is_new=is_new)
        durable.write_whole(path, [compressed], temporary)
        self.sieve.settle(key, log_sieve.stamp_of(path.parent))
        return occupied_bytes(path) - before

    async def read(self, owner: LogOwner, container: str) -> bytes | None:
        """Return the kept log of a container; None where none is kept."""
        path = self._path(owner, container)
        return await asyncio.to_thread(_read, path)

    def read_now(self, owner: LogOwner, container: str) -> bytes | None:
        """Do what `read` does, in a thread of the caller's."""
        return _read(self._path(owner, container))

    async def remove_one(self, owner: LogOwner, container: str) -> None:
        """Remove the kept log of one container, if there is one."""
        path = self._path(owner, container)
        async with self._reserve(path.parent):
            freed = await asyncio.to_thread(self._remove_file, path)
            self.usage.add(namespace_folder(owner), -freed)

    def _remove_file(self, path: Path) -> int:
        freed = occupied_bytes(path)
        path.unlink(missing_ok=True)
        if freed:  # the row says more than is there, which loses nothing
            key = key_of(path.parent.parent.name, path.parent.name)
            self.sieve.settle(key, log_sieve.stamp_of(path.parent))
        return freed

    async def remove_folder(self, namespace: str, record: str) -> None:
        """Remove every log in the folder of a record below that of a namespace."""
        folder = self.folder / namespace / record
        async with self._reserve(folder):
            freed = await asyncio.to_thread(self._remove_folder, folder)
            self.usage.add(namespace, -freed)

    async def remove_all(self, keys: Sequence[str]) -> None:
        """Remove every log of the records with these keys (`sieve_key`); most have none."""
        written = {key_of(folder.parent.name, folder.name) for folder in self._writers}.intersection(keys)
        present = written.union(await asyncio.to_thread(self._list_present, keys))
        folders = [self.folder / key for key in sorted(present)]
        if not folders:
            return
        async with self._reserve(*folders):
            freed = await asyncio.to_thread(self._remove_folders, folders)
            for folder, count in freed.items():
                self.usage.add(folder.parent.name, -count)

    def _list_present(self, keys: Sequence[str]) -> list[str]:
        root = str(self.folder)
        return [key for key in keys if os.path.lexists(f"{root}/{key}")]

    def _remove_folders(self, folders: Sequence[Path]) -> dict[Path, int]:
        return {folder: self._remove_folder(folder) for folder in folders}

    def _remove_folder(self, folder: Path) -> int:
        freed = folder_bytes(folder)
        shutil.rmtree(folder, ignore_errors=True)
        self.sieve.remove(key_of(folder.parent.name, folder.name))
        return freed

    async def build_sieve(self, namespace: str, record: str) -> None:
        """Make the sieve's row of a record, from all logs in its folder."""
        folder = self.folder / namespace / record
        async with self._reserve(folder):
            await asyncio.to_thread(self._build_sieve, folder)

    def _build_sieve(self, folder: Path) -> None:
        bits = b""
        try:
            for path in sorted(folder.iterdir()):
                text = _read(path) or b""
                more = trigram_bits.build_bits(text, log_sieve.most_bytes(path.stat().st_size))
                bits = trigram_bits.join_bits(bits, more) if bits else more
            stamp = log_sieve.stamp_of(folder)
        except (OSError, EOFError, zlib.error):  # removed meanwhile, or damaged: it is searched plainly
            return
        self.sieve.put(key_of(folder.parent.name, folder.name), bits, stamp)


def namespace_folder(owner: LogOwner) -> str:
    """Return the name of the folder with the logs of a namespace: no namespace's name has a `_`."""
    return _namespace_folder(owner.cluster, owner.namespace)


@lru_cache(maxsize=1000)
def _namespace_folder(cluster: str, namespace: str) -> str:
    return f"{_file_name(cluster, 100)}_{_file_name(namespace, 100)}"


def sieve_key(row: Row | LogOwner) -> str:
    """Return the key in the sieve of the logs of a stored record."""
    return key_of(_namespace_folder(row.cluster or "", row.namespace or ""), _file_name(row.id or "", 200))


def _file_name(text: str, longest: int) -> str:
    return _UNSAFE.sub("_", text)[:longest]


def _read(path: Path) -> bytes | None:
    try:
        return gzip.decompress(path.read_bytes())
    except FileNotFoundError:
        return None
