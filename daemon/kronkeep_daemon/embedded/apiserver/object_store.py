"""All objects, their versions, and a window of the last changes; written to SQLite, answered from memory.

Every change takes the next version. A change is acknowledged once the database thread has committed it; many
changes share one commit. WAL with synchronous=OFF survives a kill of the process, which an embedded cluster
must survive; after a power cut it may be older than what it has acknowledged. On a full disk, requests wait
until there is space. After a start the window is empty: a watch from an earlier version gets 410, as from a
real server.
"""

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from kronkeep_daemon.embedded.apiserver.resources import BY_PATH, Resource
from kronkeep_daemon.kube.objects import JsonObject

log = logging.getLogger(__name__)
Key = tuple[str, str]
Listener = Callable[["ObjectChange"], None]
WINDOW_SIZE = 20_000  # changes of each resource that a watch may begin after
FIRST_VERSION = 1000
RETRY_SECONDS = 1.0
_COLUMNS = "grp, version, plural, namespace, name"
_CREATE_OBJECTS = (
    "create table if not exists objects(grp text, version text, plural text, namespace text, name text,"
    f" body blob, primary key({_COLUMNS}))"
)
_DELETE_OBJECT = "delete from objects where grp=? and version=? and plural=? and namespace=? and name=?"


class ObjectChange(NamedTuple):
    """One change: `type` is ADDED, MODIFIED or DELETED; `old` is the object before it."""

    version: int
    type: str
    object: JsonObject
    old: JsonObject | None


class Statement(NamedTuple):
    """An SQL statement that has not been committed, with its values."""

    sql: str
    values: tuple[Any, ...]


def open_database(path: Path) -> sqlite3.Connection:
    """Open the database of an object store, which is then used by one thread at a time."""
    return sqlite3.connect(path, check_same_thread=False, isolation_level=None)


class ObjectStore:
    """The objects of each resource by namespace and name.

    `version` is that of the last change, `oldest` the first version that a watch may begin after.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self.version = FIRST_VERSION
        self.oldest = FIRST_VERSION
        resources = BY_PATH.values()
        self._objects: dict[Resource, dict[Key, JsonObject]] = {resource: {} for resource in resources}
        self._windows: dict[Resource, deque[ObjectChange]] = {
            resource: deque(maxlen=WINDOW_SIZE) for resource in resources
        }
        self._listeners: dict[Resource, set[Listener]] = {resource: set() for resource in resources}
        self._pending: list[Statement] = []
        self._commit_requested = asyncio.Event()
        self._next_commit: asyncio.Future[None] | None = None
        self._database = database
        self._load()

    def _load(self) -> None:
        execute = self._database.execute
        execute("pragma journal_mode=wal")
        execute("pragma synchronous=off")
        execute(_CREATE_OBJECTS)
        execute("create table if not exists counter(version integer)")
        for *path, namespace, name, body in execute(f"select {_COLUMNS}, body from objects"):  # noqa: S608
            resource = BY_PATH.get(tuple(path))
            if resource is not None:
                self._objects[resource][namespace, name] = msgspec.json.decode(body)
        (last_version,) = execute("select max(version) from counter").fetchone()
        self.version = self.oldest = max(FIRST_VERSION, (last_version or 0) + 1)

    def get(self, resource: Resource, namespace: str, name: str) -> JsonObject | None:
        """Return the object, None where there is none."""
        return self._objects[resource].get((namespace, name))

    def all(self, resource: Resource, namespace: str | None) -> list[JsonObject]:
        """Return the objects of one namespace (None: of all), ordered by namespace and name."""
        objects = self._objects[resource]
        return [objects[key] for key in sorted(objects) if namespace is None or key[0] == namespace]

    def put(self, resource: Resource, body: JsonObject) -> JsonObject:
        """Add or replace an object under the next version; the returned object must not be changed."""
        self.version += 1
        body["metadata"]["resourceVersion"] = str(self.version)
        key = _key_of(body)
        old = self._objects[resource].get(key)
        self._objects[resource][key] = body
        values = (*_row_key(resource, key), msgspec.json.encode(body))
        self._pending.append(Statement("replace into objects values(?,?,?,?,?,?)", values))
        change_type = "ADDED" if old is None else "MODIFIED"
        self._publish(resource, ObjectChange(version=self.version, type=change_type, object=body, old=old))
        return body

    def remove(self, resource: Resource, body: JsonObject) -> JsonObject:
        """Remove an object; return its last state under the next version, which DELETED events carry."""
        self.version += 1
        key = _key_of(body)
        old = self._objects[resource].pop(key)
        last = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
        self._pending.append(Statement(_DELETE_OBJECT, _row_key(resource, key)))
        self._publish(resource, ObjectChange(version=self.version, type="DELETED", object=last, old=old))
        return last

    def changes_since(self, resource: Resource, version: int) -> list[ObjectChange] | None:
        """Return the changes after `version`, None where the window no longer holds all of them."""
        window = self._windows[resource]
        oldest = window[0].version - 1 if len(window) == WINDOW_SIZE else self.oldest
        return None if version < oldest else [change for change in window if change.version > version]

    def subscribe(self, resource: Resource, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each later change of the resource until the returned function is called."""
        self._listeners[resource].add(listener)
        return partial(self._listeners[resource].discard, listener)

    async def wait_until_committed(self) -> None:
        """Return once every change so far has been committed."""
        if self._next_commit is None:
            self._next_commit = asyncio.get_running_loop().create_future()
            self._commit_requested.set()
        await asyncio.shield(self._next_commit)

    async def commit_forever(self) -> None:
        """Commit the pending changes whenever somebody waits for them, until cancelled."""
        while True:
            await self._commit_requested.wait()
            self._commit_requested.clear()
            # Changes and waiters that come during the commit belong to the next one.
            pending = self._pending
            self._pending = []
            commit = self._next_commit
            self._next_commit = None
            await self._commit_with_retries(pending, self.version)
            if commit is not None and not commit.done():
                commit.set_result(None)

    async def _commit_with_retries(self, pending: list[Statement], version: int) -> None:
        """Commit; on a full disk try again every second, while requests wait."""
        logged = False
        while True:
            try:
                return await asyncio.to_thread(self._commit, pending, version)
            except sqlite3.OperationalError as fault:
                if not logged:
                    log.error("the embedded cluster cannot be written: %s; waiting for disk space", fault)
                logged = True
            try:
                await asyncio.sleep(RETRY_SECONDS)
            except asyncio.CancelledError:
                self._pending = [*pending, *self._pending]
                raise

    def close(self) -> None:
        """Commit what is pending and close the database; what finds no space is lost, and that is logged."""
        try:
            self._commit(self._pending, self.version)
        except sqlite3.OperationalError as fault:
            log.error("the embedded cluster lost %d changes: %s", len(self._pending), fault)
        self._pending = []
        self._database.close()

    def _commit(self, pending: list[Statement], version: int) -> None:
        execute = self._database.execute
        execute("begin")
        try:
            for statement in pending:
                execute(statement.sql, statement.values)
            execute("delete from counter")
            execute("insert into counter values(?)", (version,))
            execute("commit")
        except sqlite3.OperationalError:
            if self._database.in_transaction:
                execute("rollback")
            raise

    def _publish(self, resource: Resource, change: ObjectChange) -> None:
        self._windows[resource].append(change)
        for listener in list(self._listeners[resource]):
            listener(change)


def _key_of(obj: JsonObject) -> Key:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _row_key(resource: Resource, key: Key) -> tuple[str, ...]:
    return (resource.group, resource.version, resource.plural, *key)
