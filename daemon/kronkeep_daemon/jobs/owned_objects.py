"""Objects that this daemon creates in a cluster, recognised by a token that nobody else can compute.

A name or a label proves nothing: whoever may create Jobs in a namespace can create one of a name that
kronkeep is about to use. So each object carries a token, the HMAC-SHA256 of its cluster and path with a
random key that is durable in the history before the first object is created. A daemon that was killed
computes the same token again and so knows its own objects.
"""

import hashlib
import hmac
import secrets
from typing import Protocol

from kronkeep_common import object_keys
from kronkeep_common.clock import Clock
from kronkeep_common.errors import NameTaken
from kronkeep_daemon.history import History
from kronkeep_daemon.history.facts import TOKEN_KEY
from kronkeep_daemon.history.record_ids import ID_DIGITS, join_parts
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import AlreadyExists, ConflictInCluster, NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject


class TokenSource(Protocol):
    """What computes the token of an object."""

    async def token_of(self, cluster_id: str, path: str) -> str:
        """Return the token of the object at a path of the API; equal for equal arguments."""
        ...


class ObjectTokens:
    """The tokens of this history's objects."""

    def __init__(self, *, history: History, clock: Clock) -> None:
        self._history = history
        self._clock = clock

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
            return await self._cluster.create(collection, body), True
        except AlreadyExists as taken:
            try:
                return await self.fetch(path), False
            except NameTaken as stranger:
                raise stranger from taken

    async def fetch(self, path: str) -> JsonObject:
        """Return an object; raise NotFoundInCluster, and NameTaken for a stranger's."""
        existing = await self._cluster.get(path)
        token = await self._tokens.token_of(self._cluster.id, path)
        annotations = existing["metadata"].get("annotations") or {}
        if not hmac.compare_digest(annotations.get(object_keys.TOKEN, "").encode(), token.encode()):
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
    resource = "configmap" if kind == "ConfigMap" else "job"
    return NameTaken(
        f"The {kind} {name} was not created by this kronkeep, so it is neither believed nor deleted.",
        next_step=f"Find out who created it: kubectl -n {meta.get('namespace', '')} get {resource} "
        f"{meta.get('name', '')} -o yaml --show-managed-fields; delete it, then try again.",
    )
