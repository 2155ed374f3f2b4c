"""Watches: one JSON line an event, from a version on, filtered; bookmarks; Tables for `kubectl get -w`.

A watcher's queue is bounded: one that reads too slowly is cut off and, coming back with its last version,
gets what the window still holds.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

import msgspec

from kronkeep_daemon.embedded.apiserver import tables
from kronkeep_daemon.embedded.apiserver.object_store import Event, Store
from kronkeep_daemon.embedded.apiserver.resources import Resource
from kronkeep_daemon.embedded.apiserver.status_responses import expired
from kronkeep_daemon.kube.objects import JsonObject

Selected = Callable[[JsonObject], bool]
QUEUE = 20_000
BOOKMARK_SECONDS = 30.0
INITIAL_END = {"k8s.io/initial-events-end": "true"}


class Start(NamedTuple):
    """The version a watch begins after; None begins with what exists, and `mark_end` bookmarks its end."""

    version: int | None
    mark_end: bool


class Watch:
    """One client's watch of one resource."""

    def __init__(
        self,
        *,
        store: Store,
        resource: Resource,
        api_version: str,
        selected: Selected,
        as_table: bool,
        bookmarks: bool,
    ) -> None:
        self._store = store
        self._resource = resource
        self._named = {"kind": resource.kind, "apiVersion": api_version}
        self._selected = selected
        self._table = as_table
        self._bookmarks = bookmarks
        self._first_row = True
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue(QUEUE)

    async def lines(
        self, start: Start, seconds: float, existing: Callable[[], list[JsonObject]]
    ) -> AsyncIterator[bytes]:
        """The lines until `seconds` have passed."""
        first = self._first(start, existing)
        stop = self._store.listen(self._resource, self._offer)
        try:
            for line in first:
                yield line
            if first and first[-1].startswith(b'{"type":"ERROR"'):
                return
            async for line in self._live(asyncio.get_running_loop().time() + seconds):
                yield line
        finally:
            stop()

    def _first(self, start: Start, existing: Callable[[], list[JsonObject]]) -> list[bytes]:
        """What a watch says of the past: what exists, or the window's later events, or that it is gone."""
        if start.version is None:
            end = [self._bookmark(INITIAL_END)] if start.mark_end else []
            return [self._line("ADDED", obj) for obj in existing()] + end
        window = self._store.since(self._resource, start.version)
        if window is None:
            return [_json("ERROR", expired(start.version, self._store.oldest))]
        return [line for event in window if (line := self._event(event))]

    async def _live(self, end: float) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        while (left := end - loop.time()) > 0:
            try:
                async with asyncio.timeout(min(left, BOOKMARK_SECONDS)):
                    event = await self._queue.get()
            except TimeoutError:
                if self._bookmarks:
                    yield self._bookmark({})
                continue
            if event is None:
                return
            if line := self._event(event):
                yield line

    def _offer(self, event: Event) -> None:
        if self._queue.qsize() >= QUEUE - 1:
            if not self._queue.full():
                self._queue.put_nowait(None)
            return
        self._queue.put_nowait(event)

    def _event(self, event: Event) -> bytes | None:
        """The line for an event as this watch's selectors see it; leaving the selection is a DELETED."""
        now = self._selected(event.object)
        before = event.old is not None and self._selected(event.old)
        if event.type == "DELETED":
            return self._line("DELETED", event.object) if before else None
        if now:
            return self._line("MODIFIED" if before else "ADDED", event.object)
        return self._line("DELETED", event.object) if before else None

    def _line(self, kind: str, obj: JsonObject) -> bytes:
        full = {**self._named, **obj}
        if self._table:
            meta = {"resourceVersion": obj["metadata"]["resourceVersion"]}
            full = tables.table(self._resource, [full], meta, columns=self._first_row)
            self._first_row = False
        return _json(kind, full)

    def _bookmark(self, annotations: dict[str, str]) -> bytes:
        meta: JsonObject = {"resourceVersion": str(self._store.version)}
        if annotations:
            meta["annotations"] = annotations
        return _json("BOOKMARK", {**self._named, "metadata": meta})


def _json(kind: str, obj: JsonObject) -> bytes:
    return msgspec.json.encode({"type": kind, "object": obj}) + b"\n"
