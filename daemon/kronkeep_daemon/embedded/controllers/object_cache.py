"""Local copies of collections that are never older than what was read or written here.

A written object is stored at once, before the watch reports it, and a list that began earlier cannot remove
it. Nothing may be decided on a copy before its first list: `synced` is set by that.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from kronkeep_daemon.embedded.controllers.object_fields import key_of, uid_of
from kronkeep_daemon.kube.objects import JsonObject

Key = tuple[str, str]
OnChange = Callable[[str, JsonObject], None]
DELETIONS_REMEMBERED = 1000  # the answer to a write never comes more deletions later than its watch event


class ObjectCache:
    """Objects by namespace and name; calls `on_change(event_type, object)` for every change."""

    def __init__(self, on_change: OnChange) -> None:
        self._objects: dict[Key, JsonObject] = {}
        # Written here and not yet reported by a list or watch.
        self._unconfirmed: set[Key] = set()
        self._deleted_uids: deque[str] = deque(maxlen=DELETIONS_REMEMBERED)
        self._on_change = on_change
        self.synced = asyncio.Event()

    def sync(self, items: list[JsonObject]) -> None:
        """Take a full list; objects that are not in it have been deleted."""
        listed = {key_of(obj) for obj in items}
        for key in self._objects.keys() - listed - self._unconfirmed:
            self._on_change("DELETED", self._objects.pop(key))
        for obj in items:
            self._put(obj)
        self._unconfirmed -= listed
        self.synced.set()

    def event(self, event_type: str, obj: JsonObject) -> None:
        """Take one event of a watch."""
        self._unconfirmed.discard(key_of(obj))
        if event_type == "DELETED":
            self._deleted_uids.append(uid_of(obj))
            self._objects.pop(key_of(obj), None)
            self._on_change("DELETED", obj)
        else:
            self._put(obj)

    def put_written(self, obj: JsonObject) -> None:
        """Take an object from the answer to a write, unless the watch has reported its deletion meanwhile."""
        if uid_of(obj) in self._deleted_uids:
            return
        self._unconfirmed.add(key_of(obj))
        self._put(obj)

    def _put(self, obj: JsonObject) -> None:
        key = key_of(obj)
        # Answers and watch events come on different connections, so an older version may come last.
        old = self._objects.get(key)
        if old is not None and uid_of(old) == uid_of(obj) and _version_of(old) >= _version_of(obj):
            return
        self._objects[key] = obj
        self._on_change("ADDED" if old is None else "MODIFIED", obj)

    def mark_deleting(self, obj: JsonObject, timestamp: str) -> None:
        """Give an object whose deletion was accepted its deletionTimestamp before the watch reports it."""
        key = key_of(obj)
        cached = self._objects.get(key)
        if cached is not None and uid_of(cached) == uid_of(obj):
            meta = {"deletionTimestamp": timestamp, **cached["metadata"]}
            self._objects[key] = {**cached, "metadata": meta}

    def drop(self, obj: JsonObject) -> None:
        """Remove an object that the API server no longer has."""
        self._unconfirmed.discard(key_of(obj))
        self._objects.pop(key_of(obj), None)

    def get(self, namespace: str, name: str) -> JsonObject | None:
        """Return the object, None where there is none."""
        return self._objects.get((namespace, name))

    def all(self, namespace: str | None = None) -> list[JsonObject]:
        """Return every object of a namespace, or of all."""
        return [obj for key, obj in self._objects.items() if namespace in (None, key[0])]


def _version_of(obj: JsonObject) -> int:
    return int(obj["metadata"]["resourceVersion"])
