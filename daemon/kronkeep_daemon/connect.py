"""Connections to the configured clusters, and the identity of each, which the history keeps.

All are asked at once. One that does not answer in time gets the identity from the history, which its first
response confirms: a daemon that starts while its cluster is away shows its history. One that has never
answered has no identity yet; the daemon starts without it, and `Connector.identify` asks it again with
growing pauses. What needs the identity (watches, Lease, records) waits until then.
"""

import asyncio
import logging
import os
import random
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from pathlib import Path

from kronkeep_common.clock import Clock
from kronkeep_common.errors import ClusterUnreachable, InvalidSettings, KronkeepError
from kronkeep_common.models.base import Record
from kronkeep_daemon.history import History, Records
from kronkeep_daemon.history.record_ids import derive_id
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.settings import ClusterSettings
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
Configured = list[tuple[Cluster, ClusterSettings]]
MOST_FORMER = 100
FIRST_ANSWER_SECONDS = 5.0  # then the daemon starts without a cluster that is silent
ASKED_AT_ONCE = 20  # opening a connection takes 50 ms of CPU, which must not use up the patience of others
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0  # seconds between two questions to a cluster that has never answered


class ClusterIdentity(Record, frozen=True, kw_only=True):
    """A cluster that has answered; `id` is its name in the settings, `uid` the cluster's id in records.

    `former` are the ids of the clusters that the same section led to before, for which this one stands in.
    """

    id: str
    uid: str
    former: tuple[str, ...] = ()
    created_at: datetime


class Connector:
    """The connections to the clusters of the settings.

    patience: seconds in which a cluster must answer at the start.
    """

    def __init__(self, history: History, clock: Clock, *, patience: float = FIRST_ANSWER_SECONDS) -> None:
        self._history = history
        self._known: Records[ClusterIdentity] = Records(history.table("clusters"), ClusterIdentity)
        self._clock = clock
        self._patience = patience
        self._clusters: list[Cluster] = []

    async def connect(self, sections: Mapping[str, ClusterSettings]) -> Configured:
        """Connect to every cluster of the settings; raises InvalidSettings where two sections lead to one."""
        async with AsyncExitStack() as opened:  # which closes what was opened before a fault
            self._clusters = [_open(name, section) for name, section in sections.items()]
            for cluster in self._clusters:
                opened.push_async_callback(cluster.close)
            places = asyncio.Semaphore(ASKED_AT_ONCE)
            answers = await asyncio.gather(*(self._ask(cluster, places) for cluster in self._clusters))
            await self._use_answers(answers)
            opened.pop_all()
        return list(zip(self._clusters, sections.values(), strict=True))

    async def _ask(self, cluster: Cluster, places: asyncio.Semaphore) -> str | KronkeepError:
        """Return the cluster's id, or why it is not known."""
        try:
            async with places, asyncio.timeout(self._patience):
                return await cluster.fetch_id()
        except TimeoutError:
            return ClusterUnreachable(f"{cluster.name} has not answered for {self._patience:g} s.")
        except KronkeepError as fault:
            return fault

    async def _use_answers(self, answers: Sequence[str | KronkeepError]) -> None:
        """Identify the clusters that answered, then assume what the history knows of the others."""
        for cluster, answer in zip(self._clusters, answers, strict=True):
            if isinstance(answer, str):
                await self._record_identity(cluster, answer)
        for cluster, answer in zip(self._clusters, answers, strict=True):
            if isinstance(answer, KronkeepError):
                self._assume_identity(cluster, answer)

    async def _record_identity(self, cluster: Cluster, cluster_id: str) -> None:
        """Record the identity, then use it; raises InvalidSettings where another section has the cluster."""
        self._require_one_section(cluster, cluster_id)
        before = self._known.get(cluster.name)
        former = before.former if before else ()
        if before is None or before.uid != cluster_id:
            former = (*former, before.uid)[-MOST_FORMER:] if before else ()
            identity = ClusterIdentity(
                id=cluster.name, uid=cluster_id, former=former, created_at=self._clock.now()
            )
            self._known.put(identity)
            await self._history.commit()
        cluster.former = former
        cluster.accept(cluster_id)

    def _require_one_section(self, cluster: Cluster, cluster_id: str) -> None:
        """Raise InvalidSettings where two sections lead to one cluster: every run would be recorded twice."""
        for other in self._clusters:
            if other is not cluster and other.id == cluster_id:
                raise InvalidSettings(
                    f"The sections {other.name} and {cluster.name} lead to the same cluster.",
                    next_step="Keep one, with the namespaces of both; set clone = true for a clone.",
                )

    def _assume_identity(self, cluster: Cluster, fault: KronkeepError) -> None:
        """Assume the identity in the history, unless there is none or another section has just shown it."""
        known = self._known.get(cluster.name)
        if known is None or any(other.id == known.uid for other in self._clusters):
            log.warning("cluster %s has never been connected: %s; it is asked again", cluster.name, fault)
            cluster.defer(fault)
            return
        log.warning("cluster %s: %s; the history is served, and it is asked again", cluster.name, fault)
        cluster.former = known.former
        cluster.assume(known.uid)

    def start(self, supervisor: Supervisor) -> None:
        """Start to ask the clusters that have never answered, as tasks of the supervisor."""
        for cluster in self._clusters:
            if cluster.fault is not None:
                name = f"first connection {cluster.name}"
                supervisor.start(name, partial(self.identify, cluster), death="quiet")

    async def identify(self, cluster: Cluster) -> None:
        """Ask a cluster that has never answered until its identity is known."""
        pause = FIRST_PAUSE
        while True:
            await self._clock.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  jitter, not a secret
            pause = min(pause * 2, LONGEST_PAUSE)
            try:
                await self._record_identity(cluster, await cluster.fetch_id())
            except KronkeepError as fault:
                cluster.defer(fault)
                continue
            log.info("cluster %s has been connected for the first time", cluster.name)
            return


def _open(name: str, section: ClusterSettings) -> Cluster:
    """Return a connection through which nothing has been asked yet."""
    credentials = Path(os.environ.get("CREDENTIALS_DIRECTORY", ""))
    kubeconfig = credentials / section.kubeconfig if section.kubeconfig else None
    id_of = partial(_clone_id, name) if section.clone else str
    return Cluster(kubeconfig, section.context, section.in_cluster, name=name, id_of=id_of)


def _clone_id(name: str, uid: str) -> str:
    """Return the id of a clone, whose kube-system has the same uid as the original's."""
    return derive_id("cluster clone", name, uid)
