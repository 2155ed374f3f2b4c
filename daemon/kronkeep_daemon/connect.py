"""Connections to the configured clusters; one that does not answer gets the identity from the history.

Without that, a daemon that starts while its cluster is unreachable could show nothing of its history. The
identity is confirmed by the first response of the cluster.
"""

import logging
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path

from kronkeep_common.clock import Clock
from kronkeep_common.errors import ClusterUnreachable, InvalidSettings
from kronkeep_common.models.base import Record
from kronkeep_daemon.history import History, Records
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.settings import ClusterSettings

log = logging.getLogger(__name__)
Configured = list[tuple[Cluster, ClusterSettings]]
MOST_FORMER = 100


class ClusterIdentity(Record, frozen=True, kw_only=True):
    """A cluster that has answered; `id` is its name in the settings, `uid` that of its kube-system.

    `former` are the uids of the clusters that the same section led to before, for which this one stands in.
    """

    id: str
    uid: str
    former: tuple[str, ...] = ()
    created_at: datetime


async def connect(clusters: Mapping[str, ClusterSettings], history: History, clock: Clock) -> Configured:
    """Connect to every cluster of the settings; raises ClusterUnreachable for one that never answered."""
    known: Records[ClusterIdentity] = Records(history.table("clusters"), ClusterIdentity)
    connected: Configured = []
    async with AsyncExitStack() as opened:  # which closes what was opened before a fault
        for name, configured in clusters.items():
            before = known.get(name)
            cluster = await _connect_one(name, configured, before)
            opened.push_async_callback(cluster.close)
            _record_identity(cluster, before, known, clock.now())
            await history.commit()
            _refuse_twin(cluster, connected)
            connected.append((cluster, configured))
        opened.pop_all()
    return connected


def _record_identity(
    cluster: Cluster, before: ClusterIdentity | None, known: Records[ClusterIdentity], created_at: datetime
) -> None:
    """Put the cluster's identity where it is new, and let the cluster stand in for those before it."""
    former = before.former if before else ()
    if before is None or before.uid != cluster.id:
        former = (*former, before.uid)[-MOST_FORMER:] if before else ()
        known.put(ClusterIdentity(id=cluster.name, uid=cluster.id, former=former, created_at=created_at))
    cluster.former = former


def _refuse_twin(cluster: Cluster, others: Configured) -> None:
    """Raise InvalidSettings where two sections lead to one cluster: every run would be recorded twice."""
    for other, _ in others:
        if other.id == cluster.id:
            message = f"The sections {other.name} and {cluster.name} lead to the same cluster."
            raise InvalidSettings(message, next_step="Keep one, with the namespaces of both.")


async def _connect_one(name: str, configured: ClusterSettings, known: ClusterIdentity | None) -> Cluster:
    credentials = Path(os.environ.get("CREDENTIALS_DIRECTORY", ""))
    kubeconfig = credentials / configured.kubeconfig if configured.kubeconfig else None
    cluster = Cluster(kubeconfig, configured.context, configured.in_cluster, name=name)
    try:
        return await cluster.identify()
    except ClusterUnreachable as fault:
        if known is None:
            await cluster.close()
            raise
        log.warning("cluster %s: %s; the history is served, and it is asked again", name, fault)
        cluster.assume(known.uid)
        return cluster
    except BaseException:
        await cluster.close()
        raise
