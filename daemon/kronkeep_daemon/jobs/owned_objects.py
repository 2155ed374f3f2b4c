"""Objects that this daemon creates in a cluster, recognised by a token that nobody else can compute.

A name or a label proves nothing: whoever may create Jobs in a namespace can create one of a name that
kronkeep is about to use. So each object carries a token, the HMAC-SHA256 of its cluster and path with a
random key that is durable in the history before the first object is created. A daemon that was killed
computes the same token again and so knows its own objects.

Whoever may read the object can copy its token into another one of the same name, once ours is deleted. So the
uid that the cluster gave ours is recorded as soon as it is known, and then no other uid is believed.
"""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import Protocol

from kronkeep_common import object_keys
from kronkeep_common.clock import Clock
from kronkeep_common.errors import NameTaken
from kronkeep_common.models.base import Record
from kronkeep_daemon.history import History, Records
from kronkeep_daemon.history.facts import TOKEN_KEY
from kronkeep_daemon.history.record_ids import ID_DIGITS, join_parts
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import AlreadyExists, ConflictInCluster, NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject

OBJECT_AGE = timedelta(days=7)  # Jobs end and are removed sooner; then the record of the uid goes too
REMOVED_AT_ONCE = 100  # of such records, with each new one


class CreatedObject(Record, frozen=True, kw_only=True):
    """An object of ours, as the cluster created it; `id` is the cluster's id and the object's path."""

    id: str
    uid: str
    created_at: datetime


class TokenSource(Protocol):
    """What computes the token of an object, and remembers its uid."""

    async def token_of(self, cluster_id: str, path: str) -> str:
        """Return the token of the object at a path of the API; equal for equal arguments."""
        ...

    def uid_of(self, cluster_id: str, path: str) -> str | None:
        """Return the uid of our object at the path, as far as it is recorded."""
        ...

    async def record_uid(self, cluster_id: str, path: str, uid: str) -> None:
        """Record durably that our object at the path has that uid."""
        ...


class ObjectTokens:
    """The tokens and uids of this history's objects."""

    def __init__(self, *, history: History, clock: Clock) -> None:
        self._history = history
        self._clock = clock
        self._objects: Records[CreatedObject] = Records(history.table("created_objects"), CreatedObject)

    def uid_of(self, cluster_id: str, path: str) -> str | None:
        """Return the uid of our object at the path, as far as it is recorded."""
        created = self._objects.get(f"{cluster_id} {path}")
        return created.uid if created is not None else None

    async def record_uid(self, cluster_id: str, path: str, uid: str) -> None:
        """Record durably that our object at the path has that uid; drop what is recorded of long ago."""
        now = self._clock.now()
        old = [created for created in self._objects.all() if now - created.created_at > OBJECT_AGE]
        for created in old[:REMOVED_AT_ONCE]:
            self._objects.remove(created.id)
        self._objects.put(CreatedObject(id=f"{cluster_id} {path}", uid=uid, created_at=now))
        await self._history.commit()

    async def token_of(self, cluster_id: str, path: str) -> str:
        """Return the token of the object at a path of the API; the first call makes the key durable."""
        fact = self._history.facts.get(TOKEN_KEY)
        if fact is None or fact.name is None:
            self._history.facts.set(TOKEN_KEY, self._clock.now(), name=secrets.token_hex(32))
            fact = self._history.facts.get(TOKEN_KEY)
        assert fact is not None
        assert fact.name is not None
        # Durable before any object carries a token; without changes a commit costs nothing.
        await self._history.commit()
        message = join_parts(cluster_id, path)
        return hmac.new(bytes.fromhex(fact.name), message, hashlib.sha256).hexdigest()[:ID_DIGITS]


class OwnedObjects:
    """The objects of this daemon in one cluster."""

    def __init__(self, *, cluster: Cluster, tokens: TokenSource) -> None:
        self._cluster = cluster
        self._tokens = tokens

    async def create(self, collection: str, manifest: JsonObject) -> tuple[JsonObject, bool]:
        """Create an object, or adopt what this daemon created earlier.

        Return it, and whether this call created it. Raise NameTaken where the name is somebody else's.
        """
        path = paths.object_path(collection, manifest["metadata"]["name"])
        meta = manifest["metadata"]
        token = await self._tokens.token_of(self._cluster.id, path)
        annotations = (meta.get("annotations") or {}) | {object_keys.TOKEN: token}
        body = {**manifest, "metadata": {**meta, "annotations": annotations}}
        try:
            created = await self._cluster.create(collection, body)
        except AlreadyExists as taken:
            try:
                existing = await self.fetch(path)
            except NameTaken as stranger:
                raise stranger from taken
            if self._tokens.uid_of(self._cluster.id, path) is None:  # a daemon was killed before it knew
                await self._tokens.record_uid(self._cluster.id, path, existing["metadata"]["uid"])
            return existing, False
        await self._tokens.record_uid(self._cluster.id, path, created["metadata"]["uid"])
        return created, True

    async def fetch(self, path: str) -> JsonObject:
        """Return an object; raise NotFoundInCluster, and NameTaken for a stranger's."""
        existing = await self._cluster.get(path)
        token = await self._tokens.token_of(self._cluster.id, path)
        annotations = existing["metadata"].get("annotations") or {}
        uid = self._tokens.uid_of(self._cluster.id, path)
        is_copy = uid not in (None, existing["metadata"]["uid"])
        has_token = hmac.compare_digest(annotations.get(object_keys.TOKEN, "").encode(), token.encode())
        if is_copy or not has_token:
            raise name_taken(existing)
        return existing

    async def remove(self, path: str) -> None:
        """Delete an object of this daemon; where there is none, or a stranger's, nothing is deleted."""
        try:
            existing = await self.fetch(path)
            await self._cluster.delete(path, uid=existing["metadata"]["uid"])
        except (NotFoundInCluster, NameTaken, ConflictInCluster):
            return


def name_taken(existing: JsonObject) -> NameTaken:
    """Return the error for an object of our name that this daemon did not create."""
    meta = existing["metadata"]
    kind = existing.get("kind") or "object"
    name = f"{meta.get('namespace', '')}/{meta.get('name', '')}"
    resource = "job" if kind == "object" else kind.lower()
    return NameTaken(
        f"The {kind} {name} was not created by this kronkeep, so it is neither believed nor deleted.",
        next_step=f"Find out who created it: kubectl -n {meta.get('namespace', '')} get {resource} "
        f"{meta.get('name', '')} -o yaml --show-managed-fields; delete it, then try again.",
    )
