"""Objects, versions and the window of events; kept in SQLite, answered from memory.

Every change takes the next version. A change is acknowledged once the thread that owns the database has
committed it (many changes share one commit). WAL with synchronous=OFF survives a kill of the process, which
is what an embedded cluster must survive; after a power cut it may be older than what it acknowledged.
Without room on the disk, requests wait until there is some.
After a start the window is empty: a watch from an earlier version is told 410, as on a real server.
"""

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from kronkeep_daemon.embedded.apiserver.resources import BY_PATH, Resource
from kronkeep_daemon.kube.objects import JsonObject

log = logging.getLogger(__name__)
Key = tuple[str, str]
WINDOW = 20_000
FIRST_VERSION = 1000
RETRY_SECONDS = 1.0


class Event(NamedTuple):
    """One change: `type` is ADDED, MODIFIED or DELETED; `old` is what was there before."""

    version: int
    type: str
    object: JsonObject
    old: JsonObject | None


class Store:
    """All objects by resource and (namespace, name)."""

    def __init__(self, path: Path) -> None:
        self.version = FIRST_VERSION
        self.oldest = FIRST_VERSION
        self._objects: dict[Resource, dict[Key, JsonObject]] = {r: {} for r in BY_PATH.values()}
        self._windows: dict[Resource, deque[Event]] = {r: deque(maxlen=WINDOW) for r in BY_PATH.values()}
        self._listeners: dict[Resource, set[Callable[[Event], None]]] = {r: set() for r in BY_PATH.values()}
        self._pending: list[tuple[str, tuple[Any, ...]]] = []
        self._wake = asyncio.Event()
        self._flushed: asyncio.Future[None] | None = None
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._load()

    def _load(self) -> None:
        run = self._database.execute
        run("pragma journal_mode=wal")
        run("pragma synchronous=off")
        run(
            "create table if not exists objects(grp text, version text, plural text, namespace text,"
            " name text, body blob, primary key(grp, version, plural, namespace, name))"
        )
        run("create table if not exists counter(version integer)")
        for row in run("select grp, version, plural, namespace, name, body from objects"):
            resource = BY_PATH.get((row[0], row[1], row[2]))
            if resource is not None:
                self._objects[resource][row[3], row[4]] = msgspec.json.decode(row[5])
        found = run("select max(version) from counter").fetchone()[0]
        self.version = self.oldest = max(FIRST_VERSION, (found or 0) + 1)

    def get(self, resource: Resource, namespace: str, name: str) -> JsonObject | None:
        """The object, or None."""
        return self._objects[resource].get((namespace, name))

    def all(self, resource: Resource, namespace: str | None) -> Iterable[JsonObject]:
        """The objects of one namespace (None for all), ordered by namespace and name."""
        found = self._objects[resource]
        return [found[key] for key in sorted(found) if namespace is None or key[0] == namespace]

    def put(self, resource: Resource, body: JsonObject) -> JsonObject:
        """Adds or replaces an object under the next version; what is returned must not be changed."""
        self.version += 1
        meta = body["metadata"]
        meta["resourceVersion"] = str(self.version)
        key = (meta.get("namespace", ""), meta["name"])
        old = self._objects[resource].get(key)
        self._objects[resource][key] = body
        where = (resource.group, resource.version, resource.plural, *key)
        self._queue("replace into objects values(?,?,?,?,?,?)", (*where, msgspec.json.encode(body)))
        self._publish(
            resource,
            Event(version=self.version, type="ADDED" if old is None else "MODIFIED", object=body, old=old),
        )
        return body

    def remove(self, resource: Resource, body: JsonObject) -> JsonObject:
        """Removes an object; its last state, under the next version, is the DELETED event's."""
        self.version += 1
        meta = body["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        old = self._objects[resource].pop(key)
        last = {**body, "metadata": {**meta, "resourceVersion": str(self.version)}}
        where = (resource.group, resource.version, resource.plural, *key)
        self._queue(
            "delete from objects where grp=? and version=? and plural=? and namespace=? and name=?", where
        )
        self._publish(resource, Event(version=self.version, type="DELETED", object=last, old=old))
        return last

    def since(self, resource: Resource, version: int) -> list[Event] | None:
        """The window's events later than `version`, or None when some are gone."""
        window = self._windows[resource]
        oldest = window[0].version - 1 if len(window) == WINDOW else self.oldest
        return None if version < oldest else [event for event in window if event.version > version]

    def listen(self, resource: Resource, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Calls `listener` with each later event of the resource, until the returned function is called."""
        self._listeners[resource].add(listener)
        return lambda: self._listeners[resource].discard(listener)

    async def durable(self) -> None:
        """Returns once every change so far is committed."""
        if self._flushed is None:
            self._flushed = asyncio.get_running_loop().create_future()
            self._wake.set()
        await asyncio.shield(self._flushed)

    async def flush_forever(self) -> None:
        """Commits what is pending whenever somebody waits for it."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            pending = self._pending
            self._pending = []
            waiting = self._flushed
            self._flushed = None
            await self._committed(pending, self.version)
            if waiting is not None and not waiting.done():
                waiting.set_result(None)

    async def _committed(self, pending: list[tuple[str, tuple[Any, ...]]], version: int) -> None:
        """Commits; where there is no room it is tried again until there is, and requests wait meanwhile."""
        told = False
        while True:
            try:
                return await asyncio.to_thread(self._commit, pending, version)
            except sqlite3.OperationalError as fault:
                if not told:
                    log.error("the embedded cluster cannot be written: %s; it waits for room", fault)
                told = True
            try:
                await asyncio.sleep(RETRY_SECONDS)
            except asyncio.CancelledError:
                self._pending = [*pending, *self._pending]
                raise

    def close(self) -> None:
        """Commits what is pending and closes the database; what finds no room then is lost and logged."""
        try:
            self._commit(self._pending, self.version)
        except sqlite3.OperationalError as fault:
            log.error("the embedded cluster lost %d changes: %s", len(self._pending), fault)
        self._pending = []
        self._database.close()

    def _commit(self, pending: list[tuple[str, tuple[Any, ...]]], version: int) -> None:
        run = self._database.execute
        run("begin")
        try:
            for statement, values in pending:
                run(statement, values)
            run("delete from counter")
            run("insert into counter values(?)", (version,))
            run("commit")
        except sqlite3.OperationalError:
            if self._database.in_transaction:
                run("rollback")
            raise

    def _queue(self, statement: str, values: tuple[Any, ...]) -> None:
        self._pending.append((statement, values))

    def _publish(self, resource: Resource, event: Event) -> None:
        self._windows[resource].append(event)
        for listener in list(self._listeners[resource]):
            listener(event)
