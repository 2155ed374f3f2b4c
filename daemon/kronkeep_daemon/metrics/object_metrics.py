"""The series of CronJobs and storages, computed after each change of one, and all of them each minute.

Some values follow from the time (a slot is late, a backup overdue), so all are computed again once a minute,
in slices of a millisecond. Nothing is computed before somebody reads the metrics.
"""

import asyncio
from datetime import datetime

from kronkeep_common.clock import Clock
from kronkeep_common.errors import ClusterNotFound
from kronkeep_common.models import CronJob
from kronkeep_common.monitoring.metric_families import (
    COPY_FAMILIES,
    COPY_LABELS,
    CRONJOB_FAMILIES,
    CRONJOB_LABELS,
    STORAGE_FAMILIES,
    STORAGE_LABELS,
)
from kronkeep_common.states import ExecutionStatus
from kronkeep_daemon.cronjobs_with_backups import ExtendedCronJobService
from kronkeep_daemon.events import (
    BackupChanged,
    Bus,
    CronJobChanged,
    ExecutionChanged,
    RestoreChanged,
    StorageChanged,
)
from kronkeep_daemon.history import CronJobMemo, History
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.objects import CronJobRef
from kronkeep_daemon.metrics.object_series import (
    BackupFigures,
    copy_values,
    cronjob_values,
    read_figures,
    storage_values,
)
from kronkeep_daemon.metrics.series_cache import SeriesCache, format_labels
from kronkeep_daemon.storages.service import StorageService
from kronkeep_daemon.supervisor import Supervisor

SWEEP_SECONDS = 60.0
MIN_PAUSE_SECONDS = 0.5
REST_FACTOR = 10  # times as long as a computation took is the pause after it
CRONJOBS_PER_SLICE = 4  # computed between two turns of the event loop: about a millisecond
BACKUPS_READ = 20


class ObjectMetrics:
    """The series of all CronJobs and storages."""

    def __init__(
        self,
        *,
        clusters: Clusters,
        extended: ExtendedCronJobService,
        storages: StorageService,
        history: History,
        bus: Bus,
        clock: Clock,
        supervisor: Supervisor,
    ) -> None:
        self.cronjobs = SeriesCache(CRONJOB_FAMILIES)
        self.copies = SeriesCache(COPY_FAMILIES)
        self.storages = SeriesCache(STORAGE_FAMILIES)
        self._clusters = clusters
        self._extended = extended
        self._storage_service = storages
        self._history = history
        self._clock = clock
        self._supervisor = supervisor
        self._last_success = CronJobMemo(self._read_last_success, history.executions)
        self._figures = CronJobMemo(self._read_figures, history.backups)
        self._touched: dict[str, CronJobRef] = {}
        self._wake = asyncio.Event()
        self._complete = asyncio.Event()
        self._is_used = False
        bus.subscribe(CronJobChanged, self._on_cronjob)
        bus.subscribe(ExecutionChanged, self._on_record)
        bus.subscribe(BackupChanged, self._on_record)
        bus.subscribe(RestoreChanged, self._on_record)
        bus.trigger(self._wake, StorageChanged)

    def _on_cronjob(self, event: CronJobChanged) -> None:
        self._touch(event.cronjob.uid, event.cronjob.ref)

    def _on_record(self, event: ExecutionChanged | BackupChanged | RestoreChanged) -> None:
        self._touch(event.new.cronjob_id, CronJobRef.of(event.new))

    def _touch(self, cronjob_id: str, ref: CronJobRef) -> None:
        if self._is_used:
            self._touched[cronjob_id] = ref
            self._wake.set()

    async def wait_until_complete(self) -> None:
        """Start to compute where that does not run, and wait until every object has its series."""
        if not self._supervisor.running("metrics"):
            self._supervisor.start("metrics", self._keep_up, death="restart")
        await self._complete.wait()

    async def _keep_up(self) -> None:
        next_sweep = 0.0
        while True:
            began = self._clock.monotonic()
            self._wake.clear()
            if began >= next_sweep:
                await self._compute_all()
                next_sweep = began + SWEEP_SECONDS
            else:
                await self._compute_touched()
            self._compute_storages()
            duration = self._clock.monotonic() - began
            await self._clock.sleep(max(MIN_PAUSE_SECONDS, REST_FACTOR * duration))
            await self._wait_for_touch(next_sweep - self._clock.monotonic())

    async def _wait_for_touch(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _compute_all(self) -> None:
        self._touched.clear()  # what is touched from here on is computed after this
        self._is_used = True
        keys = set()
        async for cronjob in self._extended.iter_cronjobs():
            self._put(cronjob)
            keys.add(cronjob.id)
            if len(keys) % CRONJOBS_PER_SLICE == 0:
                await asyncio.sleep(0)
        kept = frozenset(keys) | self._touched.keys()
        self.cronjobs.keep_only(kept)
        self.copies.keep_only(kept)
        self._complete.set()

    async def _compute_touched(self) -> None:
        touched = self._touched
        self._touched = {}
        for number, (cronjob_id, ref) in enumerate(touched.items(), 1):
            cronjob = self._extended.find(ref)
            if cronjob is not None and cronjob.id == cronjob_id:
                self._put(cronjob)
            else:
                self.cronjobs.remove(cronjob_id)
                self.copies.put_all(cronjob_id, {})
            if number % CRONJOBS_PER_SLICE == 0:
                await asyncio.sleep(0)

    def _put(self, cronjob: CronJob) -> None:
        names = (self._cluster_name(cronjob.cluster), cronjob.namespace, cronjob.name)
        values = cronjob_values(cronjob, self._last_success(cronjob.id), self._figures(cronjob.id))
        self.cronjobs.put(cronjob.id, format_labels(CRONJOB_LABELS, names), values)
        now = self._clock.now()
        copies = {
            format_labels(COPY_LABELS, (*names, copy.storage_id)): copy_values(copy, now)
            for copy in cronjob.copies
        }
        self.copies.put_all(cronjob.id, copies)

    def _compute_storages(self) -> None:
        storages = self._storage_service.list()
        for storage in storages:
            names = (self._cluster_name(storage.cluster), storage.id)
            self.storages.put(storage.id, format_labels(STORAGE_LABELS, names), storage_values(storage))
        self.storages.keep_only(frozenset(storage.id for storage in storages))

    def _cluster_name(self, cluster_id: str) -> str:
        try:
            return self._clusters.of(cluster_id).name
        except ClusterNotFound:
            return cluster_id

    def _read_last_success(self, cronjob_id: str) -> datetime | None:
        newest = self._history.executions.newest(
            limit=1, cronjob_id=cronjob_id, status=ExecutionStatus.SUCCEEDED
        ).items
        return (newest[0].ended_at or newest[0].created_at) if newest else None

    def _read_figures(self, cronjob_id: str) -> BackupFigures:
        return read_figures(self._history.backups.newest(limit=BACKUPS_READ, cronjob_id=cronjob_id).items)
