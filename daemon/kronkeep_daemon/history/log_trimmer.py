"""The removal of the oldest kept logs of namespaces that have too many bytes of them; their records say so.

The record is marked before its files go: after a crash between the two, the same logs are the oldest ones
again. What occupies the disk is measured once at the start, in slices in a thread, and then counted with each
change; the files of one namespace are looked through only when it has passed a limit.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import ReadOnlyHistory
from kronkeep_common.models import BackupExecution, CronJobExecution, KeptLog, LogRemoval, Restore
from kronkeep_common.text import clean, size
from kronkeep_daemon.history import log_limits, log_usage
from kronkeep_daemon.history.history import History
from kronkeep_daemon.history.log_limits import LogLimits, LogTarget
from kronkeep_daemon.history.log_usage import RecordLogs

log = logging.getLogger(__name__)
REVIEW_SECONDS = 30.0  # between two looks while nothing grows: limits may have been lowered
BATCH = 100  # records marked in one commit
FULL_DISK_PAUSE = 2.0  # seconds between two tries
RecordWithLogs = TypeVar("RecordWithLogs", CronJobExecution, BackupExecution, Restore)


class LogTrimmer:
    """The task that holds kept logs within their limits.

    limits: called for the limits in force.
    """

    def __init__(self, *, history: History, clock: Clock, limits: Callable[[], LogLimits]) -> None:
        self._history = history
        self._usage = history.logs.usage
        self._clock = clock
        self._limits = limits

    async def run(self) -> None:
        """Measure all namespaces, then cut each that passes a limit, until cancelled."""
        for namespace in await log_usage.list_folders(self._history.logs.folder):
            await self._measure(namespace)
        while True:
            self._usage.grown.clear()
            for namespace, target in log_limits.find_targets(self._usage.bytes, self._limits()).items():
                await self._trim(namespace, target)
            try:
                async with asyncio.timeout(REVIEW_SECONDS):
                    await self._usage.grown.wait()
            except TimeoutError:
                continue

    async def _measure(self, namespace: str) -> list[RecordLogs]:
        """Return the logs of a namespace by record, and correct what is known of its bytes.

        What was saved meanwhile may be counted twice: the next measuring mends it, and too little would let
        a namespace pass its limit.
        """
        before = self._usage.bytes.get(namespace, 0)
        folder = self._history.logs.folder / namespace
        records = [record async for part in log_usage.read_records(folder) for record in part]
        grown = max(0, self._usage.bytes.get(namespace, 0) - before)
        self._usage.put(namespace, sum(record.bytes for record in records) + grown)
        return records

    async def _trim(self, namespace: str, target: LogTarget) -> None:
        going = log_limits.select_oldest(await self._measure(namespace), target.bytes)
        if not going:
            return
        removal = LogRemoval(at=self._clock.now(), limit=target.limit, limit_bytes=target.limit_bytes)
        for start in range(0, len(going), BATCH):
            await self._remove(namespace, going[start : start + BATCH], removal)
        log.warning(
            "the kept logs of %s reached a limit (%s, %s): those of %d records are removed",
            clean(namespace, 200),
            target.limit,
            size(target.limit_bytes),
            len(going),
        )

    async def _remove(self, namespace: str, batch: Sequence[RecordLogs], removal: LogRemoval) -> None:
        """Mark some records and remove their logs; on a full disk remove the logs first."""
        try:
            await self._mark(namespace, batch, removal)
        except ReadOnlyHistory:
            await self._remove_folders(namespace, batch)
            await self._mark_when_writable(namespace, batch, removal)
        else:
            await self._remove_folders(namespace, batch)

    async def _mark_when_writable(
        self, namespace: str, batch: Sequence[RecordLogs], removal: LogRemoval
    ) -> None:
        """Mark records whose logs are gone; wait for space elsewhere rather than remove more."""
        while True:
            try:
                await self._mark(namespace, batch, removal)
            except ReadOnlyHistory:
                await self._clock.sleep(FULL_DISK_PAUSE)
            else:
                return

    async def _remove_folders(self, namespace: str, batch: Sequence[RecordLogs]) -> None:
        for record in batch:
            await self._history.logs.remove_folder(namespace, record.folder)

    async def _mark(self, namespace: str, batch: Sequence[RecordLogs], removal: LogRemoval) -> None:
        history = self._history
        for entry in batch:
            if (run := _find_run(history, entry.folder)) is not None:
                history.executions.put(_with_marks(run, removal))
            elif (backup := history.backups.get(entry.folder)) is not None:
                history.backups.put(_backup_with_marks(backup, removal))
            elif (restore := history.restores.get(entry.folder)) is not None:
                history.restores.put(_with_marks(restore, removal))
        history.log_removals.add(namespace, removal, len(batch))
        await history.commit()


def _find_run(history: History, folder: str) -> CronJobExecution | None:
    """Return the run whose logs a folder has; `_` in its name stands for the `@` of a shared uid's id."""
    return history.executions.get(folder) or history.executions.get(folder.replace("_", "@", 1))


def _with_marks(record: RecordWithLogs, removal: LogRemoval) -> RecordWithLogs:
    return msgspec.structs.replace(record, logs=_logs_with_marks(record.logs, removal))


def _backup_with_marks(backup: BackupExecution, removal: LogRemoval) -> BackupExecution:
    hooks = tuple(
        msgspec.structs.replace(hook, logs=_logs_with_marks(hook.logs, removal)) for hook in backup.hooks
    )
    return msgspec.structs.replace(_with_marks(backup, removal), hooks=hooks)


def _logs_with_marks(logs: tuple[KeptLog, ...], removal: LogRemoval) -> tuple[KeptLog, ...]:
    return tuple(kept if kept.removed else msgspec.structs.replace(kept, removed=removal) for kept in logs)
