"""Reading of the daemon: a snapshot, then every event after it; after a loss again, with growing pauses.

What was read stays when the daemon is gone.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import DaemonUnreachable, EventsLost, KronkeepError
from kronkeep_tui.store import (
    SHOWN_TABLES,
    Store,
    apply_events,
    merge_snapshot,
    store_from,
    with_page_of_runs,
    with_records,
)

if TYPE_CHECKING:
    from kronkeep_common.api import ChangeEvent
    from kronkeep_common.client import Client

T = TypeVar("T")
FLUSH_SECONDS = 0.25
SILENT_SECONDS = 5.0  # without an event, after which the daemon is asked whether it is still there
FIRST_PAUSE = 0.5  # seconds before it is tried again; doubled up to LONGEST_PAUSE
LONGEST_PAUSE = 8.0
JUMP_SECONDS = 30.0  # by which the clock of this machine jumps, before the daemon is asked for the time
MOST_PENDING = 5000  # events that wait for a flush; beyond it a new snapshot is cheaper
PAGE = 1000


class Position(NamedTuple):
    """A list that is read page by page: its table, the filter, and the CronJob that it is limited to."""

    table: str
    filter_text: str
    cronjob_id: str


ALL_RUNS = Position("executions", "", "")
ALL_BACKUPS = Position("backups", "", "")


class Reader:
    """Reader of the daemon, which keeps the Store current; nothing else writes the store.

    `live` is whether the daemon answers, `lost` why it does not. `asked_at` is when it was asked something
    that it has not answered yet, `current_until` until when its data were current, if it was lost.
    `forgotten` is how often older backups were forgotten, as after a loss there were too many to read again.
    `clock_ahead` is how far this machine's clock is before the daemon's, below 0 if it is behind.
    `explain_end` returns that the daemon has ended for good, and what to do; None while it may come back.
    """

    def __init__(
        self,
        client: "Client",
        clock: Clock,
        explain_end: Callable[[], KronkeepError | None] | None = None,
    ) -> None:
        self._client = client
        self._explain_end = explain_end
        self._clock = clock
        self._store = Store()
        self.live = False
        self.connections = 0  # since the start, so that one knows of a later one
        self.forgotten = 0
        self.lost: KronkeepError | None = None
        self.asked_at: datetime | None = None
        self.current_until: datetime | None = None
        self.clock_ahead = timedelta()
        self._changed = False
        self._pending: list[ChangeEvent] = []
        self._needs_snapshot = False
        self._resync = asyncio.Event()
        self._last_event = clock.monotonic()
        self._cursors: dict[Position, str | None] = {}  # of the next page; None after the last

    @property
    def store(self) -> Store:
        """What has been read, as of the last flush."""
        return self._store

    @property
    def has_read(self) -> bool:
        """Whether a snapshot was read of a daemon that knows its clusters: empty means that there is none."""
        return self._store.at is not None and not self._store.is_unknown

    @property
    def end(self) -> KronkeepError | None:
        """Why a lost daemon will not come back, and what to do; None while it lives or may come back."""
        return None if self.lost is None or self._explain_end is None else self._explain_end()

    @property
    def has_changes(self) -> bool:
        """Whether something was read that no flush has handed on yet."""
        return self._changed or bool(self._pending)

    async def follow(self) -> None:
        """Read the daemon until cancelled."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self._connect()
                pause = FIRST_PAUSE
                await self._read_events()
            except EventsLost:
                pass  # a new snapshot, with the next round, has what was missed
            except KronkeepError as error:
                self._lose(error)
            except (msgspec.ValidationError, msgspec.DecodeError) as fault:
                self._lose(DaemonUnreachable(f"The daemon's answer cannot be read: {fault}"))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._resync.wait()
            self._resync.clear()
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _connect(self) -> None:
        asked_at = self._clock.now()
        snapshot = await self._wait_for_answer(self._client.snapshot())
        self.clock_ahead = _measure_clock(asked_at, snapshot.now, self._clock.now())
        fresh = await self._with_older_backups(store_from(snapshot))
        self._pending.clear()
        self._needs_snapshot = False
        fresh = merge_snapshot(fresh, self.store)
        if fresh.complete_since > self.store.complete_since:
            self._cursors.clear()  # runs may have come and gone unseen: read pages from the newest again
        self._store = fresh
        self.lost = None
        self.live = True
        self.connections += 1
        self._changed = True

    async def _with_older_backups(self, fresh: Store) -> Store:
        """Return a snapshot's store with the backups before it that were known, as the daemon has them now.

        What changed of them during a loss is in no event that comes. Those beyond a page are forgotten, and
        read again by who needs them.
        """
        before = self.store.backups.records
        older = before.keys() - fresh.backups.records.keys()
        if not older:
            return fresh
        page = await self._client.backups.list(limit=PAGE)
        # What views have read during that is as new.
        added = [backup for backup in self.store.backups.newest() if backup is not before.get(backup.id)]
        if page.next_cursor is not None and not older <= {backup.id for backup in page.items}:
            for position in [each for each in self._cursors if each.table == ALL_BACKUPS.table]:
                del self._cursors[position]
            self._cursors[ALL_BACKUPS] = page.next_cursor
            self.forgotten += 1
        return with_records(fresh, "backups", [*page.items, *added])

    async def _read_events(self) -> None:
        """Collect events until they end, or until a new snapshot is needed or asked for."""
        reading = asyncio.create_task(self._collect_events())
        resync = asyncio.create_task(self._resync.wait())
        try:
            await asyncio.wait({reading, resync}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()  # raises what ended it
        finally:
            for task in (reading, resync):
                task.cancel()
            await asyncio.gather(reading, resync, return_exceptions=True)

    async def _collect_events(self) -> None:
        async for event in self._client.events(self.store.seq, tables=SHOWN_TABLES):
            self._last_event = self._clock.monotonic()
            self._pending.append(event)
            if self._needs_snapshot or len(self._pending) > MOST_PENDING:
                return

    async def check_silence(self) -> None:
        """Ask a daemon that has sent nothing for SILENT_SECONDS whether it is still there, until cancelled.

        Its stream has a heartbeat, but only every 15 s; who looks at a screen should not wait so long. After
        a jump of this machine's clock, or its sleep, everything is read again, which measures the clock.
        """
        while True:
            before = self._clock.now()
            await self._clock.sleep(SILENT_SECONDS)
            passed = (self._clock.now() - before).total_seconds()
            if abs(passed - SILENT_SECONDS) > JUMP_SECONDS:
                self.resync()
            if self.live and self._clock.monotonic() - self._last_event >= SILENT_SECONDS:
                with contextlib.suppress(KronkeepError):  # the stream's end says it too
                    await self._wait_for_answer(self._client.ready())

    async def _wait_for_answer(self, request: Awaitable[T]) -> T:
        self.asked_at = self._clock.now()
        try:
            return await request
        finally:
            self.asked_at = None

    def _lose(self, error: KronkeepError) -> None:
        self._apply_pending()
        self.lost = error
        if self.live:
            self.current_until = self._clock.now()
        self.live = False
        self._changed = True

    def flush(self) -> bool:
        """Apply the events that came since the last flush; return whether there is anything new to show."""
        changed = self.has_changes
        self._changed = False
        self._apply_pending()
        return changed

    def _apply_pending(self) -> None:
        events = self._pending
        self._pending = []
        if not events:
            return
        try:
            self._store = apply_events(self.store, events, self._clock.now())
        except (msgspec.ValidationError, msgspec.DecodeError):
            # A newer daemon's record: its snapshot has what can be read, so take that at the next event.
            self._needs_snapshot = True

    def resync(self) -> None:
        """Take a new snapshot at once, and try a lost daemon without waiting."""
        self._resync.set()

    async def fetch_run(self, run_id: str) -> None:
        """Read a run that the store lacks, and its backup; raise what the daemon refuses with."""
        run = self.store.executions.get(run_id)
        if run is None:
            run = await self._client.runs.get(run_id)
            self._add("executions", [run])
        if run.backup_id and self.store.backups.get(run.backup_id) is None:
            self._add("backups", [await self._client.backups.get(run.backup_id)])

    async def read_older_runs(self, filter_text: str = "", *, cronjob_id: str = "") -> int:
        """Read the next page of runs, of all or of one CronJob; return how many came, 0 at the end."""
        position = Position("executions", filter_text, cronjob_id)
        if self._is_at_end(position):
            return 0
        page = await self._client.runs.list(**self._query(position))
        self._cursors[position] = page.next_cursor
        if position == ALL_RUNS:
            self._store = with_page_of_runs(self._store, page.items, is_last=page.next_cursor is None)
            self._changed = True
        else:
            self._add("executions", page.items)
        return len(page.items)

    async def read_older_backups(self, *, cronjob_id: str = "") -> int:
        """Read the next page of backups, of all or of one CronJob; return how many came, 0 at the end."""
        position = ALL_BACKUPS._replace(cronjob_id=cronjob_id)
        if self._is_at_end(position):
            return 0
        page = await self._client.backups.list(**self._query(position))
        self._cursors[position] = page.next_cursor
        self._add("backups", page.items)
        return len(page.items)

    def _is_at_end(self, position: Position) -> bool:
        return position in self._cursors and self._cursors[position] is None

    def _query(self, position: Position) -> dict[str, Any]:
        query = {"cronjob_id": position.cronjob_id} if position.cronjob_id else {}
        cursor = self._cursors.get(position)
        return {"filter": position.filter_text or None, "limit": PAGE, "cursor": cursor, **query}

    def _add(self, table: str, records: Sequence[Any]) -> None:
        self._store = with_records(self._store, table, records)
        self._changed = True


def _measure_clock(asked_at: datetime, daemon_time: datetime, answered_at: datetime) -> timedelta:
    """Return how far this machine's clock is before that of the daemon, which answered in between."""
    if daemon_time < asked_at:
        return asked_at - daemon_time
    return min(answered_at - daemon_time, timedelta())
