"""Wait for a run, a backup or a restore: a line that changes on a terminal, a line a state elsewhere."""

import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from kronkeep_common.text import clean, duration, size

if TYPE_CHECKING:
    from kronkeep_common.client import Client
    from kronkeep_common.models import BackupCopy, BackupExecution, BackupStorage, CronJobExecution, Restore

Record = TypeVar("Record", "CronJobExecution", "BackupExecution", "BackupCopy", "Restore")
POLL_SECONDS = 0.3
BAR_WIDTH = 24
FINAL = ("succeeded", "failed", "cancelled", "missed", "unknown", "partial", "completed")


class ProgressLine:
    """One line on standard error that changes on a terminal; elsewhere each new state is a line."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._last = ""

    def show(self, state: str, progress: str = "") -> None:
        """Show a state; `progress` changes often and is left out where there is no terminal."""
        text = f"{state} {progress}".rstrip() if self._is_terminal else state
        if text == self._last:
            return
        self._last = text
        sys.stderr.write(f"\r\x1b[K{text}" if self._is_terminal else text + "\n")
        sys.stderr.flush()

    def end(self) -> None:
        """End the line that was changed."""
        if self._is_terminal and self._last:
            sys.stderr.write("\n")


async def wait_for_run(client: "Client", run_id: str) -> "CronJobExecution":
    """Return a run when it has ended."""
    return await _wait_for_end(client, "run", partial(client.runs.get, run_id))


async def wait_for_backup(client: "Client", backup_id: str) -> "BackupExecution":
    """Return a backup when it has ended."""
    return await _wait_for_end(client, "backup", partial(client.backups.get, backup_id))


async def wait_for_copy(client: "Client", copy_id: str) -> "BackupCopy":
    """Return a copy when it has ended."""
    return await _wait_for_end(client, "copy", partial(client.copies.get, copy_id))


async def wait_for_restore(client: "Client", restore_id: str) -> "Restore":
    """Return a restore or drill when it has ended."""
    return await _wait_for_end(client, "restore", partial(client.restores.get, restore_id))


async def wait_for_storage(client: "Client", storage: "BackupStorage") -> "BackupStorage":
    """Return a storage when it is active or has failed."""
    line = ProgressLine()
    while storage.status in ("pending", "creating"):
        line.show(f"storage {clean(storage.id, 60)} {storage.status}")
        await client.pause(POLL_SECONDS)
        storage = await client.storages.get(storage.id)
    line.end()
    return storage


async def _wait_for_end(client: "Client", kind: str, fetch: Callable[[], Awaitable[Record]]) -> Record:
    line = ProgressLine()
    while (record := await fetch()).status not in FINAL:
        line.show(f"{kind} {clean(record.id, 80)} {record.status}", _progress_text(record))
        await client.pause(POLL_SECONDS)
    line.show(f"{kind} {clean(record.id, 80)} {record.status}", duration(record.duration_seconds))
    line.end()
    return record


def _progress_text(record: "CronJobExecution | BackupExecution | BackupCopy | Restore") -> str:
    """Write the progress of a backup or restore that has one; runs do not."""
    progress = getattr(record, "progress", None)
    if progress is None:
        return ""
    return f"{_bar(progress.percent)} {size(progress.bytes_done)} of {size(progress.bytes_total)}"


def _bar(percent: float) -> str:
    """Draw `[#####     ]  21%`."""
    full = round(max(0.0, min(100.0, percent)) / 100 * BAR_WIDTH)
    return f"[{'#' * full}{' ' * (BAR_WIDTH - full)}] {percent:3.0f}%"


def report(record: "CronJobExecution | BackupExecution | Restore") -> int:
    """Print a record's warnings, and why it did not end well with its next step; return the exit code."""
    for warning in getattr(record, "warnings", ()):
        sys.stderr.write(f"Warning: {clean(warning, 2000)}\n")
    if record.status in ("succeeded", "completed"):
        return 0
    for text in (record.message, record.next_step):
        if text:
            sys.stderr.write(clean(text, 2000) + "\n")
    return 1
