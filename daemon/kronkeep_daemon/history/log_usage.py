"""How many bytes of the disk kept logs occupy, by namespace; a file counts in whole blocks."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

BLOCK = 4096  # bytes; of a file's last block the rest is lost, and a folder takes one
SLICE = 500  # folders read in one call of a thread


class RecordLogs(NamedTuple):
    """The logs of one record: the folder's name, its bytes, and when a log was last saved (epoch seconds)."""

    folder: str
    bytes: int
    saved_at: float


class NamespaceUsage(NamedTuple):
    """The bytes of the kept logs of one namespace."""

    cluster: str
    namespace: str
    bytes: int


class LogUsage:
    """The bytes of each namespace's folder.

    grown: set when a folder has grown; whoever acts on it clears it.
    """

    def __init__(self) -> None:
        self.bytes: dict[str, int] = {}
        self.grown = asyncio.Event()

    def add(self, folder: str, count: int) -> None:
        """Add bytes that were written to a folder, or removed where `count` is negative."""
        self.put(folder, self.bytes.get(folder, 0) + count)
        if count > 0:
            self.grown.set()

    def put(self, folder: str, count: int) -> None:
        """Replace the bytes of a folder by what was measured."""
        if count > 0:
            self.bytes[folder] = count
        else:
            self.bytes.pop(folder, None)

    def by_namespace(self) -> list[NamespaceUsage]:
        """Return the namespaces, the largest first."""
        usages = [NamespaceUsage(*split_folder(folder), count) for folder, count in self.bytes.items()]
        return sorted(usages, key=_largest_first)


def split_folder(folder: str) -> tuple[str, str]:
    """Return the cluster's id and the namespace of a folder."""
    cluster, _, namespace = folder.rpartition("_")
    return cluster, namespace


def _largest_first(usage: NamespaceUsage) -> tuple[int, str, str]:
    return -usage.bytes, usage.cluster, usage.namespace


def occupied_bytes(path: Path) -> int:
    """Return the bytes of the blocks of a file, 0 where there is none."""
    try:
        return _whole_blocks(path.stat().st_size)
    except FileNotFoundError:
        return 0


def folder_bytes(folder: Path) -> int:
    """Return the bytes of a folder and the files in it, 0 where there is none."""
    try:
        with os.scandir(folder) as files:
            return BLOCK + sum(_whole_blocks(file.stat().st_size) for file in files)
    except FileNotFoundError:
        return 0


def _whole_blocks(count: int) -> int:
    return -(-count // BLOCK) * BLOCK


async def list_folders(logs: Path) -> list[str]:
    """Return the names of the folders of all namespaces."""
    return await asyncio.to_thread(_list_folders, logs)


def _list_folders(logs: Path) -> list[str]:
    try:
        with os.scandir(logs) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())
    except FileNotFoundError:
        return []


async def read_records(folder: Path) -> AsyncIterator[list[RecordLogs]]:
    """Yield the logs of a namespace by record, in slices that a thread reads."""
    records = _iterate_records(folder)
    while part := await asyncio.to_thread(_next_slice, records):
        yield part


def _next_slice(records: Iterator[RecordLogs]) -> list[RecordLogs]:
    return list(islice(records, SLICE))


def _iterate_records(folder: Path) -> Iterator[RecordLogs]:
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                saved_at = entry.stat().st_mtime
                yield RecordLogs(entry.name, folder_bytes(Path(entry.path)), saved_at)
            except (FileNotFoundError, NotADirectoryError):  # removed meanwhile, or none of ours
                continue
