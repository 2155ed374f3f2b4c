"""A local copy of one collection, never older than what was seen or written."""

from collections.abc import Callable, Iterable
from typing import Any

Object = dict[str, Any]
Key = tuple[str, str]


def key_of(obj: Object) -> Key:
    """(namespace, name)."""
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


class Mirror:
    """Objects by (namespace, name); `changed(kind, object)` is told of every change."""

    def __init__(self, changed: Callable[[str, Object], None]) -> None:
        self._objects: dict[Key, Object] = {}
        self._changed = changed

    def sync(self, items: list[Object]) -> None:
        """Takes a full list; what is missing from it is gone."""
        found = {key_of(obj): obj for obj in items}
        for key in [key for key in self._objects if key not in found]:
            self._changed("DELETED", self._objects.pop(key))
        for obj in items:
            self.put(obj)

    def event(self, kind: str, obj: Object) -> None:
        """Takes one event of a watch."""
        if kind == "DELETED":
            self._objects.pop(key_of(obj), None)
            self._changed("DELETED", obj)
        else:
            self.put(obj)

    def put(self, obj: Object) -> None:
        """Takes an object unless a newer version of it is held."""
        key, old = key_of(obj), None
        old = self._objects.get(key)
        if old is not None and _version(old) > _version(obj) and _uid(old) == _uid(obj):
            return
        self._objects[key] = obj
        if old is None or _version(old) != _version(obj):
            self._changed("ADDED" if old is None else "MODIFIED", obj)

    def drop(self, obj: Object) -> None:
        """Forgets an object."""
        self._objects.pop(key_of(obj), None)

    def get(self, key: Key) -> Object | None:
        """The object, or None."""
        return self._objects.get(key)

    def all(self) -> Iterable[Object]:
        """Every object held."""
        return list(self._objects.values())


def _version(obj: Object) -> int:
    return int(obj["metadata"]["resourceVersion"])


def _uid(obj: Object) -> str:
    return str(obj["metadata"]["uid"])
