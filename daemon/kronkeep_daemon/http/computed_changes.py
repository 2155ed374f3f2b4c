"""Recomputation of CronJobs and watches for `/v1/events`: compared with what was sent before.

The state of a CronJob follows from its object, its runs, backups and restores, and from the time: its next
run moves on, its backup becomes overdue. So the CronJobs that an event names are computed again soon,
all of them every SWEEP, and the watches are read every TICK_SECONDS; what differs is a change.

Such a change has no sequence of its own. It carries the sequence that the history had then, and a client that
resumes after sequence N gets each record whose latest change carries N or more: all that a snapshot of N may
lack, and sometimes what it already has. Nothing is computed before the first snapshot or stream that asks,
nor once IDLE has passed since the last one; a client that resumes then must take a new snapshot.
"""

import asyncio
import re
import secrets
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from kronkeep_common import api, subject_names
from kronkeep_common.clock import Clock
from kronkeep_common.errors import EventsLost, InvalidRequest
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.cronjobs_with_backups import ExtendedCronJobService
from kronkeep_daemon.events import (
    BackupChanged,
    Bus,
    ClaimChanged,
    CronJobChanged,
    ExecutionChanged,
    RestoreChanged,
)
from kronkeep_daemon.history import Change, History
from kronkeep_daemon.kube.objects import CronJobRef

CURSOR = re.compile(r"([0-9a-f]{8})\.([0-9]{1,15})")  # the generation, and the number of the last record
CRONJOBS = "cronjobs"
WATCHES = "watches"
MIN_PAUSE_SECONDS = 0.25  # seconds between two computations, at least
REST_FACTOR = 4  # times as long as a computation took is the pause after it, at least
TICK_SECONDS = 1.0  # seconds
SWEEP = 5.0  # seconds
IDLE = 60.0  # seconds
CRONJOBS_PER_SLICE = 16  # CronJobs computed between two turns of the event loop: about a millisecond
MOST_REMOVED = 1000  # removed records that are remembered for those who resume

RecordKey = tuple[str, str]  # table, id
Listener = Callable[[Change], None]


class Subscriber(NamedTuple):
    """A function that takes each change, and one that is called where a new snapshot is needed."""

    take: Listener
    request_snapshot: Callable[[], None]


class CronJobPage(NamedTuple):
    """CronJobs as JSON, and where the next page begins; None: there is none."""

    items: list[msgspec.Raw]
    next_cursor: str | None


class LatestChanges:
    """The latest change of each record; `start` is the sequence from which they are complete.

    Records have numbers in the order in which they were first seen, which cursors of pages name together with
    `_generation`, as numbers begin again after `clear`.
    """

    def __init__(self) -> None:
        self.start: int | None = None
        self._present: dict[RecordKey, Change] = {}
        self._removed: dict[RecordKey, Change] = {}
        self._numbers: dict[RecordKey, int] = {}  # in their order
        self._last_number = 0
        self._generation = secrets.token_hex(4)

    def clear(self) -> None:
        """Forget everything; nobody can resume until `start` is set."""
        self.start = None
        self._present.clear()
        self._removed.clear()
        self._numbers.clear()
        self._generation = secrets.token_hex(4)

    def page(self, table: str, cursor: str | None, most_bytes: int) -> CronJobPage:
        """Return as many records of a table from a cursor on as have no more bytes, one at least.

        Raises EventsLost for a cursor of a time before all was forgotten, InvalidRequest for another text.
        """
        after = self._number_of(cursor) if cursor is not None else 0
        items: list[msgspec.Raw] = []
        last = after
        for key, number in self._numbers.items():
            body = self._present[key].body
            if number <= after or key[0] != table or body is None:
                continue
            most_bytes -= len(body)
            if most_bytes < 0 and items:
                return CronJobPage(items, f"{self._generation}.{last}")
            items.append(msgspec.Raw(body))
            last = number
        return CronJobPage(items, None)

    def _number_of(self, cursor: str) -> int:
        match = CURSOR.fullmatch(cursor)
        if match is None:
            raise InvalidRequest(
                "The cursor is none that a snapshot or an earlier page has returned.",
                next_step="Begin with /v1/snapshot.",
                field="cursor",
            )
        if match[1] != self._generation:
            raise EventsLost("The snapshot that this cursor is of is no longer known.")
        return int(match[2])

    def ids(self, table: str) -> list[str]:
        """Return the ids of the records of one table."""
        return [change.id for change in self._present.values() if change.table == table]

    def put(self, change: Change) -> bool:
        """Remember a record as it is now and return whether it differs from what was known."""
        key = (change.table, change.id)
        old = self._present.get(key)
        if old is not None and old.body == change.body:
            return False
        self._removed.pop(key, None)
        self._present[key] = change
        if old is None:
            self._last_number += 1
            self._numbers[key] = self._last_number
        return True

    def remove(self, change: Change) -> bool:
        """Remember that a record is gone and return whether it was known."""
        key = (change.table, change.id)
        if self._present.pop(key, None) is None:
            return False
        del self._numbers[key]
        self._removed[key] = change
        if len(self._removed) > MOST_REMOVED:
            oldest = self._removed.pop(next(iter(self._removed)))
            self.start = max(self.start or 0, oldest.seq + 1)
        return True

    def since(self, seq: int) -> list[Change] | None:
        """Return the latest changes of `seq` or later; None where some are no longer remembered."""
        if self.start is None or seq < self.start:
            return None
        known = (*self._removed.values(), *self._present.values())
        return [change for change in known if change.seq >= seq]


class ComputedChanges:
    """Computes CronJobs and watches while somebody reads them, and calls listeners with the changes."""

    def __init__(
        self,
        *,
        cronjobs: CronJobService,
        extended: ExtendedCronJobService,
        history: History,
        bus: Bus,
        clock: Clock,
    ) -> None:
        self._cronjobs = cronjobs
        self._extended = extended
        self._history = history
        self._clock = clock
        self._latest = LatestChanges()
        self._listeners: list[Subscriber] = []
        self._cluster_ids: tuple[str, ...] = ()
        self._touched: dict[str, CronJobRef] = {}  # by the CronJob's uid
        self._wake = asyncio.Event()
        self._in_use = asyncio.Event()
        self._computing = asyncio.Lock()
        self._next_sweep = 0.0
        self._used_at = 0.0
        self._used_seq = 0
        bus.subscribe(CronJobChanged, self._on_cronjob)
        bus.subscribe(ClaimChanged, self._on_claim)
        bus.subscribe(ExecutionChanged, self._on_record)
        bus.subscribe(BackupChanged, self._on_record)
        bus.subscribe(RestoreChanged, self._on_record)

    def _on_cronjob(self, event: CronJobChanged) -> None:
        self._mark_touched(event.cronjob.uid, event.cronjob.ref)

    def _on_claim(self, event: ClaimChanged) -> None:
        self._mark_touched(event.claim.uid, event.claim.ref)

    def _on_record(self, event: ExecutionChanged | BackupChanged | RestoreChanged) -> None:
        self._mark_touched(event.new.cronjob_id, CronJobRef.of(event.new))

    def _mark_touched(self, cronjob_id: str, ref: CronJobRef) -> None:
        if self._in_use.is_set() and subject_names.job_of(ref.name) is None:
            self._touched[cronjob_id] = ref
            self._wake.set()

    async def current(self, most_bytes: int) -> tuple[CronJobPage, list[api.WatchView]]:
        """Return the first page of the CronJobs, and every watch.

        Changes after the sequence before the call can be resumed.
        """
        self._mark_used()
        async with self._computing:
            await self._compute_all()
            return self._latest.page(CRONJOBS, None, most_bytes), watch_views(self._cronjobs)

    def next_page(self, cursor: str, most_bytes: int) -> CronJobPage:
        """Return the CronJobs after those of an earlier page; raise EventsLost, InvalidRequest."""
        self._mark_used()
        return self._latest.page(CRONJOBS, cursor, most_bytes)

    async def ensure_started(self) -> None:
        """Compute everything once, where nothing was computed; a later listener then misses no change."""
        self._mark_used()
        async with self._computing:
            if self._latest.start is None:
                await self._compute_all()

    def since(self, seq: int) -> list[Change] | None:
        """Return the latest changes of `seq` or later; None where a new snapshot is needed."""
        return self._latest.since(seq)

    def subscribe(self, take: Listener, request_snapshot: Callable[[], None]) -> Callable[[], None]:
        """Call `take` with each later change, until the function that is returned is called.

        request_snapshot: called where later changes do not follow on those before.
        """
        subscriber = Subscriber(take, request_snapshot)
        self._listeners.append(subscriber)

        def unsubscribe() -> None:
            self._listeners.remove(subscriber)
            self._mark_used()

        return unsubscribe

    async def run(self) -> None:
        """Compute what changes, for ever, while somebody reads it."""
        while True:
            await self._in_use.wait()
            await self._wait_for_touch()
            began = self._clock.monotonic()
            if self._is_idle(began):
                self._forget()
                continue
            if self._cluster_ids != self._list_cluster_ids():
                self._forget()
                for subscriber in list(self._listeners):
                    subscriber.request_snapshot()
                continue
            async with self._computing:
                if began >= self._next_sweep:
                    await self._compute_all()
                else:
                    await self._compute_touched()
            took = self._clock.monotonic() - began
            await self._clock.sleep(max(MIN_PAUSE_SECONDS, REST_FACTOR * took))

    def _list_cluster_ids(self) -> tuple[str, ...]:
        """Return the ids of the clusters, which change when one is connected for the first time."""
        return tuple(cluster.id for cluster in self._cronjobs.clusters)

    async def _wait_for_touch(self) -> None:
        try:
            async with asyncio.timeout(TICK_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return

    def _mark_used(self) -> None:
        self._used_at = self._clock.monotonic()
        self._used_seq = self._history.seq

    def _is_idle(self, now: float) -> bool:
        """Return whether nobody has read for IDLE, and the history has moved on since.

        A later start then has a greater sequence than any snapshot before the pause, whose changes during the
        pause are not known.
        """
        return not self._listeners and now > self._used_at + IDLE and self._history.seq > self._used_seq

    def _forget(self) -> None:
        self._in_use.clear()
        self._touched.clear()
        self._latest.clear()

    async def _compute_all(self) -> None:
        """Compute every CronJob and watch.

        What the first computation sees is no change: it gets a sequence before `start`, so that the snapshot
        that asked for it is not followed by all of it once more.
        """
        first = self._latest.start is None
        if first:
            self._latest.start = self._history.seq
            self._cluster_ids = self._list_cluster_ids()
            self._in_use.set()
        present = set()
        self._touched.clear()
        self._wake.clear()
        self._put_watches(first=first)
        async for cronjob in self._extended.iter_cronjobs():
            self._put(CRONJOBS, cronjob.id, cronjob, first=first)
            present.add(cronjob.id)
        for cronjob_id in set(self._latest.ids(CRONJOBS)) - present:
            self._remove(CRONJOBS, cronjob_id)
        self._next_sweep = self._clock.monotonic() + SWEEP

    async def _compute_touched(self) -> None:
        touched = self._touched
        self._touched = {}
        self._wake.clear()
        self._put_watches()
        for number, (cronjob_id, ref) in enumerate(touched.items(), 1):
            cronjob = self._extended.find(ref)
            if cronjob is not None and cronjob.id == cronjob_id:
                self._put(CRONJOBS, cronjob_id, cronjob)
            else:
                self._remove(CRONJOBS, cronjob_id)
            if number % CRONJOBS_PER_SLICE == 0:
                await asyncio.sleep(0)

    def _put_watches(self, *, first: bool = False) -> None:
        for view in watch_views(self._cronjobs):
            self._put(WATCHES, f"{view.cluster}{view.name}", view, first=first)

    def _put(self, table: str, record_id: str, record: msgspec.Struct, *, first: bool = False) -> None:
        change = Change(
            seq=self._history.seq - 1 if first else self._history.seq,
            table=table,
            id=record_id,
            op="put",
            body=msgspec.json.encode(record),
        )
        if self._latest.put(change):
            self._notify(change)

    def _remove(self, table: str, record_id: str) -> None:
        change = Change(seq=self._history.seq, table=table, id=record_id, op="remove", body=None)
        if self._latest.remove(change):
            self._notify(change)

    def _notify(self, change: Change) -> None:
        for subscriber in list(self._listeners):
            subscriber.take(change)


def watch_views(cronjobs: CronJobService) -> list[api.WatchView]:
    """Return how fresh each watch is."""
    return [
        api.WatchView(
            name=state.name,
            cluster=state.cluster,
            status=state.status,
            since=state.since,
            why=state.why,
            needed=state.needed,
        )
        for state in cronjobs.watch_states()
    ]
