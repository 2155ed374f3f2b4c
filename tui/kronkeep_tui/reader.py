"""Reading the daemon: a snapshot, then every change after it; again after a loss, with a growing pause.

What was read stays when the daemon is gone; `live` says whether it answers, `lost` why it does not.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import DaemonUnreachable, KronkeepError
from kronkeep_tui.store import Store, apply, from_snapshot, joined, with_page, with_records

if TYPE_CHECKING:
    from kronkeep_common.api import Event
    from kronkeep_common.client import Client

T = TypeVar("T")
FLUSH_SECONDS = 0.25
REREAD_SECONDS = 5.0
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0
PENDING = 5000  # changes that wait for a flush; beyond it a new snapshot is cheaper
PAGE = 1000
ALL_RUNS = "executions"


class Reader:
    """Keeps a Store level with the daemon; `changed` is called after each step of it."""

    def __init__(self, client: "Client", clock: Clock, changed: Callable[[], None]) -> None:
        self.client = client
        self.clock = clock
        self.store = Store()
        self.live = False
        self.lost: KronkeepError | None = None
        self.asked_at: datetime | None = None
        """When the daemon was asked for what it has not answered yet."""
        self.read_once = False
        self._changed = changed
        self._pending: list[Event] = []
        self._unread = False
        self._reread = asyncio.Event()
        self._retry = asyncio.Event()
        self._cursors: dict[str, str | None] = {}

    async def follow(self) -> None:
        """Reads until it is cancelled."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self._connect()
                pause = FIRST_PAUSE
                async for event in self.client.events(self.store.seq):
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
        fresh = from_snapshot(await self._answered(self.client.snapshot()))
        self._pending.clear()
        self._unread = False
        if (fresh := joined(fresh, self.store)).since > self.store.since:
            self._cursors.clear()  # runs came and went unseen: pages are read from the newest again
        self.store = fresh
        self.lost = None
        self.live = True
        self.read_once = True
        self._changed()

    async def _answered(self, call: Awaitable[T]) -> T:
        self.asked_at = self.clock.now()
        try:
            return await call
        finally:
            self.asked_at = None

    def _lose(self, error: KronkeepError) -> None:
        self.flush()
        self.lost = error
        self.live = False
        self._changed()

    def flush(self) -> bool:
        """Applies the changes that came since the last flush; whether there were any."""
        if not self._pending:
            return False
        events = self._pending
        self._pending = []
        try:
            self.store = apply(self.store, events, self.clock.now())
        except (msgspec.ValidationError, msgspec.DecodeError):
            self._unread = True  # a record of a newer daemon: a new snapshot has what can be read
        self._reread.set()
        return True

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
            began = self.clock.monotonic()
            if self.live:
                with contextlib.suppress(KronkeepError):
                    await self._read_cronjobs()
            took = self.clock.monotonic() - began  # of thousands: no more than a third of the time
            await asyncio.sleep(max(FLUSH_SECONDS, 2 * took))

    async def _read_cronjobs(self) -> None:
        cronjobs = tuple((await self._answered(self.client.cronjobs())).items)
        watches = tuple((await self._answered(self.client.ready())).watches)
        if (cronjobs, watches) != (self.store.cronjobs, self.store.watches):
            self.store = msgspec.structs.replace(self.store, cronjobs=cronjobs, watches=watches)
            self._changed()

    async def more(self, table: str, question: str = "", **query: Any) -> int:
        """Reads the next page of a list (`executions`, `backups`) and says how many came; 0 at its end."""
        name = f"{table} {question} {sorted(query.items())}" if question or query else table
        if name in self._cursors and self._cursors[name] is None:
            return 0
        page = await getattr(self.client, table)(
            filter=question or None, limit=PAGE, cursor=self._cursors.get(name), **query
        )
        self._cursors[name] = page.next_cursor
        if name == ALL_RUNS:
            self.store = with_page(self.store, page.items, last=page.next_cursor is None)
        else:
            self.store = with_records(self.store, table, page.items)
        self._changed()
        return len(page.items)
