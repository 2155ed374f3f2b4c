"""The history as a whole: tables in memory, journal on disk, one commit for many changes.

A change is first made in memory, where the process's own reads see it, and queued. `commit` writes all
that is queued as one batch, syncs it in a thread, and only then tells the listeners; callers acknowledge,
publish and act after it. One commit runs at a time, so that those who arrive meanwhile share the next
one.
"""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import msgspec
from tinydb import TinyDB

from kronkeep_common.clock import Clock
from kronkeep_common.errors import DamagedHistory
from kronkeep_common.models import BackupExecution, BackupStorage, CronJobExecution, Restore
from kronkeep_daemon.history import files
from kronkeep_daemon.history.changes import Change, Entry
from kronkeep_daemon.history.journal import Segment, damaged, encode, read
from kronkeep_daemon.history.logs import LogStore
from kronkeep_daemon.history.records import Records
from kronkeep_daemon.history.storage import JournalStorage
from kronkeep_daemon.history.table import JournalTable

log = logging.getLogger(__name__)
EXIT_SYNC_FAILED = 75
RECENT = 20_000  # changes kept for readers of events who come back
COMPACT_BYTES = 64 * 1024 * 1024


class _Database(TinyDB):
    table_class = JournalTable


class History:
    """One folder's history; raises StateInUse, DamagedHistory, HistoryTooNew on open."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._lock = files.lock(folder)
        self._storage = JournalStorage()
        self._recent: deque[Change] = deque(maxlen=RECENT)
        self._listeners: list[Callable[[Change], None]] = []
        self._committing = asyncio.Lock()
        self._retry: list[Entry] = []
        self._working: set[asyncio.Future[int]] = set()
        self.failed = asyncio.Event()
        self.seq = self._load()
        self._segment = self._last_segment()
        self.db = _Database(storage=lambda: self._storage)
        self.logs = LogStore(folder / "logs")
        self.executions: Records[CronJobExecution] = Records(self.table("executions"), CronJobExecution)
        self.backups: Records[BackupExecution] = Records(self.table("backups"), BackupExecution)
        self.restores: Records[Restore] = Records(self.table("restores"), Restore)
        self.storages: Records[BackupStorage] = Records(self.table("storages"), BackupStorage)

    @classmethod
    async def open(cls, folder: Path, *, clock: Clock) -> "History":
        """The history in `folder`, made if it is not there."""
        return cls(folder, clock)

    def _load(self) -> int:
        """Reads snapshot and segments into the tables; the last sequence."""
        seq = 0
        snapshot = files.newest_snapshot(self._folder)
        if snapshot is not None:
            seq = int(snapshot.stem.rpartition("-")[2])
            for line in files.read_snapshot(snapshot):
                self._storage.load(line.batch)
        found = files.after_snapshot(self._folder, seq)
        for path in found:
            for line in read(path, last=path == found[-1]):
                if line.seq - len(line.batch) > seq:
                    raise damaged(path, 0)
                if line.seq > seq:
                    changes = self._storage.load(line.batch)
                    first = line.seq - len(line.batch) + 1
                    self._recent.extend(
                        _change(first + i, entry, key) for i, (entry, key) in enumerate(changes)
                    )
                    seq = line.seq
        return seq

    def _last_segment(self) -> Segment:
        found = files.segments(self._folder)
        return Segment(found[-1] if found else files.segment_path(self._folder, self.seq), self.seq)

    def table(self, name: str) -> JournalTable:
        """A TinyDB table of plain documents."""
        table = self.db.table(name)
        assert isinstance(table, JournalTable)
        return table

    async def commit(self) -> int:
        """Makes every change so far durable and tells the listeners; the last sequence.

        Raises ReadOnlyHistory while the disk is full; DamagedHistory once a sync has failed.
        """
        return await self._whole(self._commit())

    async def _whole(self, work: Coroutine[Any, Any, int]) -> int:
        """Runs `work` to its end even when the caller is cancelled: no write may be done twice."""
        task = asyncio.ensure_future(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return await asyncio.shield(task)

    async def _commit(self) -> int:
        async with self._committing:
            if self.failed.is_set():
                raise DamagedHistory("The disk failed to keep the history; kronkeepd is stopping.")
            entries = self._retry + self._storage.take()
            if not entries:
                return self.seq
            await self._write(entries)
            self._retry = []
            self._publish(entries)
            if self._segment.size > COMPACT_BYTES:
                await self._compact()
            return self.seq

    async def _write(self, entries: list[Entry]) -> None:
        self._retry = entries
        try:
            await asyncio.to_thread(self._segment.append, encode(self.seq + len(entries), entries))
        except OSError as fault:
            log.critical("the history could not be synced: %s", fault)
            self.failed.set()
            raise DamagedHistory(f"The disk failed to keep the history: {fault.strerror}.") from fault

    def _publish(self, entries: list[Entry]) -> None:
        for entry in entries:
            self.seq += 1
            change = _change(self.seq, entry, self._storage.key(entry))
            self._recent.append(change)
            for listener in list(self._listeners):
                listener(change)

    def subscribe(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Calls `listener` with each later durable change, in order, until what is returned is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def changes_since(self, seq: int) -> Iterator[Change] | None:
        """The durable changes later than `seq`; None when some of them are no longer kept apart."""
        first = self._recent[0].seq if self._recent else self.seq + 1
        if seq + 1 < first or seq > self.seq:
            return None
        return iter([change for change in self._recent if change.seq > seq])

    async def compact(self) -> None:
        """Writes a snapshot of everything and removes what it replaces."""
        await self._whole(self._compact_alone())

    async def _compact_alone(self) -> int:
        async with self._committing:
            await self._compact()
            return self.seq

    async def _compact(self) -> None:
        entries = self._storage.everything()
        old, self._segment = self._segment, Segment(files.segment_path(self._folder, self.seq), self.seq)
        if old.path != self._segment.path:
            old.close()
        await asyncio.to_thread(files.write_snapshot, self._folder, self.seq, entries)
        await asyncio.to_thread(files.remove_before, self._folder, self.seq)

    def append_audit(self, entry: dict[str, Any]) -> None:
        """Buffers one line of the audit trail; `created_at` is set here."""
        stamped = {"created_at": msgspec.to_builtins(self._clock.now()), **entry}
        self.table("audit").insert(stamped)

    async def close(self) -> None:
        """Commits what is left and lets the folder go."""
        try:
            if not self.failed.is_set():
                await self.commit()
        finally:
            self._segment.close()
            os.close(self._lock)


def _change(seq: int, entry: Entry, key: str) -> Change:
    return Change(seq, entry.table, key, "remove" if entry.body is None else "put", entry.body)
