"""Local copies of collections, never older than what was seen or written.

What was written is held at once, before its watch tells of it, and a list that began earlier cannot take it
away. Nobody may decide on a copy before its first list: `synced` waits for that.
"""

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec

from kronkeep_daemon.kube.objects import JsonObject

Key = tuple[str, str]
Changed = Callable[[str, JsonObject], None]
GONE = 1000  # deletions that are remembered: an answer is never that much later than its watch


def key_of(obj: JsonObject) -> Key:
    """(namespace, name)."""
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


class Mirror:
    """Objects by (namespace, name); `changed(kind, object)` is told of every change."""

    def __init__(self, changed: Changed) -> None:
        self._objects: dict[Key, JsonObject] = {}
        self._unconfirmed: set[Key] = set()
        self._gone: deque[str] = deque(maxlen=GONE)
        self._changed = changed
        self.synced = asyncio.Event()

    def sync(self, items: list[JsonObject]) -> None:
        """Takes a full list; what is missing from it is gone."""
        found = {key_of(obj): obj for obj in items}
        for key in self._objects.keys() - found.keys() - self._unconfirmed:
            self._changed("DELETED", self._objects.pop(key))
        for obj in items:
            self._put(obj)
        self._unconfirmed -= found.keys()
        self.synced.set()

    def event(self, kind: str, obj: JsonObject) -> None:
        """Takes one event of a watch."""
        self._unconfirmed.discard(key_of(obj))
        if kind == "DELETED":
            self._gone.append(_uid(obj))
            self._objects.pop(key_of(obj), None)
            self._changed("DELETED", obj)
        else:
            self._put(obj)

    def written(self, obj: JsonObject) -> None:
        """Takes an object as the API server answered a write, unless its deletion was seen meanwhile."""
        if _uid(obj) in self._gone:
            return
        self._unconfirmed.add(key_of(obj))
        self._put(obj)

    def _put(self, obj: JsonObject) -> None:
        key = key_of(obj)
        old = self._objects.get(key)
        if old is not None and _uid(old) == _uid(obj) and _version(old) >= _version(obj):
            return
        self._objects[key] = obj
        self._changed("ADDED" if old is None else "MODIFIED", obj)

    def expect_deletion(self, obj: JsonObject, at: str) -> None:
        """Counts a held object as being deleted before its watch says so: its deletion was accepted."""
        key = key_of(obj)
        held = self._objects.get(key)
        if held is not None and _uid(held) == _uid(obj):
            meta = {"deletionTimestamp": at, **held["metadata"]}
            self._objects[key] = {**held, "metadata": meta}

    def drop(self, obj: JsonObject) -> None:
        """Forgets an object that the API server no longer has."""
        self._unconfirmed.discard(key_of(obj))
        self._objects.pop(key_of(obj), None)

    def get(self, key: Key) -> JsonObject | None:
        """The object, or None."""
        return self._objects.get(key)

    def all(self, namespace: str | None = None) -> list[JsonObject]:
        """Every object held, of one namespace or of all."""
        return [obj for key, obj in self._objects.items() if namespace in (None, key[0])]


class Mirrors(msgspec.Struct, frozen=True, kw_only=True):
    """The collections that the controllers share."""

    cronjobs: Mirror
    jobs: Mirror
    pods: Mirror
    claims: Mirror
    nodes: Mirror


def _version(obj: JsonObject) -> int:
    return int(obj["metadata"]["resourceVersion"])


def _uid(obj: JsonObject) -> str:
    return str(obj["metadata"]["uid"])
