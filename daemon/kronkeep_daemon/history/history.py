"""The history of one folder: tables in memory, a journal on disk, one commit for many changes.

A change is made in memory first, where the process's own reads see it, and is queued. `commit` writes all
that is queued as one batch, syncs it in a thread, and only then calls the listeners; callers acknowledge,
publish and act after it. One commit runs at a time; callers that arrive meanwhile share the next one and its
outcome. A batch that finds no space is undone and refused as a whole; the next commit tries the disk again,
so writing resumes by itself. Any other fault of the disk is final: nothing is acknowledged any more.

A compaction copies the rows between two batches, starts a new segment, and writes the snapshot in a thread
while commits continue.
"""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from tinydb import TinyDB

from kronkeep_common.clock import Clock
from kronkeep_common.errors import DamagedHistory, ReadOnlyHistory
from kronkeep_common.models import Alert, BackupExecution, BackupStorage, CronJobExecution, Restore
from kronkeep_daemon.history import journal_files, loader
from kronkeep_daemon.history.changes import Change
from kronkeep_daemon.history.documents import Row
from kronkeep_daemon.history.durable import NO_SPACE, SyncFailed
from kronkeep_daemon.history.facts import Facts
from kronkeep_daemon.history.journal import encode
from kronkeep_daemon.history.journal_files import Segment
from kronkeep_daemon.history.kept_logs import KeptLogStore
from kronkeep_daemon.history.records import Records
from kronkeep_daemon.history.storage import JournalStorage, PendingChange
from kronkeep_daemon.history.table import JournalTable
from kronkeep_daemon.history.writer import WriterThread

log = logging.getLogger(__name__)
EXIT_SYNC_FAILED = 75
COMPACT_BYTES = 64 * 1024 * 1024
COMPACT_SHARE = 1.25  # times the size of the last snapshot: each change is then written less than twice
SLICE = 500  # changes published between two turns of the event loop


class _HistoryDatabase(TinyDB):
    table_class = JournalTable


def _retrieve_exception(task: "asyncio.Task[int]") -> None:
    """Retrieve the exception, so that asyncio does not report it when every waiter was cancelled."""
    if not task.cancelled():
        task.exception()


class History:
    """The history of one folder; opening it raises StateInUse, DamagedHistory, HistoryTooNew."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._storage = JournalStorage()
        self._listeners: list[Callable[[Change], None]] = []
        self._committing = asyncio.Lock()
        self._next_commit: asyncio.Task[int] | None = None  # the commit that takes what is queued now
        self._running_commit: asyncio.Task[int] | None = None  # the one that is being written
        self._compaction_requested = False
        self._compaction: asyncio.Task[None] | None = None
        self._full = False
        self.failed = asyncio.Event()
        self._lock = journal_files.lock(folder)
        try:
            with self._translate_faults():
                self._load()
        except BaseException:
            os.close(self._lock)
            raise
        self._writer = WriterThread()
        self.db = _HistoryDatabase(storage=lambda: self._storage)
        self.logs = KeptLogStore(folder / "logs", self._translate_faults)
        self.facts = Facts(self.table("facts"))
        self.executions: Records[CronJobExecution] = Records(self.table("executions"), CronJobExecution)
        self.backups: Records[BackupExecution] = Records(self.table("backups"), BackupExecution)
        self.restores: Records[Restore] = Records(self.table("restores"), Restore)
        self.alerts: Records[Alert] = Records(self.table("alerts"), Alert)
        self.storages: Records[BackupStorage] = Records(self.table("storages"), BackupStorage)

    @classmethod
    async def open(cls, folder: Path, *, clock: Clock) -> "History":
        """Open the history in `folder` in a thread; create it where there is none."""
        return await asyncio.to_thread(cls, folder, clock)

    def _load(self) -> None:
        loaded = loader.load(self._folder)
        read = loaded.read
        self._storage.fill(loaded.tables)
        self._recent: deque[Change] = deque(loaded.recent, maxlen=loader.RECENT)
        self.seq = read.seq
        self._compact_at = COMPACT_BYTES
        if read.torn and read.segment is not None:
            journal_files.set_aside(read.segment, read.good)
        self._segment = Segment(folder=self._folder, after=read.seq, path=read.segment, size=read.good)

    @contextmanager
    def _translate_faults(self) -> Iterator[None]:
        """Translate OSError: no space becomes ReadOnlyHistory, which passes; anything else DamagedHistory,
        which is final.
        """
        try:
            yield
        except OSError as fault:
            if fault.errno in NO_SPACE:
                raise ReadOnlyHistory("The disk that holds the history is full.") from fault
            raise self._mark_failed(str(fault.strerror)) from fault
        except SyncFailed as fault:
            raise self._mark_failed(str(fault)) from fault

    def _mark_failed(self, why: str) -> DamagedHistory:
        log.critical("the disk failed to keep the history: %s", why)
        self.failed.set()
        return DamagedHistory(f"The disk failed to keep the history: {why}.")

    def table(self, name: str) -> JournalTable:
        """Return a TinyDB table of plain documents."""
        table = self.db.table(name)
        assert isinstance(table, JournalTable)
        return table

    async def commit(self) -> int:
        """Make every change so far durable, call the listeners, and return the last sequence.

        Raise ReadOnlyHistory while the disk is full (the changes are undone), DamagedHistory once the disk
        has failed.
        """
        # At most two commits exist: one that is writing, and the next one, which has not taken the queue yet.
        # Every caller that arrives before it does so shares the next one: 1,000 callers cost one sync.
        #
        # Where nothing is queued, the caller's own changes may be in the batch that is being written now. The
        # next commit then writes nothing and would succeed even if that batch fails, so both are awaited.
        #
        # `shield`: a caller that is cancelled must not cancel a commit that others wait for. A commit whose
        # callers were all cancelled still runs to its end.
        running = None if self._storage.has_queued else self._running_commit
        if self._next_commit is None:
            self._next_commit = asyncio.ensure_future(self._commit())
            self._next_commit.add_done_callback(_retrieve_exception)
        seq = await asyncio.shield(self._next_commit)
        if running is not None:
            await asyncio.shield(running)
        return seq

    async def _commit(self) -> int:
        """Write what is queued, for every caller that has waited until now; they share the outcome.

        It runs to its end even when a caller is cancelled: no write may be done twice.
        """
        async with self._committing:
            self._running_commit = self._next_commit
            self._next_commit = None
            try:
                return await self._write_queued()
            finally:
                self._running_commit = None

    async def _write_queued(self) -> int:
        if self.failed.is_set():
            raise DamagedHistory("The disk failed to keep the history; kronkeepd is stopping.")
        batch = self._storage.take_queued()
        # The rows are copied together with the batch, with no await in between: they are exactly the state
        # after this batch, which is what the snapshot's sequence says.
        needed = self._compaction_requested or self._segment.size > self._compact_at
        rows = self._storage.copy_rows() if needed and self._compaction is None else None
        self._compaction_requested = False
        if batch:
            await self._write(batch)
            await self._publish(batch)
        if rows is not None:
            self._begin_compaction(rows, await self._writer.run(self._start_segment))
        return self.seq

    async def _write(self, batch: list[PendingChange]) -> None:
        try:
            with self._translate_faults():
                await self._writer.run(partial(self._append, self.seq + len(batch), batch))
        except ReadOnlyHistory:
            self._storage.undo(batch)
            if not self._full:
                log.error("the disk is full: changes are refused until there is space")
            self._full = True
            raise
        if self._full:
            log.info("there is space again: changes are accepted")
        self._full = False
        self._storage.mark_durable(batch)

    def _append(self, seq: int, batch: list[PendingChange]) -> None:
        self._segment.append(encode(seq, [change.entry for change in batch]))

    async def _publish(self, batch: list[PendingChange]) -> None:
        for number, pending in enumerate(batch, 1):
            self.seq += 1
            body = pending.entry.body
            change = Change(
                seq=self.seq,
                table=pending.table,
                id=pending.id,
                op="remove" if body is None else "put",
                body=body,
            )
            self._recent.append(change)
            for listener in list(self._listeners):
                listener(change)
            if number % SLICE == 0:
                await asyncio.sleep(0)

    def subscribe(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call `listener` with each later durable change, in order, until the returned function is called."""
        self._listeners.append(listener)
        return partial(self._listeners.remove, listener)

    def changes_since(self, seq: int) -> Iterator[Change] | None:
        """Return the durable changes after `seq`; None where some of them are no longer remembered."""
        first = self._recent[0].seq if self._recent else self.seq + 1
        if seq + 1 < first or seq > self.seq:
            return None
        return iter([change for change in self._recent if change.seq > seq])

    async def compact(self) -> None:
        """Write a snapshot of everything and remove what it replaces; other commits continue meanwhile.

        Raise ReadOnlyHistory where there is no space for it, DamagedHistory once the disk has failed.
        """
        if self._compaction is not None:
            await asyncio.wait([self._compaction])
        self._compaction_requested = True
        await self.commit()
        if self._compaction is not None:
            await asyncio.shield(self._compaction)

    def _start_segment(self) -> bool:
        """Start a new segment and return True, or return False where the disk is full."""
        try:
            with self._translate_faults():
                self._segment = self._segment.successor(self.seq)
        except ReadOnlyHistory:
            return False
        return True

    def _begin_compaction(self, rows: dict[str, list[Row]], has_segment: bool) -> None:
        if not has_segment:
            log.warning("compaction waits for space")
            return
        work = self._compact(self.seq, rows)
        self._compaction = asyncio.create_task(work, name="history compaction")
        self._compaction.add_done_callback(self._end_compaction)

    async def _compact(self, seq: int, rows: dict[str, list[Row]]) -> None:
        with self._translate_faults():
            size = await asyncio.to_thread(
                journal_files.write_snapshot, self._folder, seq, loader.batches(rows)
            )
        self._compact_at = max(COMPACT_BYTES, int(size * COMPACT_SHARE))

    def _end_compaction(self, task: "asyncio.Task[None]") -> None:
        self._compaction = None
        if not task.cancelled() and isinstance(task.exception(), ReadOnlyHistory):
            log.warning("compaction waits for space")

    def append_audit(self, entry: dict[str, Any]) -> None:
        """Buffer one line of the audit trail; `created_at` is set here."""
        created_at = msgspec.to_builtins(self._clock.now())
        self.table("audit").insert({"created_at": created_at, **entry})

    async def close(self) -> None:
        """Commit what is left and release the folder."""
        try:
            if not self.failed.is_set():
                await self.commit()
            if self._compaction is not None:
                await asyncio.wait([self._compaction])
        finally:
            self._writer.close()
            self._segment.close()
            os.close(self._lock)
