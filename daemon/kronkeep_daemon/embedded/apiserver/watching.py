"""Watches: one JSON line an event, from a version on, filtered; bookmarks; Tables for `kubectl get -w`.

A watcher's queue is bounded: one that reads too slowly is cut off and, coming back with its last version,
gets what the window still holds.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

from kronkeep_daemon.embedded.apiserver import tables
from kronkeep_daemon.embedded.apiserver.registry import Resource
from kronkeep_daemon.embedded.apiserver.status import expired
from kronkeep_daemon.embedded.apiserver.store import Event, Store

Object = dict[str, Any]
Selected = Callable[[Object], bool]
QUEUE = 20_000
BOOKMARK_SECONDS = 30.0


class Watch:
    """One client's watch of one resource."""

    def __init__(
        self, store: Store, resource: Resource, selected: Selected, as_table: bool, bookmarks: bool
    ) -> None:
        self._store = store
        self._resource = resource
        self._selected = selected
        self._table = as_table
        self._bookmarks = bookmarks
        self._first_row = True
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue(QUEUE)

    async def lines(
        self, start: int | None, seconds: float, existing: Callable[[], list[Object]]
    ) -> AsyncIterator[bytes]:
        """The lines until `seconds` have passed; `start` None begins with `existing` as ADDED."""
        present = existing() if start is None else []
        window = [] if start is None else self._store.since(self._resource, start)
        stop = self._store.listen(self._resource, self._offer)
        try:
            for obj in present:
                yield self._line("ADDED", obj)
            if window is None:
                yield (
                    msgspec.json.encode({"type": "ERROR", "object": expired(start or 0, self._store.oldest)})
                    + b"\n"
                )
                return
            for event in window:
                if line := self._event(event):
                    yield line
            async for line in self._live(asyncio.get_running_loop().time() + seconds):
                yield line
        finally:
            stop()

    async def _live(self, end: float) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        while (left := end - loop.time()) > 0:
            try:
                event = await asyncio.wait_for(self._queue.get(), min(left, BOOKMARK_SECONDS))
            except TimeoutError:
                if self._bookmarks:
                    yield self._bookmark()
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

    def _line(self, kind: str, obj: Object) -> bytes:
        full = {"kind": self._resource.kind, "apiVersion": self._resource.api_version, **obj}
        if self._table:
            meta = {"resourceVersion": obj["metadata"]["resourceVersion"]}
            full = tables.table(self._resource, [full], meta, columns=self._first_row)
            self._first_row = False
        return msgspec.json.encode({"type": kind, "object": full}) + b"\n"

    def _bookmark(self) -> bytes:
        obj = {
            "kind": self._resource.kind,
            "apiVersion": self._resource.api_version,
            "metadata": {"resourceVersion": str(self._store.version)},
        }
        return msgspec.json.encode({"type": "BOOKMARK", "object": obj}) + b"\n"
