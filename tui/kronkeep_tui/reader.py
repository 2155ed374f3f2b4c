"""Reading the daemon: a snapshot, then every change after it; again after a loss, with a growing pause.

What was read stays when the daemon is gone; `live` says whether it answers, `lost` why it does not.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import DaemonUnreachable, KronkeepError
from kronkeep_tui.store import Store, apply, from_snapshot, joined, with_page, with_records

if TYPE_CHECKING:
    from kronkeep_common.api import ChangeEvent
    from kronkeep_common.client import Client

T = TypeVar("T")
FLUSH_SECONDS = 0.25
REREAD_SECONDS = 5.0
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0
PENDING = 5000  # changes that wait for a flush; beyond it a new snapshot is cheaper
PAGE = 1000


class Position(NamedTuple):
    """A list that is read page by page: its table, the filter, and the CronJob that it is limited to."""

    table: str
    filter_text: str
    cronjob_id: str


ALL_RUNS = Position("executions", "", "")


class Reader:
    """Keeps a Store level with the daemon; nothing else writes the store."""

    def __init__(self, client: "Client", clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._store = Store()
        self.live = False
        self.lost: KronkeepError | None = None
        self.asked_at: datetime | None = None
        """When the daemon was asked for what it has not answered yet."""
        self.read_once = False
        self._changed = False
        self._pending: list[ChangeEvent] = []
        self._unread = False
        self._reread = asyncio.Event()
        self._retry = asyncio.Event()
        self._cursors: dict[Position, str | None] = {}  # of the next page; None after the last

    @property
    def store(self) -> Store:
        """What has been read, as of the last flush."""
        return self._store

    @property
    def has_changes(self) -> bool:
        """Whether something was read that no flush has handed on yet."""
        return self._changed or bool(self._pending)

    async def follow(self) -> None:
        """Reads until it is cancelled."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self._connect()
                pause = FIRST_PAUSE
                async for event in self._client.events(self.store.seq):
                    self._pending.append(event)
                    if self._unread or len(self._pending) > PENDING:
                        break
            except KronkeepError as error:
                self._lose(error)
            except (msgspec.ValidationError, msgspec.DecodeError) as fault:
                self._lose(DaemonUnreachable(f"The daemon's answer cannot be read: {fault}"))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._retry.wait()
            self._retry.clear()
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _connect(self) -> None:
        fresh = from_snapshot(await self._answered(self._client.snapshot()))
        self._pending.clear()
        self._unread = False
        if (fresh := joined(fresh, self.store)).since > self.store.since:
            self._cursors.clear()  # runs came and went unseen: pages are read from the newest again
        self._store = fresh
        self.lost = None
        self.live = True
        self.read_once = True
        self._changed = True

    async def _answered(self, call: Awaitable[T]) -> T:
        self.asked_at = self._clock.now()
        try:
            return await call
        finally:
            self.asked_at = None

    def _lose(self, error: KronkeepError) -> None:
        self._apply_pending()
        self.lost = error
        self.live = False
        self._changed = True

    def flush(self) -> bool:
        """Apply the events that came since the last flush; return whether there is anything new to show."""
        changed = self.has_changes
        self._changed = False
        self._apply_pending()
        return changed

    def _apply_pending(self) -> None:
        if not self._pending:
            return
        events = self._pending
        self._pending = []
        try:
            self._store = apply(self.store, events, self._clock.now())
        except (msgspec.ValidationError, msgspec.DecodeError):
            self._unread = True  # a record of a newer daemon: a new snapshot has what can be read
        self._reread.set()

    def resync(self) -> None:
        """Reads the CronJobs again at once, or tries a lost daemon."""
        (self._reread if self.live else self._retry).set()

    async def follow_cronjobs(self) -> None:
        """CronJobs are the cluster's and send no events here: read after changes and every few seconds."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REREAD_SECONDS):
                    await self._reread.wait()
            self._reread.clear()
            began = self._clock.monotonic()
            if self.live:
                with contextlib.suppress(KronkeepError):
                    await self._read_cronjobs()
            took = self._clock.monotonic() - began  # of thousands: no more than a third of the time
            await asyncio.sleep(max(FLUSH_SECONDS, 2 * took))

    async def _read_cronjobs(self) -> None:
        cronjobs = tuple((await self._answered(self._client.cronjobs.list())).items)
        watches = tuple((await self._answered(self._client.ready())).watches)
        if (cronjobs, watches) != (self.store.cronjobs, self.store.watches):
            self._store = msgspec.structs.replace(self.store, cronjobs=cronjobs, watches=watches)
            self._changed = True

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
            self._store = with_page(self._store, page.items, last=page.next_cursor is None)
            self._changed = True
        else:
            self._add("executions", page.items)
        return len(page.items)

    async def read_older_backups(self, *, cronjob_id: str = "") -> int:
        """Read the next page of backups, of all or of one CronJob; return how many came, 0 at the end."""
        position = Position("backups", "", cronjob_id)
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
