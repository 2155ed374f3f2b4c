"""Questions about several snapshots: what two differ in, and in which of a CronJob's a file is.

They are answered from the listings of the snapshots, which are read once and kept (`snapshot_listing`).
"""

import asyncio
from functools import partial

from kronkeep_common.clock import Clock
from kronkeep_common.errors import InvalidRequest, KronkeepError, StillReading
from kronkeep_common.models import BackupExecution
from kronkeep_common.models.file_changes import BackupDiff, FileMatches
from kronkeep_common.text import clean
from kronkeep_daemon.history import History
from kronkeep_daemon.restores import snapshot_paths
from kronkeep_daemon.restores.listing_comparison import LONGEST_PATTERN, MatchCollector, compare_listings
from kronkeep_daemon.restores.snapshot_listing import MOST_LISTINGS, WAIT_SECONDS, SnapshotListings

READ = 1000  # backups of a CronJob in which those with a snapshot are looked for


class SnapshotSearch:
    """The answers about several snapshots; comparisons of many files run in threads, one at a time."""

    def __init__(self, listings: SnapshotListings, history: History, clock: Clock) -> None:
        self._listings = listings
        self._history = history
        self._clock = clock
        self._computing = asyncio.Lock()

    async def diff(self, older_id: str, newer_id: str, path: str, limit: int, uid: int) -> BackupDiff:
        """Return what differs between two backups below a folder.

        uid: the user for whom listings are read. Raises BackupNotFound, NotAllowedNow, StillReading,
        StorageFailed, TooMany.
        """
        folder = snapshot_paths.normalize_path(path)
        deadline = self._clock.monotonic() + WAIT_SECONDS
        older = await self._listings.open(older_id, None, self._seconds_until(deadline), uid)
        newer = await self._listings.open(newer_id, None, self._seconds_until(deadline), uid)
        async with self._computing:
            return await asyncio.to_thread(
                compare_listings,
                older.id,
                partial(self._listings.read_entries, older),
                newer.id,
                partial(self._listings.read_entries, newer),
                path=folder,
                limit=limit,
            )

    async def find(self, cronjob_id: str, pattern: str, limit: int, uid: int) -> FileMatches:
        """Return the paths that match in the newest MOST_LISTINGS snapshots of a CronJob.

        Raises InvalidRequest, and StillReading while listings are being read.
        """
        if not 1 <= len(pattern) <= LONGEST_PATTERN:
            raise InvalidRequest(f"A pattern has 1 to {LONGEST_PATTERN} characters.", field="pattern")
        backups = self._history.backups.newest(limit=READ, cronjob_id=cronjob_id).items
        present = [backup for backup in backups if backup.snapshot_state == "present"]
        readable, unread = await self._open_all(present[:MOST_LISTINGS], uid)
        async with self._computing:
            collector = await asyncio.to_thread(self._collect, readable, MatchCollector(pattern, limit))
        return FileMatches(
            items=collector.matches(),
            backups=len(readable),
            is_cut=collector.is_cut or len(present) > MOST_LISTINGS or len(backups) == READ,
            unread=tuple(unread),
        )

    async def _open_all(
        self, backups: list[BackupExecution], uid: int
    ) -> tuple[list[BackupExecution], list[str]]:
        """Return the backups whose listings are there, and why others have none."""
        deadline = self._clock.monotonic() + WAIT_SECONDS
        readable: list[BackupExecution] = []
        unread = []
        for number, backup in enumerate(backups):
            try:
                place = await self._listings.open(backup.id, None, self._seconds_until(deadline), uid)
            except StillReading as reading:
                message = f"{number} of {len(backups)} listings have been read."
                raise StillReading(message) from reading
            except KronkeepError as fault:
                unread.append(clean(f"{backup.id}: {fault.message}", 300))
                continue
            readable.append(place)
        return readable, unread

    def _collect(self, backups: list[BackupExecution], collector: MatchCollector) -> MatchCollector:
        for backup in backups:
            collector.add(backup, self._listings.read_entries(backup))
        return collector

    def _seconds_until(self, deadline: float) -> float:
        return max(0.0, deadline - self._clock.monotonic())
