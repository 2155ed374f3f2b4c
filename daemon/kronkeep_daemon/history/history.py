"""The history of one folder: TinyDB tables on SQLite, one commit for many changes.

A change is visible to the process's own reads at once, and is queued. `commit` writes all that is queued as
one transaction in the writer's thread, and only when that is durable calls the listeners; callers
acknowledge, publish and act after it. One commit runs at a time; callers that arrive meanwhile share the next
one and its outcome. A batch that finds no space is undone and refused as a whole; the next commit tries the
disk again, so writing resumes by itself. Any other fault of the disk is final: nothing is acknowledged any
more.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import DamagedHistory, ReadOnlyHistory
from kronkeep_common.models import Alert, BackupCopy, BackupStorage, CronJobExecution, Restore
from kronkeep_daemon.history import change_log
from kronkeep_daemon.history.backup_table import BackupTable, PolicyTable
from kronkeep_daemon.history.change_log import ChangeHold, read_changes
from kronkeep_daemon.history.changes import Change, ForgottenChanges
from kronkeep_daemon.history.database import RowChange
from kronkeep_daemon.history.database_faults import translate_faults
from kronkeep_daemon.history.facts import Facts
from kronkeep_daemon.history.figures import TABLE as FIGURES
from kronkeep_daemon.history.figures import WeekFigures
from kronkeep_daemon.history.history_folder import database_size
from kronkeep_daemon.history.kept_logs import KeptLogStore
from kronkeep_daemon.history.log_removals import LogRemovals
from kronkeep_daemon.history.records import Records
from kronkeep_daemon.history.sqlite_storage import SqliteStorage
from kronkeep_daemon.history.sqlite_table import SqliteTable, SqliteTinyDB
from kronkeep_daemon.history.writer import WriterThread

log = logging.getLogger(__name__)
EXIT_SYNC_FAILED = 75
SLICE = 500  # changes published between two turns of the event loop
CHANGES_PER_READ = 200
PAGES_PER_RELEASE = 200  # pages of 4 KiB given back between two commits


class History:
    """The history of one folder; opening it raises StateInUse, DamagedHistory, HistoryTooNew, OldHistory."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self._clock = clock
        self._storage = SqliteStorage(folder)
        self._database = self._storage.database
        self._listeners: list[Callable[[Change], None]] = []
        self._commit_listeners: list[Callable[[float], None]] = []
        self._writing: list[asyncio.Future[int]] | None = None  # who waits for the batch being written
        self._waiting: list[asyncio.Future[int]] = []  # who waits for the next batch
        self._continued_at = 0
        self._checkpoint: asyncio.Task[None] | None = None
        self._full = False
        self.undone = 0  # batches that found no space
        self.failed = asyncio.Event()
        self.seq = self._database.changes.last
        self.sequence_at_start = self.seq
        self.history_id = self._database.history_id
        self._writer = WriterThread()
        self.db = SqliteTinyDB(storage=lambda: self._storage)
        self.logs = KeptLogStore(folder, self._translate_faults)
        self.facts = Facts(self.table("facts"))
        self.log_removals = LogRemovals(self.table("log_removals"))
        self.executions: Records[CronJobExecution] = Records(self.table("executions"), CronJobExecution)
        self.backups = BackupTable(self.table("backups"), PolicyTable(self.table("policies")))
        self.restores: Records[Restore] = Records(self.table("restores"), Restore)
        self.copies: Records[BackupCopy] = Records(self.table("copies"), BackupCopy)
        self.alerts: Records[Alert] = Records(self.table("alerts"), Alert)
        self.figures: Records[WeekFigures] = Records(self.table(FIGURES), WeekFigures)
        self.storages: Records[BackupStorage] = Records(self.table("storages"), BackupStorage)

    @classmethod
    async def open(cls, folder: Path, *, clock: Clock) -> "History":
        """Open the history in `folder` in a thread; create it where there is none."""
        return await asyncio.to_thread(cls, folder, clock)

    @contextmanager
    def _translate_faults(self) -> Iterator[None]:
        """Translate faults of SQLite and the disk: no space becomes ReadOnlyHistory, which passes; anything
        else DamagedHistory, which is final.
        """
        try:
            with translate_faults(self.folder):
                yield
        except DamagedHistory as fault:
            self._stop(fault)
            raise

    def _stop(self, fault: DamagedHistory) -> None:
        log.critical("the history failed: %s", fault)
        self.failed.set()

    def table(self, name: str) -> SqliteTable:
        """Return a TinyDB table of plain documents; raise InvalidRequest for a name that is reserved."""
        table = self.db.table(name, cache_size=0)
        assert isinstance(table, SqliteTable)
        return table

    async def commit(self) -> int:
        """Make every change so far durable, call the listeners, and return the last sequence.

        Raise ReadOnlyHistory while the disk is full (the changes are undone), DamagedHistory once the disk
        has failed.
        """
        # One batch is being written at a time. Every caller that queued changes meanwhile shares the next one
        # and its outcome: 1,000 callers cost one sync. Where nothing is queued, the caller's own changes may
        # be in the batch that is being written.
        #
        # There are no tasks and no locks in this: a lone insert would pay for them as much as for its row.
        # Each caller has a future of its own, so that one that is cancelled disturbs no other, and a batch
        # whose callers were all cancelled is still written to its end: no write may be done twice.
        if self.failed.is_set():
            raise _stopping()
        if self._writing is None and not self._storage.has_queued:
            return self.seq
        waiter: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if self._writing is None:
            self._begin_write([waiter])
        elif self._storage.has_queued:
            self._waiting.append(waiter)
        else:
            self._writing.append(waiter)
        return await waiter

    def _begin_write(self, waiters: list["asyncio.Future[int]"]) -> None:
        """Let the writer's thread write what is queued."""
        self._writing = waiters
        if self._continued_at > self.seq:
            self._database.changes.continue_after(self._continued_at)
            self.seq = self._continued_at
        batch = self._storage.take_queued()
        end = partial(self._call, self._end_write, batch, self._clock.monotonic())
        self._writer.submit(partial(self._database.write, batch), end)

    def _call(self, step: Callable[..., None], *args: Any) -> None:
        """Take a step of a commit; where it fails, as a listener can, those who wait get the fault."""
        try:
            step(*args)
        except BaseException as fault:  # noqa: BLE001  the top of a callback: nobody may wait for ever
            self.seq = max(self.seq, self._database.changes.last)
            self._end_commit(fault)

    def _end_write(
        self, batch: list[RowChange], began: float, _answer: object, fault: BaseException | None
    ) -> None:
        """Note in the event loop what became of a batch, and publish it."""
        if isinstance(fault, ReadOnlyHistory):
            self._undo(batch)
        elif isinstance(fault, DamagedHistory):
            self._stop(fault)
        if fault is not None:
            self._end_commit(fault)
            return
        if self._full:
            log.info("there is space again: changes are accepted")
        self._full = False
        for listener in self._commit_listeners:
            listener(self._clock.monotonic() - began)
        self._storage.mark_durable(batch)
        self._publish(batch, 0)

    def _undo(self, batch: list[RowChange]) -> None:
        self._storage.undo(batch)
        self.undone += 1
        if not self._full:
            log.error("the disk is full: changes are refused until there is space")
        self._full = True

    def _publish(self, batch: Sequence[RowChange], first: int) -> None:
        """Call the listeners with the changes of a durable batch, SLICE in one turn of the event loop."""
        for row_change in batch[first : first + SLICE]:
            self.seq += 1
            if not self._listeners:
                continue
            body = row_change.row.body if row_change.row else None
            change = Change(
                seq=self.seq,
                table=row_change.table,
                id=row_change.id,
                op="remove" if body is None else "put",
                body=body,
                retracts=row_change.retracts,
            )
            for listener in list(self._listeners):
                listener(change)
        if first + SLICE < len(batch):
            asyncio.get_running_loop().call_soon(self._call, self._publish, batch, first + SLICE)
        else:
            self._end_commit(None)

    def _end_commit(self, fault: BaseException | None) -> None:
        """Tell the callers who wait, and begin the next batch where others do."""
        waiters = self._writing or []
        self._writing = None
        for waiter in waiters:
            if waiter.done():
                continue
            if fault is not None:
                waiter.set_exception(fault)
            else:
                waiter.set_result(self.seq)
        if fault is None:
            self._begin_checkpoint()
        if self._waiting:
            self._begin_next()

    def _begin_next(self) -> None:
        waiters = self._waiting
        self._waiting = []
        if not self.failed.is_set():
            self._begin_write(waiters)
            return
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(_stopping())

    def _begin_checkpoint(self) -> None:
        """Let the writer's thread write a long WAL into the database, after this commit is acknowledged."""
        if self._checkpoint is None and self._database.wants_checkpoint():
            self._checkpoint = asyncio.create_task(self._write_checkpoint(), name="history checkpoint")
            self._checkpoint.add_done_callback(self._end_checkpoint)

    async def _write_checkpoint(self) -> None:
        with self._translate_faults():
            await self._writer.run(self._database.checkpoint)

    def _end_checkpoint(self, task: "asyncio.Task[None]") -> None:
        self._checkpoint = None
        if not task.cancelled() and isinstance(task.exception(), ReadOnlyHistory):
            log.warning("the WAL of the history waits for space")

    def subscribe(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call `listener` with each later durable change, in order, until the returned function is called."""
        self._listeners.append(listener)
        return partial(self._listeners.remove, listener)

    def subscribe_commits(self, listener: Callable[[float], None]) -> None:
        """Call `listener` with the seconds that each later commit took on the disk."""
        self._commit_listeners.append(listener)

    @property
    def is_writable(self) -> bool:
        """Whether the last commit found space on the disk, and none has failed for good."""
        return not self._full and not self.failed.is_set()

    def size_bytes(self) -> int:
        """Return the bytes of the database and its WAL."""
        return database_size(self.folder)

    def changes_since(self, seq: int) -> AsyncIterator[Change] | None:
        """Return the durable changes after `seq` up to now; None where some are no longer remembered.

        They are read in slices, and the iterator raises ForgottenChanges where the next ones were removed
        meanwhile, DamagedHistory where they are damaged.
        """
        oldest = max(self._database.changes.first, self.seq - int(change_log.MOST_ROWS * 1.05))
        if seq + 1 < oldest or seq > self.seq:
            return None
        return self._read_changes(seq, self.seq)

    async def _read_changes(self, after: int, last: int) -> AsyncIterator[Change]:
        while after < last:
            with translate_faults(self.folder):
                changes = read_changes(self._database.reader, after, min(CHANGES_PER_READ, last - after))
            if not changes or changes[0].seq != after + 1:
                raise ForgottenChanges
            for change in changes:
                yield change
            after = changes[-1].seq
            await asyncio.sleep(0)

    def continue_after(self, sequence: int) -> None:
        """Number the changes of the next commit after a sequence, where that is later than the last one."""
        self._continued_at = sequence

    def hold_changes(self, first: int, most_bytes: int) -> None:
        """Keep the changes from the sequence `first` on for sinks, of at most so many bytes."""
        self._database.changes.hold = ChangeHold(first, most_bytes)

    @property
    def oldest_change(self) -> int:
        """The sequence of the oldest change that is remembered."""
        return self._database.changes.first

    def release_changes(self) -> None:
        """Keep no more changes than readers of events need."""
        self._database.changes.hold = None

    async def compact(self) -> None:
        """Write the database without its free space; commits wait meanwhile.

        Raise ReadOnlyHistory where there is no space for it, DamagedHistory once the disk has failed.
        """
        await self.commit()
        with self._translate_faults():
            await self._writer.run(self._database.compact)

    async def release_space(self) -> None:
        """Give free space back to the file system but a share for later records, in slices between commits.

        Raise ReadOnlyHistory, DamagedHistory.
        """
        with self._translate_faults():
            left = 1
            while left:  # other calls of the writer's thread come between two slices
                left = await self._writer.run(partial(self._database.release_pages, PAGES_PER_RELEASE))
            await self._writer.run(self._database.truncate_wal)

    def stop_counting(self) -> None:
        """Count no runs and backups any more: the figures about them are put as well."""
        self._database.counts_figures = False

    def append_audit(self, entry: dict[str, Any]) -> None:
        """Buffer one line of the audit trail; `created_at` is set here."""
        created_at = msgspec.to_builtins(self._clock.now())
        self.table("audit").put_document(None, {"created_at": created_at, **entry})

    async def close(self) -> None:
        """Commit what is left and release the folder."""
        try:
            if not self.failed.is_set():
                await self.commit()
            if self._checkpoint is not None:
                await asyncio.wait([self._checkpoint])
        finally:
            await self._writer.run(self._database.close)
            self._writer.close()
            await asyncio.to_thread(self.logs.sieve.close)


def _stopping() -> DamagedHistory:
    return DamagedHistory("The disk failed to keep the history; kronkeepd is stopping.")
