"""Composition of the CronJob service: its recorders and leaderships."""

import socket
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

from kronkeep_daemon.composition.foundation import Foundation
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.cronjobs.run_recorder import RunRecorder
from kronkeep_daemon.events import ActingChanged
from kronkeep_daemon.history import History
from kronkeep_daemon.history.facts import DAEMON_NAME
from kronkeep_daemon.history.record_ids import new_id
from kronkeep_daemon.history.sequence_note import SequenceNote
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.clusters import ByCluster
from kronkeep_daemon.kube.lease import Leadership, Leaderships
from kronkeep_daemon.kube.shared_uids import SharedUids
from kronkeep_daemon.settings import ClusterSettings, Settings


def compose_cronjobs(base: Foundation, clusters: Sequence[tuple[Cluster, ClusterSettings]]) -> CronJobService:
    uids = SharedUids(partial(_find_recorded_cluster, base.history), base.clusters.same)
    shared = uids if len(base.clusters) > 1 else None
    recorders = ByCluster(
        [(cluster, _recorder(base, cluster, section, shared)) for cluster, section in clusters]
    )
    holder = _lease_holder(base)
    return CronJobService(
        clusters=base.clusters,
        recorders=recorders,
        leads=Leaderships(base.clusters, [_leadership(base, cluster, holder) for cluster in base.clusters]),
        history=base.history,
        bus=base.bus,
        clock=base.clock,
        settings=base.settings,
    )


def _find_recorded_cluster(history: History, record_id: str) -> str | None:
    """Return the cluster whose CronJob or claim has records under an id; None where there are none."""
    runs = history.executions.newest(limit=1, cronjob_id=record_id).items
    backups = history.backups.newest(limit=1, cronjob_id=record_id).items
    clusters = [run.cluster for run in runs] + [backup.cluster for backup in backups]
    return clusters[0] if clusters else None


def _recorder(
    base: Foundation, cluster: Cluster, cluster_settings: ClusterSettings, uids: SharedUids | None
) -> RunRecorder:
    return RunRecorder(
        cluster=cluster,
        history=base.history,
        bus=base.bus,
        clock=base.clock,
        cluster_clock=cluster.clock,
        namespaces=cluster_settings.namespaces,
        grace=partial(_late_after, base.settings),
        controller_zone=partial(_controller_zone, base.settings),
        bare_jobs=partial(_bare_jobs, base.settings),
        uids=uids,
    )


def _lease_holder(base: Foundation) -> str:
    """Return this daemon's name: the machine's with random letters, made once for a state folder."""
    fact = base.history.facts.get(DAEMON_NAME)
    if fact is not None and fact.name is not None:
        return fact.name
    name = f"{socket.gethostname()[:100]}-{new_id()}"
    base.history.facts.set(DAEMON_NAME, base.clock.now(), name=name)
    return name


def _late_after(settings: Callable[[], Settings]) -> timedelta:
    return timedelta(seconds=settings().late_after_seconds)


def _controller_zone(settings: Callable[[], Settings]) -> str:
    return settings().controller_zone


def _bare_jobs(settings: Callable[[], Settings]) -> int:
    return settings().history.bare_jobs_per_namespace


def _leadership(base: Foundation, cluster: Cluster, holder: str) -> Leadership:
    return Leadership(
        cluster=cluster,
        namespace=base.settings().namespace,
        holder=holder,
        clock=base.clock,
        note=SequenceNote(base.history, base.clock),
        changed=partial(_announce_acting, base, cluster),
    )


def _announce_acting(base: Foundation, cluster: Cluster) -> None:
    base.bus.publish(ActingChanged(cluster.id))
