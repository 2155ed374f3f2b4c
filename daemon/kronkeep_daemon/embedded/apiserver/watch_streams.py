"""Watches: a JSON line for each change after a version, filtered by a selector, with bookmarks.

`kubectl get -w` asks for the changes as Tables. The queue of a watcher is bounded: one that reads too slowly
is cut off; when it comes back with its last version it gets what the store's window of changes still holds.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

import msgspec

from kronkeep_daemon.embedded.apiserver import tables
from kronkeep_daemon.embedded.apiserver.object_store import ObjectChange, ObjectStore
from kronkeep_daemon.embedded.apiserver.resources import Resource
from kronkeep_daemon.embedded.apiserver.selectors import Selector
from kronkeep_daemon.embedded.apiserver.status_responses import version_expired
from kronkeep_daemon.kube.objects import JsonObject

QUEUE_SIZE = 20_000
BOOKMARK_SECONDS = 30.0
INITIAL_EVENTS_END = {"k8s.io/initial-events-end": "true"}


class WatchStart(NamedTuple):
    """Where a watch begins: after a version, or (None) with the objects that exist.

    With `mark_end` a bookmark follows the objects that exist.
    """

    version: int | None
    mark_end: bool


class WatchStream:
    """One client's watch of one resource.

    Objects are shown in `api_version`, or as Tables; `bookmarks` says that the client takes them.
    """

    def __init__(
        self,
        *,
        store: ObjectStore,
        resource: Resource,
        api_version: str,
        selector: Selector,
        as_table: bool,
        bookmarks: bool,
    ) -> None:
        self._store = store
        self._resource = resource
        self._identity = {"kind": resource.kind, "apiVersion": api_version}
        self._selector = selector
        self._as_table = as_table
        self._bookmarks = bookmarks
        self._is_first_row = True
        # None ends the stream: the client was too slow.
        self._queue: asyncio.Queue[ObjectChange | None] = asyncio.Queue(QUEUE_SIZE)

    async def lines(self, start: WatchStart, seconds: float) -> AsyncIterator[bytes]:
        """Yield the lines of the watch until `seconds` have passed."""
        # There is no await between these two, so no change falls between the past and the subscription.
        past = self._past_lines(start)
        unsubscribe = self._store.subscribe(self._resource, self._enqueue)
        try:
            for line in past:
                yield line
            if past and past[-1].startswith(b'{"type":"ERROR"'):
                return
            async for line in self._live_lines(asyncio.get_running_loop().time() + seconds):
                yield line
        finally:
            unsubscribe()

    def _past_lines(self, start: WatchStart) -> list[bytes]:
        """Return what exists, or the window's changes after the version, or that it no longer holds them."""
        if start.version is None:
            objects = self._store.all(self._resource, self._selector.namespace)
            lines = [self._encode("ADDED", obj) for obj in objects if self._selector.matches(obj)]
            return [*lines, self._encode_bookmark(INITIAL_EVENTS_END)] if start.mark_end else lines
        changes = self._store.changes_since(self._resource, start.version)
        if changes is None:
            return [_encode_line("ERROR", version_expired(start.version, self._store.oldest))]
        return [line for change in changes if (line := self._encode_change(change))]

    async def _live_lines(self, end: float) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        while (seconds_left := end - loop.time()) > 0:
            try:
                async with asyncio.timeout(min(seconds_left, BOOKMARK_SECONDS)):
                    change = await self._queue.get()
            except TimeoutError:
                if self._bookmarks:
                    yield self._encode_bookmark({})
                continue
            if change is None:
                return
            if line := self._encode_change(change):
                yield line

    def _enqueue(self, change: ObjectChange) -> None:
        # The last place is kept for the None that ends the stream.
        if self._queue.qsize() < QUEUE_SIZE - 1:
            self._queue.put_nowait(change)
        elif not self._queue.full():
            self._queue.put_nowait(None)

    def _encode_change(self, change: ObjectChange) -> bytes | None:
        """Return the line for a change as this selector sees it; leaving the selection is a DELETED."""
        matches_now = change.type != "DELETED" and self._selector.matches(change.object)
        matched_before = change.old is not None and self._selector.matches(change.old)
        if matches_now:
            return self._encode("MODIFIED" if matched_before else "ADDED", change.object)
        return self._encode("DELETED", change.object) if matched_before else None

    def _encode(self, event_type: str, obj: JsonObject) -> bytes:
        shown = {**self._identity, **obj}
        if self._as_table:
            meta = {"resourceVersion": obj["metadata"]["resourceVersion"]}
            shown = tables.build_table(self._resource, [shown], meta, with_columns=self._is_first_row)
            self._is_first_row = False
        return _encode_line(event_type, shown)

    def _encode_bookmark(self, annotations: dict[str, str]) -> bytes:
        meta: JsonObject = {"resourceVersion": str(self._store.version)}
        if annotations:
            meta["annotations"] = annotations
        return _encode_line("BOOKMARK", {**self._identity, "metadata": meta})


def _encode_line(event_type: str, obj: JsonObject) -> bytes:
    return msgspec.json.encode({"type": event_type, "object": obj}) + b"\n"
