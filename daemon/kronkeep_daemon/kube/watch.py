"""Lists and watches one collection for ever, and knows how fresh its objects are.

    list (pages) ─▶ receiver ─▶ watch from the list's version ─▶ on_event(type, object) ...

A watch that is silent for 70 s is dead, since bookmarks come about once a minute; of a collection without
bookmarks it has to end before that. That its cluster does not answer any more is seen earlier, see
`silence_monitor`. After an end or a fault it is opened again from the last version. It begins with a full
list after ERROR 410 or any other ERROR, after a gap of more than 30 s, and every ten minutes, because servers
have lost events. An object that cannot be read is logged and left out, so that it does not stop all others.
"""

import logging
import random
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime
from typing import Any, Generic, Literal, Protocol, TypeVar

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import ClusterUnreachable, KronkeepError
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import ClusterUnavailable, Forbidden, Gone, response_error
from kronkeep_daemon.kube.response_readers import ObjectDecoder

log = logging.getLogger(__name__)
T = TypeVar("T")
READ_DEADLINE = 70.0
RELIST_SECONDS = 600.0
LONGEST_GAP = 30.0
WATCH_SECONDS = (180, 240)  # below the idle limit of common load balancers (240 s)
# For Events: kube-apiserver keeps them out of its watch cache, which makes the bookmarks (its
# DefaultWatchCacheSizes), and etcd by itself reports progress every ten minutes only.
SILENT_WATCH_SECONDS = (45, 60)
FIRST_PAUSE = 0.8
LONGEST_PAUSE = 30.0


class WatchState(msgspec.Struct, frozen=True, kw_only=True):
    """How fresh a watch is: starting, live, stale since a time, or failing with a reason.

    Without a watch that is not `needed`, what is shown is still right, only less detailed. `next_step` is
    that of the fault, where there is one of its own.
    """

    name: str
    cluster: str = ""
    status: Literal["starting", "live", "stale", "failing"]
    since: datetime
    why: str | None = None
    next_step: str | None = None
    needed: bool = True


def find_stale_since(states: Iterable[WatchState]) -> datetime | None:
    """Return when the first needed watch that is not live ceased to be so; None where all are live."""
    return min((state.since for state in states if state.needed and state.status != "live"), default=None)


class ListReceiver(Protocol[T]):
    """What takes the lists of a collection page by page."""

    def begin(self) -> None:
        """Begin a list; one that was begun before and not ended is dropped."""

    async def add_page(self, items: list[T]) -> None:
        """Take a page; the next one is asked for when this returns."""

    def end(self) -> None:
        """End the list: what none of its pages had does not exist."""


class WholeList(Generic[T]):
    """A receiver that gives a list to a function at once, for collections that are small enough."""

    def __init__(self, on_sync: Callable[[list[T]], None]) -> None:
        self._on_sync = on_sync
        self._items: list[T] = []

    def begin(self) -> None:
        self._items = []

    async def add_page(self, items: list[T]) -> None:
        self._items += items

    def end(self) -> None:
        items = self._items
        self._items = []
        self._on_sync(items)


class ListWatch(Generic[T]):
    """One collection of one cluster; callbacks are plain functions that must not block or raise.

    `kind` is what objects are decoded as: JsonObject, or a struct of kube.objects. `watch_seconds` are the
    shortest and the longest time for which the server is asked to watch.
    """

    def __init__(
        self,
        cluster: Cluster,
        path: str,
        *,
        receiver: ListReceiver[T],
        on_event: Callable[[str, T], None],
        clock: Clock,
        kind: type[T],
        params: dict[str, str] | None = None,
        needed: bool = True,
        watch_seconds: tuple[int, int] = WATCH_SECONDS,
        read_deadline: float = READ_DEADLINE,
        relist_seconds: float = RELIST_SECONDS,
        longest_gap: float = LONGEST_GAP,
        chance: random.Random | None = None,
    ) -> None:
        self._cluster = cluster
        self._path = path
        self._kind = kind
        self._params = params or {}
        self._receiver = receiver
        self._on_event = on_event
        self._clock = clock
        self._watch_seconds = watch_seconds
        self._read_deadline = read_deadline
        self._relist = relist_seconds
        self._longest_gap = longest_gap
        self._chance = chance or random.Random()  # noqa: S311  jitter, not a secret
        self._decoder = ObjectDecoder(kind, cluster.id)
        self._version = ""
        self._pause = FIRST_PAUSE
        self._name = " ".join([path, *self._params.values()])
        self.unreadable = 0
        self.lists = 0
        self._was_forbidden = False
        self.state = WatchState(
            name=self._name, cluster=cluster.id, status="starting", since=clock.now(), needed=needed
        )

    async def run(self, rounds: int | None = None) -> None:
        """List and watch for ever, or for so many rounds in tests."""
        while rounds is None or rounds > 0:
            rounds = None if rounds is None else rounds - 1
            try:
                await self._round()
            except Gone:
                await self._wait()
            except ClusterUnavailable as refusal:
                self._mark("stale" if self._version else "failing", str(refusal))
                await self._wait(refusal.retry_after)
            except KronkeepError as fault:
                self._was_forbidden = self._was_forbidden or isinstance(fault, Forbidden)
                self._mark("failing", str(fault))
                await self._wait()

    async def _round(self) -> None:
        """List once, then watch until it is time for the next list."""
        await self._list()
        listed = last = self._clock.monotonic()
        while self._clock.monotonic() - listed < self._relist:
            opened = self._clock.monotonic()
            try:
                async for lines in self._watch():
                    last = self._clock.monotonic()
                    for line in lines:
                        self._handle_line(line)
                    self._mark("live")
                    self._pause = FIRST_PAUSE if lines else self._pause
                last = self._clock.monotonic()
                if last - opened >= self._watch_seconds[0] - 1:  # it lasted as long as was asked
                    self._pause = FIRST_PAUSE
            except ClusterUnreachable as fault:
                self._mark("stale", str(fault))
                if self._clock.monotonic() - last > self._longest_gap:
                    raise
            if self._clock.monotonic() - listed < self._relist:
                await self._wait()

    async def _list(self) -> None:
        """Read the whole collection; an older version than before is of a restored etcd, and is believed."""
        version = ""
        self._receiver.begin()
        async for page, version in self._cluster.pages_of(self._path, self._kind, **self._params):  # noqa: B007
            await self._receiver.add_page(page)
        if _went_back(self._version, version):
            log.warning("watch %s: the version went from %s back to %s", self._name, self._version, version)
        self._version = version
        self.lists += 1
        self._receiver.end()
        self._mark("live")

    def _watch(self) -> AsyncIterator[list[bytes]]:
        params = {
            **self._params,
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(self._chance.randint(*self._watch_seconds)),
        }
        return self._cluster.watch_lines(self._path, params, read_deadline=self._read_deadline)

    def _handle_line(self, raw: bytes) -> None:
        """Handle one line; raises the error of an ERROR event (Gone for 410)."""
        try:
            line = self._decoder.line(raw)
            version = _version_of(line.object)
        except (msgspec.DecodeError, KeyError, AttributeError, TypeError) as fault:
            self._handle_unreadable(raw, fault)
            return
        if line.type == "ERROR":
            raise _error_of_line(raw)
        if line.type == "BOOKMARK" or version:
            self._version = version or self._version
        if line.type != "BOOKMARK":
            self._on_event(line.type, line.object)

    def _handle_unreadable(self, raw: bytes, fault: Exception) -> None:
        """Log a line that does not fit; raise the error of an ERROR line, whose object is a Status."""
        if b'"ERROR"' in raw[:40]:
            raise _error_of_line(raw) from fault
        self.unreadable += 1
        log.warning("watch %s: a line of %d bytes cannot be read: %s", self._name, len(raw), fault)

    def awaits_first_list(self) -> bool:
        """Whether the collection has neither been listed nor forbidden yet.

        Any other fault, as of a server that is starting, says nothing of what there is.
        """
        return not self.lists and not self._was_forbidden

    def mark_silent(self, why: str) -> None:
        """Take note that the cluster does not answer, also where no connection tells it yet."""
        if self.state.status == "live":
            self._mark("stale", why)

    def _mark(self, status: Literal["live", "stale", "failing"], why: str | None = None) -> None:
        if (self.state.status, self.state.why) != (status, why):
            self.state = msgspec.structs.replace(self.state, status=status, since=self._clock.now(), why=why)

    async def _wait(self, least: float = 0.0) -> None:
        """Wait with jitter, at least `least` seconds, and twice as long each time.

        The next wait is short again once a line was read, or a watch ended in its time.
        """
        await self._clock.sleep(max(least, self._pause * self._chance.uniform(0.5, 1.0)))
        self._pause = min(self._pause * 2, LONGEST_PAUSE)


def _version_of(item: Any) -> str:
    if isinstance(item, dict):
        return str(item["metadata"].get("resourceVersion") or "")
    return str(item.metadata.resource_version)


def _went_back(before: str, after: str) -> bool:
    """Whether the version decreased; versions are numbers, guaranteed from Kubernetes 1.35 on (KEP-5504)."""
    return before.isdigit() and after.isdigit() and int(after) < int(before)


def _error_of_line(raw: bytes) -> KronkeepError:
    """Return the error of an ERROR line; all but a request to wait mean that a new list is needed."""
    status = msgspec.json.decode(raw).get("object") or {}
    code = status.get("code")
    error = response_error(
        code if isinstance(code, int) else 500, msgspec.json.encode(status), _retry_after(status)
    )
    return error if isinstance(error, ClusterUnavailable) else Gone(str(error))


def _retry_after(status: dict[str, Any]) -> str | None:
    seconds = (status.get("details") or {}).get("retryAfterSeconds")
    return str(seconds) if seconds else None
