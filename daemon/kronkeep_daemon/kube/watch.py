"""List and watch one collection for ever, on raw lines, and say truthfully how fresh what is known is.

    list (pages) ─▶ on_sync(all items) ─▶ watch from the list's version ─▶ on_event(type, object) ...

A watch is dead when it is silent: bookmarks come about once a minute, so 70 s without a byte end it. It is
opened anew from the last version after an end or a fault; it begins again with a full list after ERROR 410
(or any other ERROR), after a gap of more than 30 s, and every ten minutes, because servers have lost events.
One object that cannot be read is logged and passed over; it must not stop all others.
"""

import logging
import random
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, Literal

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import ClusterUnreachable, KronkeepError
from kronkeep_daemon.kube.client import Cluster, Objects
from kronkeep_daemon.kube.errors import Gone, TooManyRequests, refused

log = logging.getLogger(__name__)
READ_DEADLINE = 70.0
RELIST_SECONDS = 600.0
LONGEST_GAP = 30.0
WATCH_SECONDS = (180, 240)  # below the idle limit of common load balancers (240 s)
FIRST_PAUSE, LONGEST_PAUSE = 0.8, 30.0


class WatchState(msgspec.Struct, frozen=True, kw_only=True):
    """How fresh a watch is: live, starting, stale since an instant, or failing and why."""

    name: str
    status: Literal["starting", "live", "stale", "failing"]
    since: datetime
    why: str | None = None


class _Line(msgspec.Struct):
    type: str
    object: dict[str, Any]


class ListWatch:
    """One collection of one cluster; callbacks are plain functions that must not block or raise."""

    def __init__(
        self,
        cluster: Cluster,
        path: str,
        *,
        on_sync: Callable[[Objects], None],
        on_event: Callable[[str, dict[str, Any]], None],
        clock: Clock,
        params: dict[str, str] | None = None,
        read_deadline: float = READ_DEADLINE,
        relist_seconds: float = RELIST_SECONDS,
        chance: random.Random | None = None,
    ) -> None:
        self._cluster = cluster
        self._path = path
        self._params = params or {}
        self._on_sync = on_sync
        self._on_event = on_event
        self._clock = clock
        self._read_deadline = read_deadline
        self._relist = relist_seconds
        self._chance = chance or random.Random()  # noqa: S311  jitter, not a secret
        self._decoder = msgspec.json.Decoder(_Line)
        self._version = ""
        self._pause = FIRST_PAUSE
        self.unreadable = 0
        self.state = WatchState(name=path, status="starting", since=clock.now())

    async def run(self, rounds: int | None = None) -> None:
        """Lists and watches for ever (or for so many rounds, in tests)."""
        while rounds is None or rounds > 0:
            rounds = None if rounds is None else rounds - 1
            try:
                await self._round()
            except Gone:
                await self._rest()
            except TooManyRequests as asked:
                self._mark("stale", str(asked))
                await self._clock.sleep(asked.retry_after)
            except KronkeepError as fault:
                self._mark("failing", str(fault))
                await self._rest()

    async def _round(self) -> None:
        """One list, then watches until it is time for the next list."""
        items, self._version = await self._cluster.list(self._path, **self._params)
        listed = last = self._clock.monotonic()
        self._on_sync(items)
        self._mark("live")
        while self._clock.monotonic() - listed < self._relist:
            try:
                async for line in self._watch():
                    last = self._clock.monotonic()
                    self._take(line)
                    self._mark("live")
                    self._pause = FIRST_PAUSE
                last = self._clock.monotonic()
            except ClusterUnreachable as fault:
                self._mark("stale", str(fault))
                if self._clock.monotonic() - last > LONGEST_GAP:
                    raise
            if self._clock.monotonic() - listed < self._relist:
                await self._rest()

    def _watch(self) -> AsyncIterator[bytes]:
        params = {
            **self._params,
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(self._chance.randint(*WATCH_SECONDS)),
        }
        return self._cluster.watch_lines(self._path, params, read_deadline=self._read_deadline)

    def _take(self, raw: bytes) -> None:
        """One line; raises what an ERROR event says (Gone for 410)."""
        try:
            line = self._decoder.decode(raw)
            version = str(line.object["metadata"].get("resourceVersion") or "")
        except (msgspec.DecodeError, KeyError, AttributeError) as fault:
            self.unreadable += 1
            log.warning("watch %s: a line of %d bytes cannot be read: %s", self._path, len(raw), fault)
            return
        if line.type == "ERROR":
            code = line.object.get("code")
            error = refused(code if isinstance(code, int) else 500, msgspec.json.encode(line.object))
            raise error if isinstance(error, TooManyRequests) else Gone(str(error))
        self._version = version or self._version
        if line.type != "BOOKMARK":
            self._on_event(line.type, line.object)

    def _mark(self, status: Literal["live", "stale", "failing"], why: str | None = None) -> None:
        if (self.state.status, self.state.why) != (status, why):
            self.state = WatchState(name=self._path, status=status, since=self._clock.now(), why=why)

    async def _rest(self) -> None:
        """Waits with jitter, longer each time until something was read."""
        await self._clock.sleep(self._pause * self._chance.uniform(0.5, 1.0))
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
