"""The ConfigMap in kronkeep's namespace by which the daemons of one cluster share what they know of alerts.

It is read and written with the version that was read, so of two daemons that write at once one reads again
and merges. Where it is forbidden or cannot be reached, each daemon goes on with what it knows itself.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import ClusterNotFound, KronkeepError
from kronkeep_daemon.alerts.shared_state import SharedReport, SharedState, merge, prune, with_claim
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.clusters import ByCluster, Clusters
from kronkeep_daemon.kube.errors import AlreadyExists, ConflictInCluster, NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
CONFIGMAP = "kronkeep-alerts"
KEY = "state.json"
TRIES = 4  # of a write that another daemon's came before
SYNC_SECONDS = 10.0  # between two reads, unless something is to be written


class ClusterAlerts:
    """The shared state of one cluster, as it is known here."""

    def __init__(self, cluster: Cluster, namespace: Callable[[], str], clock: Clock) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._clock = clock
        self._wake = asyncio.Event()
        self._fault: str | None = "not read yet"
        self.first_try = asyncio.Event()
        self.state = SharedState()

    @property
    def name(self) -> str:
        """The name of the cluster."""
        return self._cluster.name

    @property
    def is_shared(self) -> bool:
        """Whether the last exchange with the cluster succeeded."""
        return self._fault is None

    def change(self, part: SharedState) -> None:
        """Add what is known here, and write it soon."""
        joined = merge(self.state, part)
        if joined != self.state:
            self.state = joined
            self._wake.set()

    async def run(self) -> None:
        """Exchange the state with the cluster for ever."""
        while True:
            self._wake.clear()
            await self.sync()
            if not self.is_shared:
                await self._clock.sleep(SYNC_SECONDS)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(SYNC_SECONDS):
                    await self._wake.wait()

    async def sync(self) -> None:
        """Read the ConfigMap and write what it lacks; a failure is logged, and tried again later."""
        fault: str | None = None
        try:
            await self._exchange()
        except KronkeepError as error:
            fault = f"alerts are not shared with other daemons on {self._cluster.name}: {error}"
        if fault is not None and fault != self._fault:
            log.warning("%s", fault)
        self._fault = fault
        self.first_try.set()

    async def _exchange(self) -> None:
        for _ in range(TRIES):
            before = self.state
            try:
                written = await self._exchange_once()
            except (ConflictInCluster, AlreadyExists):
                continue
            self.state = written if self.state is before else merge(self.state, written)
            return
        log.warning("others write the ConfigMap %s all the time; it is written later", CONFIGMAP)

    async def claim_report(self, claim: SharedReport) -> bool | None:
        """Claim to send a morning report; return whether this daemon shall, or None where that is not known.

        Of several daemons that claim the same report, the one whose write comes first sends it.
        """
        for _ in range(TRIES):
            try:
                written = await self._exchange_once(claim)
            except (ConflictInCluster, AlreadyExists):
                continue
            except KronkeepError as fault:
                log.warning("a morning report is not shared with other daemons: %s", fault)
                return None
            self.state = merge(self.state, written)
            report = written.report
            is_ours = report is not None and (report.slot, report.by) == (claim.slot, claim.by)
            return is_ours and report is not None and report.sent_at is None
        return None

    async def _exchange_once(self, claim: SharedReport | None = None) -> SharedState:
        """Return the merged state, which the ConfigMap has too; with a claim where no other one stands."""
        namespace = self._namespace()
        try:
            body = await self._cluster.get(paths.configmaps(namespace, CONFIGMAP))
        except NotFoundInCluster:
            state = self._prepare(self.state, claim)
            if state != SharedState():
                await self._cluster.create(paths.configmaps(namespace), _configmap(state))
            return state
        remote = read_state(body)
        state = self._prepare(merge(self.state, remote), claim)
        if state != remote:
            body["data"] = _configmap(state)["data"]
            await self._cluster.replace(paths.configmaps(namespace, CONFIGMAP), body)
        return state

    def _prepare(self, state: SharedState, claim: SharedReport | None) -> SharedState:
        pruned = prune(state, self._clock.now())
        return pruned if claim is None else with_claim(pruned, claim)


def _configmap(state: SharedState) -> JsonObject:
    data = {KEY: msgspec.json.encode(state).decode()}
    metadata = {"name": CONFIGMAP, "labels": {"app.kubernetes.io/managed-by": "kronkeep"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def read_state(configmap: JsonObject) -> SharedState:
    """Return the state in a ConfigMap; an empty one where it cannot be read, which is written again then."""
    try:
        return msgspec.json.decode(configmap["data"][KEY], type=SharedState)
    except (KeyError, TypeError, msgspec.DecodeError):
        log.warning("the ConfigMap %s cannot be read; it is written again", CONFIGMAP)
        return SharedState()


class SharedAlerts:
    """The shared states of all clusters; the first cluster's is that of records without one."""

    def __init__(self, clusters: Clusters, namespace: Callable[[], str], clock: Clock) -> None:
        self._clusters = clusters
        self._each = ByCluster([(cluster, ClusterAlerts(cluster, namespace, clock)) for cluster in clusters])

    def of(self, cluster_id: str) -> ClusterAlerts:
        """Return the shared state of a record's cluster."""
        try:
            return self._each[self._clusters.of(cluster_id).id]
        except ClusterNotFound:
            return self._each[self._clusters.first.id]

    def all(self) -> list[ClusterAlerts]:
        """Return the shared state of each cluster."""
        return list(self._each.values())

    def start(self, supervisor: Supervisor) -> None:
        """Start to exchange the states with the clusters."""
        for each in self._each.values():
            supervisor.start(f"shared alerts {each.name}", each.run, death="restart")

    async def wait_until_tried(self) -> None:
        """Wait until each cluster was asked once, whether it answered or not."""
        for each in self._each.values():
            await each.first_try.wait()
