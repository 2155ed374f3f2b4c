"""The Lease that decides which of several daemons on one cluster acts.

A Lease is no fence: actions that two daemons might both take are safe because their objects have
deterministic names. The Lease only avoids doing the work twice; recording, serving and requests of people
need none. Of two daemons that renew with the version they read, one gets a 409. A daemon that starts again
with the same state folder is the same holder, and one that stops in order gives the Lease back. Where Leases
are forbidden, every daemon acts, since it is most likely alone.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from kronkeep_common.clock import Clock
from kronkeep_common.errors import ClusterNotFound, KronkeepError
from kronkeep_common.text import clean
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.clusters import ByCluster, Clusters
from kronkeep_daemon.kube.errors import AlreadyExists, ConflictInCluster, Forbidden, NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject

log = logging.getLogger(__name__)
LEASE_NAME = "kronkeepd"
LEASE_SECONDS = 15
RENEW_SECONDS = 5.0
LEAD_SECONDS = 10.0  # seconds, as Kubernetes' own controllers have them
NOTE_PREFIX = "history.kronkeep.dev/"  # of the annotations with notes
MOST_NOTES = 10


class LeaseNote(Protocol):
    """A text that a daemon keeps on its Lease, to compare it at its next start."""

    @property
    def key(self) -> str:
        """The end of the annotation's name."""

    def text(self) -> str:
        """Return the text as it is now."""

    async def compare(self, text: str) -> None:
        """Compare the text that was kept before this start."""


class Leadership:
    """The Lease of one cluster, held or waited for by this daemon."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        namespace: str,
        holder: str,
        clock: Clock,
        note: LeaseNote | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._cluster = cluster
        self._on_change = changed
        self._state = (False, False)
        self._namespace = namespace
        self._holder = holder
        self._clock = clock
        self._note = note
        self._is_compared = False
        self._renewed_at: float | None = None
        self._without_lease = False  # there are no Leases to hold
        self._lead_event = asyncio.Event()
        self._known_event = asyncio.Event()
        self._other_seen_at: float | None = None
        self.other = ""

    @property
    def name(self) -> str:
        """The name of the cluster."""
        return self._cluster.name

    @property
    def cluster_id(self) -> str:
        """The id of the cluster."""
        return self._cluster.id

    def leads(self) -> bool:
        """Whether this daemon may act now; a Lease that was not renewed for 10 s does not count."""
        if self._without_lease:
            return True
        return self._renewed_at is not None and self._clock.monotonic() - self._renewed_at < LEAD_SECONDS

    def stands_by(self) -> bool:
        """Whether another daemon was seen to hold the Lease within the last 15 s.

        This is not the opposite of `leads`: while the cluster does not answer, both are False.
        """
        return (
            self._other_seen_at is not None and self._clock.monotonic() - self._other_seen_at < LEASE_SECONDS
        )

    async def wait_until_known(self) -> None:
        """Wait until the cluster has answered who holds the Lease."""
        await self._known_event.wait()

    async def wait_until_leading(self) -> None:
        """Wait until this daemon may act."""
        while not self.leads():
            self._lead_event.clear()
            await self._lead_event.wait()

    async def run(self) -> None:
        """Take and renew the Lease for ever, once it is known which cluster it is."""
        await self._cluster.wait_until_identified()
        while True:
            await self.refresh()
            await self._clock.sleep(RENEW_SECONDS)

    async def refresh(self) -> None:
        """Take the Lease where it is free, renew it where it is ours; `changed` is called on a change."""
        await self._refresh_lease()
        state = (self.leads(), self.stands_by())
        if state != self._state:
            self._state = state
            self._on_change()

    async def _refresh_lease(self) -> None:
        before = self.leads()
        began = self._clock.monotonic()
        try:
            is_ours = await self._take_lease()
        except (Forbidden, NotFoundInCluster) as fault:
            if not self._without_lease:
                log.info("no Lease is held on %s, so this daemon acts: %s", self._cluster.name, fault)
            self._without_lease = True
            self._other_seen_at = None
            self._lead_event.set()
            self._known_event.set()
            return
        except KronkeepError as fault:
            log.warning("the Lease on %s: %s", self._cluster.name, fault)
            return
        self._without_lease = False
        self._renewed_at = began if is_ours else None
        self._other_seen_at = None if is_ours else began
        self._known_event.set()
        if is_ours:
            self._lead_event.set()
        if self.leads() != before:
            actor = "this daemon" if is_ours else f"{clean(self.other, 200)}, not this daemon,"
            log.info("on %s %s acts", self._cluster.name, actor)

    async def release(self) -> None:
        """Give the Lease back, so that another daemon need not wait until it expires."""
        if self._renewed_at is None or self._without_lease:
            return
        try:
            lease = await self._cluster.get(self._path)
            if lease["spec"].get("holderIdentity") == self._holder:
                lease["spec"]["holderIdentity"] = ""
                lease["metadata"]["annotations"] = self._annotations(lease)
                await self._cluster.replace(self._path, lease)
        except KronkeepError as fault:
            log.info("the Lease on %s is left to its end: %s", self._cluster.name, fault)
        self._renewed_at = None

    @property
    def _path(self) -> str:
        return paths.leases(self._namespace, LEASE_NAME)

    async def _take_lease(self) -> bool:
        now = self._clock.now()
        try:
            lease = await self._cluster.get(self._path)
        except NotFoundInCluster:
            self._is_compared = True  # there is none of before, and the next one that is read is our own
            return await self._create_lease(now)
        await self._compare_note(lease)
        spec = lease["spec"]
        holder = spec.get("holderIdentity") or ""
        # An empty holder is a lease that was given back (client-go does the same).
        if holder not in ("", self._holder) and not _is_expired(spec, now):
            self.other = holder
            return False
        changes = 0 if holder == self._holder else 1
        spec |= self._spec(now, int(spec.get("leaseTransitions") or 0) + changes)
        lease["metadata"]["annotations"] = self._annotations(lease)
        # The resourceVersion that was read goes back with the lease, so of two daemons that both saw it
        # expired one gets a conflict.
        try:
            await self._cluster.replace(self._path, lease)
        except ConflictInCluster:
            return False
        return True

    async def _create_lease(self, now: datetime) -> bool:
        kind = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
        metadata = {"name": LEASE_NAME, "annotations": self._annotations({"metadata": {}})}
        body: JsonObject = {**kind, "metadata": metadata, "spec": self._spec(now, 0)}
        try:
            await self._cluster.create(paths.leases(self._namespace), body)
        except AlreadyExists:
            return False
        return True

    async def _compare_note(self, lease: JsonObject) -> None:
        """Compare the note of the last process once, before it is replaced."""
        if self._note is None or self._is_compared:
            return
        text = (lease["metadata"].get("annotations") or {}).get(NOTE_PREFIX + self._note.key)
        if text is not None:
            await self._note.compare(text)
        self._is_compared = True

    def _annotations(self, lease: JsonObject) -> dict[str, str]:
        """Return the Lease's annotations with this daemon's note, which goes with each renewal; others'
        notes stay, MOST_NOTES in all.
        """
        annotations: dict[str, str] = lease["metadata"].get("annotations") or {}
        if self._note is None:
            return annotations
        name = NOTE_PREFIX + self._note.key
        others = [key for key in annotations if key.startswith(NOTE_PREFIX) and key != name]
        surplus = set(sorted(others)[MOST_NOTES - 1 :])
        kept = {key: text for key, text in annotations.items() if key not in surplus}
        return kept | {name: self._note.text()}

    def _spec(self, now: datetime, transitions: int) -> JsonObject:
        return {
            "holderIdentity": self._holder,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": f"{now:%Y-%m-%dT%H:%M:%S.%fZ}",
            "leaseTransitions": transitions,
        }


class Leaderships:
    """The Leases of all clusters; this daemon may act on some of them only."""

    def __init__(self, clusters: Clusters, each: Sequence[Leadership]) -> None:
        self._clusters = clusters
        self._each = ByCluster(list(zip(clusters, each, strict=True)))

    def __iter__(self) -> Iterator[Leadership]:
        return iter(self._each.values())

    def of(self, cluster_id: str) -> Leadership:
        """Return the Lease of a record's cluster; the first one where that is not configured any more."""
        try:
            return self._each[self._clusters.of(cluster_id).id]
        except ClusterNotFound:
            return self._each[self._clusters.first.id]

    def leads(self, cluster_id: str) -> bool:
        """Whether this daemon may act on a record's cluster now."""
        return self.of(cluster_id).leads()

    def led_clusters(self) -> frozenset[str]:
        """Return the ids of the clusters on which this daemon may act now."""
        return frozenset(each.cluster_id for each in self if each.leads())

    def stands_by(self, cluster_id: str) -> bool:
        """Whether another daemon was seen to act on a record's cluster."""
        return self.of(cluster_id).stands_by()

    async def wait_until_leading(self) -> None:
        """Wait until this daemon may act on one of the clusters."""
        waits = [asyncio.ensure_future(leadership.wait_until_leading()) for leadership in self]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


def _is_expired(spec: JsonObject, now: datetime) -> bool:
    """Whether the holder has not renewed for as long as its Lease lasts."""
    try:
        renewed = datetime.fromisoformat(spec["renewTime"])
    except (KeyError, TypeError, ValueError):
        return True
    return now >= renewed + timedelta(seconds=int(spec.get("leaseDurationSeconds") or LEASE_SECONDS))
