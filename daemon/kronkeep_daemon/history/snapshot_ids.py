"""Backups and copies found by the ids of their snapshots, which restic and the terminal show."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import TypeVar

from kronkeep_common.models import BackupCopy, BackupExecution
from kronkeep_daemon.history.history import History
from kronkeep_daemon.history.record_ids import MOST_CANDIDATES, SHORTEST_PREFIX, ambiguous_id, expand_prefix
from kronkeep_daemon.history.records import Records

PAGE = 200  # rows that are searched in one turn of the event loop
# Digits that one id of a record and another one of a snapshot hardly share; restic shows as many.
SURE_DIGITS = 8
_SNAPSHOT_ID = re.compile(rf"[0-9a-f]{{{SHORTEST_PREFIX},64}}")
_Record = TypeVar("_Record", BackupExecution, BackupCopy)


async def expand_backup_id(history: History, text: str) -> str:
    """Return the only backup whose id, or the id of a snapshot or copied snapshot of it, begins with `text`.

    That is `text` itself where it is an id, or nothing begins so. Raises AmbiguousId and InvalidRequest.
    """
    if text in history.backups or not _SNAPSHOT_ID.fullmatch(text):
        return expand_prefix(history.backups, text, "backup")
    ids = dict.fromkeys(history.backups.ids_with_prefix(text, MOST_CANDIDATES + 1))
    if not ids or len(text) < SURE_DIGITS:
        ids |= dict.fromkeys([backup.id async for backup in _find_backups(history.backups, text)])
        ids |= dict.fromkeys([copy.backup_id async for copy in _find_copies(history.copies, text)])
    return _only_one(list(ids), text, "backup")


async def expand_copy_id(history: History, text: str) -> str:
    """Return the only copy whose id, or whose snapshot's, begins with `text`; else as for backups."""
    if text in history.copies or not _SNAPSHOT_ID.fullmatch(text):
        return expand_prefix(history.copies, text, "copy")
    ids = dict.fromkeys(history.copies.ids_with_prefix(text, MOST_CANDIDATES + 1))
    if not ids or len(text) < SURE_DIGITS:
        ids |= dict.fromkeys([copy.id async for copy in _find_copies(history.copies, text)])
    return _only_one(list(ids), text, "copy")


def _only_one(ids: list[str], text: str, noun: str) -> str:
    if len(ids) > 1:
        raise ambiguous_id(text, ids, noun, "an id or a snapshot")
    return ids[0] if ids else text


async def _find_backups(backups: Records[BackupExecution], text: str) -> AsyncIterator[BackupExecution]:
    async for backup in _find_with(backups, text):
        result = backup.result
        if result is not None and _has_prefix(text, result.snapshot_id, result.database_snapshot_id):
            yield backup


async def _find_copies(copies: Records[BackupCopy], text: str) -> AsyncIterator[BackupCopy]:
    async for copy in _find_with(copies, text):
        if _has_prefix(text, copy.snapshot_id, copy.database_snapshot_id):
            yield copy


def _has_prefix(text: str, *ids: str | None) -> bool:
    return any(each is not None and each.startswith(text) for each in ids)


async def _find_with(records: Records[_Record], text: str) -> AsyncIterator[_Record]:
    """Yield the records in whose JSON a snapshot's id seems to begin so; only those are decoded.

    No index has these ids: 100,000 rows take about a second, in which other tasks run.
    """
    sought = f'snapshot_id":"{text}'.encode()
    cursor: str | None = None
    while True:
        page = records.newest_rows({}, limit=PAGE, cursor=cursor, since=None)
        for row in page.rows:
            if sought in row.body:
                yield records.decode(row)
        cursor = page.next_cursor
        if cursor is None:
            return
        await asyncio.sleep(0)
