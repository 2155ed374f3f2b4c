"""Questions about several snapshots: what two differ in, and in which of a CronJob's a file is.

They are answered from the listings of the snapshots, which are read once and kept (`snapshot_listing`). A
million entries take three seconds to compare and one to search, so that goes on while the client asks again.
"""

import asyncio
from collections.abc import Callable, Collection
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import Any, TypeVar

from kronkeep_common.clock import Clock
from kronkeep_common.errors import InvalidRequest, KronkeepError, StillReading, TooMany
from kronkeep_common.models import BackupExecution
from kronkeep_common.models.file_changes import BackupDiff, FileMatches
from kronkeep_common.text import clean
from kronkeep_daemon.history import History
from kronkeep_daemon.restores import snapshot_paths
from kronkeep_daemon.restores.listing_comparison import LONGEST_PATTERN, MatchCollector, compare_listings
from kronkeep_daemon.restores.snapshot_listing import MOST_LISTINGS, WAIT_SECONDS, SnapshotListings
from kronkeep_daemon.supervisor import Supervisor

T = TypeVar("T")
_NOT_SEARCHED = "not searched, as the newer ones have very many files"

MOST_AT_ONCE = 8  # questions, of which one is worked on at a time
MOST_SEARCHED = 50_000_000  # entries of all listings of one search: about a minute
READ = 1000  # backups of a CronJob in which those with a snapshot are looked for


class SnapshotSearch:
    """The answers about several snapshots; comparisons of many files run in threads, one at a time."""

    def __init__(
        self, *, listings: SnapshotListings, history: History, clock: Clock, supervisor: Supervisor
    ) -> None:
        self._listings = listings
        self._history = history
        self._clock = clock
        self._supervisor = supervisor
        self._computing = asyncio.Lock()
        self._started = 0
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._answers: dict[str, Any] = {}

    async def diff(self, older_id: str, newer_id: str, path: str, limit: int, uid: int) -> BackupDiff:
        """Return what differs between two backups below a folder.

        uid: the user for whom listings are read. Raises BackupNotFound, NotAllowedNow, StillReading,
        StorageFailed, TooMany.
        """
        folder = snapshot_paths.normalize_path(path)
        deadline = self._clock.monotonic() + WAIT_SECONDS
        older = await self._listings.open(older_id, None, self._seconds_until(deadline), uid)
        newer = await self._listings.open(newer_id, None, self._seconds_until(deadline), uid)
        compare = partial(
            compare_listings,
            older.id,
            partial(self._listings.read_entries, older),
            newer.id,
            partial(self._listings.read_entries, newer),
            path=folder,
            limit=limit,
        )
        return await self._compute(f"diff {older.id} {newer.id} {limit} {folder}", compare, deadline)

    async def find(self, owners: Collection[str], pattern: str, limit: int, uid: int) -> FileMatches:
        """Return the paths that match in the newest MOST_LISTINGS snapshots of a CronJob.

        owners: its uid, and those that it had before it was made again under its name.
        Raises InvalidRequest, and StillReading while listings are being read.
        """
        if not 1 <= len(pattern) <= LONGEST_PATTERN:
            raise InvalidRequest(f"A pattern has 1 to {LONGEST_PATTERN} characters.", field="pattern")
        deadline = self._clock.monotonic() + WAIT_SECONDS
        pages = [self._history.backups.newest(limit=READ, cronjob_id=owner) for owner in owners]
        backups = sorted(
            chain.from_iterable(page.items for page in pages), key=attrgetter("created_at"), reverse=True
        )
        present = [backup for backup in backups if backup.snapshot_state == "present"]
        readable, unread = await self._open_all(present[:MOST_LISTINGS], uid)
        search = partial(self._collect, readable, MatchCollector(pattern, limit))
        key = f"find {' '.join(owners)} {len(readable)} {limit} {pattern}"
        collector, searched = await self._compute(key, search, deadline)
        unread += [f"{backup.id}: {_NOT_SEARCHED}" for backup in readable[searched:]]
        return FileMatches(
            items=collector.matches(),
            backups=searched,
            is_cut=collector.is_cut
            or len(present) > MOST_LISTINGS
            or any(page.next_cursor for page in pages),
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

    def _collect(
        self, backups: list[BackupExecution], collector: MatchCollector
    ) -> tuple[MatchCollector, int]:
        """Search in listings, newest first, up to MOST_SEARCHED entries; return in how many."""
        entries = 0
        for number, backup in enumerate(backups):
            entries += collector.add(backup, self._listings.read_entries(backup))
            if entries >= MOST_SEARCHED:
                return collector, number + 1
        return collector, len(backups)

    async def _compute(self, key: str, work: Callable[[], T], deadline: float) -> T:
        """Return what work in a thread returns; raise StillReading where that takes longer.

        Who asks again gets it then. Raises TooMany where many questions are waiting.
        """
        task = self._tasks.get(key)
        if task is None:
            self._forget_answers()
            if len(self._tasks) >= MOST_AT_ONCE:
                raise TooMany(f"{MOST_AT_ONCE} comparisons and searches are at work already.")
            run = partial(self._run, key, work)
            self._started += 1
            task = self._supervisor.start(f"comparison {self._started}", run, death="quiet")
            self._tasks[key] = task
        await asyncio.wait([task], timeout=self._seconds_until(deadline))
        if not task.done():
            raise StillReading("The listings are being compared.")
        self._tasks.pop(key, None)
        if key not in self._answers:
            raise StillReading("The listings are compared again.")
        answer = self._answers.pop(key)
        if isinstance(answer, KronkeepError):
            raise answer
        computed: T = answer
        return computed

    async def _run(self, key: str, work: Callable[[], T]) -> None:
        async with self._computing:
            try:
                self._answers[key] = await asyncio.to_thread(work)
            except KronkeepError as fault:
                self._answers[key] = fault

    def _forget_answers(self) -> None:
        """Drop the oldest answers that nobody has come back for, where there are many."""
        done = [key for key, task in self._tasks.items() if task.done()]
        for key in done[: max(0, len(self._tasks) - MOST_AT_ONCE + 1)]:
            del self._tasks[key]
            self._answers.pop(key, None)

    def _seconds_until(self, deadline: float) -> float:
        return max(0.0, deadline - self._clock.monotonic())
