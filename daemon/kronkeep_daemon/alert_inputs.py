"""The inputs of the alert rules, read from the services."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime

from kronkeep_common.api import SinkView
from kronkeep_common.models import BackupStorage, CronJob
from kronkeep_common.models.coverage import ClaimCoverage
from kronkeep_daemon.alerts.heartbeat_rules import LeadState
from kronkeep_daemon.alerts.rule_results import ClockFault, HeldCronJob
from kronkeep_daemon.coverage.service import CoverageService
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.cronjobs_with_backups import ExtendedCronJobService
from kronkeep_daemon.kube.watch import WatchState
from kronkeep_daemon.maintenance_service import MaintenanceService
from kronkeep_daemon.schedule_service import ScheduleService
from kronkeep_daemon.sinks.service import SinkService
from kronkeep_daemon.storages.service import StorageService


class ServiceAlertInputs:
    """The `AlertInputs` of the running daemon."""

    def __init__(
        self,
        *,
        cronjobs: CronJobService,
        extended: ExtendedCronJobService,
        storages: StorageService,
        schedules: ScheduleService,
        sinks: SinkService,
        coverage: CoverageService,
        maintenances: MaintenanceService,
    ) -> None:
        self._maintenances = maintenances
        self._coverage = coverage
        self._sinks = sinks
        self._cronjobs = cronjobs
        self._extended = extended
        self._storages = storages
        self._schedules = schedules

    async def wait_until_listed(self) -> None:
        await self._cronjobs.wait_until_synced()

    def clusters_not_listed(self) -> frozenset[str]:
        return self._cronjobs.pending_clusters()

    def cronjobs(self) -> AsyncIterator[CronJob]:
        return self._extended.iter_cronjobs()

    def storages(self) -> Sequence[BackupStorage]:
        return self._storages.list()

    def claims(self) -> Sequence[ClaimCoverage]:
        return self._coverage.latest.claims

    def claims_first_listed_at(self, cluster: str) -> datetime | None:
        return self._coverage.first_listed_at(cluster)

    def list_held_cronjobs(self) -> Iterable[HeldCronJob]:
        return self._maintenances.list_held_cronjobs()

    def knows_claims(self, cluster: str) -> bool:
        return self._coverage.is_known(cluster)

    def sinks(self) -> Sequence[SinkView]:
        return self._sinks.views()

    def watch_states(self) -> Sequence[WatchState]:
        return self._cronjobs.watch_states()

    def clock_faults(self) -> Sequence[ClockFault]:
        faults = [(cluster, cluster.clock.fault()) for cluster in self._cronjobs.clusters]
        return [ClockFault(cluster.id, cluster.name, fault) for cluster, fault in faults if fault is not None]

    def is_live(self, cluster: str) -> bool:
        return self._cronjobs.recorders[cluster].watches.is_live()

    def has_findings(self, cronjob: CronJob) -> bool:
        return self._schedules.has_findings(cronjob)

    def stands_by(self, cluster: str) -> bool:
        return self._cronjobs.leads.stands_by(cluster)

    def lead_states(self) -> list[LeadState]:
        """Return on which clusters this daemon acts."""
        return [LeadState(lead.name, lead.leads(), lead.stands_by()) for lead in self._cronjobs.leads]
