"""Figures of the daemon's present state, read when they are asked for: some dozens of series."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from kronkeep_common.api import VERSION
from kronkeep_common.clock import Clock
from kronkeep_common.monitoring import metric_families as families
from kronkeep_common.monitoring.metric_families import MetricFamily
from kronkeep_daemon.alerts import AlertService
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.history import History
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.sinks.service import SinkService


class DaemonState(Collector):
    """The collector of the daemon's state in prometheus-client's registry."""

    def __init__(
        self,
        *,
        cronjobs: CronJobService,
        alerts: AlertService,
        queues: RepositoryQueues,
        history: History,
        clock: Clock,
        settings: Callable[[], Settings],
        sinks: SinkService,
    ) -> None:
        self._sinks = sinks
        self._cronjobs = cronjobs
        self._alerts = alerts
        self._queues = queues
        self._history = history
        self._clock = clock
        self._settings = settings

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the registry then asks for no values before the first scrape."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield each family with its present values."""
        yield _gauge(families.BUILD, [((VERSION,), 1)])
        yield _gauge(families.NOW, [((), self._clock.now().timestamp())])
        yield from self._collect_clusters()
        yield from self._collect_history()
        yield from self._collect_queues()
        yield _gauge(families.ALERTS, self._alerts.counts().items())
        stuck = self._alerts.stuck_channels()
        channels = [channel.name for channel in self._settings().alerts.channels]
        yield _gauge(families.CHANNEL_STUCK, [((name,), name in stuck) for name in channels])

    def _collect_clusters(self) -> Iterator[Metric]:
        names = {cluster.id: cluster.name for cluster in self._cronjobs.clusters}
        states = self._cronjobs.watch_states()
        watches = [((names.get(state.cluster, state.cluster), state.name), state) for state in states]
        live = [(labels, state.status == "live") for labels, state in watches]
        since = [(labels, state.since.timestamp()) for labels, state in watches]
        yield _gauge(families.WATCH_LIVE, live)
        yield _gauge(families.WATCH_SINCE, since)
        yield _gauge(families.LEADING, [((lead.name,), lead.leads()) for lead in self._cronjobs.leads])

    def _collect_history(self) -> Iterator[Metric]:
        yield _gauge(families.HISTORY_WRITABLE, [((), self._history.is_writable)])
        yield _gauge(families.HISTORY_SIZE, [((), self._history.size_bytes())])
        yield _gauge(families.KEPT_LOGS_SIZE, [((), sum(self._history.logs.usage.bytes.values()))])
        yield self._count_removed_logs()
        lags = [((sink.name,), sink.lag) for sink in self._sinks.views() if sink.lag is not None]
        yield _gauge(families.SINK_LAG, lags)

    def _count_removed_logs(self) -> Metric:
        family = families.KEPT_LOGS_REMOVED
        names = {cluster.id: cluster.name for cluster in self._cronjobs.clusters}
        counter = CounterMetricFamily(family.name, family.help, labels=family.labels)
        for each in self._history.log_removals.all():
            cluster = names.get(each.cluster, each.cluster)
            counter.add_metric((cluster, each.namespace, each.limit), each.records)
        return counter

    def _collect_queues(self) -> Iterator[Metric]:
        waiting = self._queues.waits.waiting()
        yield _gauge(families.QUEUE_WAITING, [((work,), len(waits)) for work, waits in waiting.items()])
        oldest = [((work,), max(waits, default=0.0)) for work, waits in waiting.items()]
        yield _gauge(families.QUEUE_OLDEST, oldest)


def _gauge(family: MetricFamily, values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    gauge = GaugeMetricFamily(family.name, family.help, labels=family.labels)
    for labels, value in values:
        gauge.add_metric(labels, float(value))
    return gauge
