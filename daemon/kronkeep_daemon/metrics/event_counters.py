"""Counters and histograms that grow with each event: runs, backups, restores, commits, waits in queues."""

from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram

from kronkeep_common.monitoring import metric_families as families
from kronkeep_common.monitoring.metric_families import MetricFamily
from kronkeep_common.states import (
    BACKUP_TRANSITIONS,
    EXECUTION_TRANSITIONS,
    RESTORE_TRANSITIONS,
    BackupStatus,
    ExecutionStatus,
    RestoreStatus,
    is_final,
)
from kronkeep_daemon.events import BackupChanged, Bus, ExecutionChanged, RestoreChanged
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.repositories.queue import RepositoryQueues

S = TypeVar("S", bound=ExecutionStatus | BackupStatus | RestoreStatus)
RUN_SECONDS = (1, 10, 60, 300, 900, 3600, 4 * 3600, 12 * 3600)
COMMIT_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10)
WAIT_SECONDS = (0.1, 1, 10, 60, 300, 900, 3600, 4 * 3600)


def make_counter(family: MetricFamily, registry: CollectorRegistry) -> Counter:
    """Return prometheus-client's counter of a family."""
    return Counter(family.name, family.help, family.labels, registry=registry)


class EventCounters:
    """The counters of what the bus, the history and the queues announce."""

    def __init__(
        self,
        *,
        registry: CollectorRegistry,
        bus: Bus,
        clusters: Clusters,
        history: History,
        queues: RepositoryQueues,
    ) -> None:
        self._clusters = clusters
        self._runs = make_counter(families.RUNS_ENDED, registry)
        self._backups = make_counter(families.BACKUPS_ENDED, registry)
        self._restores = make_counter(families.RESTORES_ENDED, registry)
        self._run_seconds = _make_histogram(families.RUN_DURATION, RUN_SECONDS, registry)
        self._backup_seconds = _make_histogram(families.BACKUP_DURATION, RUN_SECONDS, registry)
        self._commit_seconds = _make_histogram(families.HISTORY_COMMIT, COMMIT_SECONDS, registry)
        self._wait_seconds = _make_histogram(families.QUEUE_WAIT, WAIT_SECONDS, registry)
        bus.subscribe(ExecutionChanged, self._on_run)
        bus.subscribe(BackupChanged, self._on_backup)
        bus.subscribe(RestoreChanged, self._on_restore)
        history.subscribe_commits(self._commit_seconds.observe)
        queues.waits.subscribe(self._on_wait)

    def _on_run(self, event: ExecutionChanged) -> None:
        new = event.new
        if not _has_ended(EXECUTION_TRANSITIONS, event.old.status if event.old else None, new.status):
            return
        cluster = self._name(new.cluster)
        self._runs.labels(cluster, new.status).inc()
        if new.duration_seconds is not None:
            self._run_seconds.labels(cluster).observe(new.duration_seconds)

    def _on_backup(self, event: BackupChanged) -> None:
        new = event.new
        if not _has_ended(BACKUP_TRANSITIONS, event.old.status if event.old else None, new.status):
            return
        cluster = self._name(new.cluster)
        self._backups.labels(cluster, new.status).inc()
        if new.duration_seconds is not None and new.status is BackupStatus.SUCCEEDED:
            self._backup_seconds.labels(cluster).observe(new.duration_seconds)

    def _on_restore(self, event: RestoreChanged) -> None:
        new = event.new
        if _has_ended(RESTORE_TRANSITIONS, event.old.status if event.old else None, new.status):
            self._restores.labels(self._name(new.cluster), new.purpose, new.status).inc()

    def _on_wait(self, work: str, seconds: float) -> None:
        self._wait_seconds.labels(work).observe(seconds)

    def _name(self, cluster_id: str) -> str:
        return next((cluster.name for cluster in self._clusters if cluster.id == cluster_id), cluster_id)


def _has_ended(table: dict[S, frozenset[S]], old: S | None, new: S) -> bool:
    return is_final(table, new) and (old is None or not is_final(table, old))


def _make_histogram(
    family: MetricFamily, buckets: tuple[float, ...], registry: CollectorRegistry
) -> Histogram:
    return Histogram(family.name, family.help, family.labels, buckets=buckets, registry=registry)
