"""Composition of the metrics: counters, the daemon's state, series of objects, and where they are read."""

from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector

from kronkeep_daemon.alerts import AlertService
from kronkeep_daemon.composition.foundation import Foundation
from kronkeep_daemon.composition.repository_layer import RepositoryLayer
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.cronjobs_with_backups import ExtendedCronJobService
from kronkeep_daemon.http.metrics import MetricsListener
from kronkeep_daemon.metrics import Exposition
from kronkeep_daemon.metrics.daemon_state import DaemonState
from kronkeep_daemon.metrics.event_counters import EventCounters
from kronkeep_daemon.metrics.object_metrics import ObjectMetrics
from kronkeep_daemon.metrics.textfile import MetricsTextfile
from kronkeep_daemon.sinks.service import SinkService


def compose_exposition(
    base: Foundation,
    *,
    cronjobs: CronJobService,
    repositories: RepositoryLayer,
    extended: ExtendedCronJobService,
    alerts: AlertService,
    registry: CollectorRegistry,
    sinks: SinkService,
) -> Exposition:
    EventCounters(
        registry=registry,
        bus=base.bus,
        clusters=base.clusters,
        history=base.history,
        queues=repositories.queues,
    )
    state = DaemonState(
        cronjobs=cronjobs,
        alerts=alerts,
        queues=repositories.queues,
        history=base.history,
        clock=base.clock,
        settings=base.settings,
        sinks=sinks,
    )
    registry.register(state)
    ProcessCollector(namespace="kronkeep", registry=registry)
    objects = ObjectMetrics(
        clusters=base.clusters,
        extended=extended,
        storages=repositories.storages,
        history=base.history,
        bus=base.bus,
        clock=base.clock,
        supervisor=base.supervisor,
    )
    return Exposition(objects, registry)


def start_outlets(base: Foundation, exposition: Exposition) -> None:
    """Start to listen on TCP and to write the file, where the settings name them."""
    settings = base.settings().metrics
    if settings.listen is not None:
        listener = MetricsListener(settings.listen, exposition, base.clock)
        base.supervisor.start("metrics listener", listener.run, death="restart")
    if settings.textfile is not None:
        textfile = MetricsTextfile(Path(settings.textfile), exposition, base.clock)
        base.supervisor.start("metrics textfile", textfile.run, death="restart")
