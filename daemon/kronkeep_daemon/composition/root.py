"""The composition root: creates the layers in their order and starts their background tasks.

The order is clusters and runs, storages, backups, restores, then the services that join them. Each layer's
module creates its objects and passes them by keyword; nothing runs before `Composition.start`.
"""

from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from kronkeep_daemon.backups.backup_event_reporter import BackupEventReporter
from kronkeep_daemon.backups.planner import BackupPlanner
from kronkeep_daemon.backups.policy_fault_reporter import PolicyFaultReporter
from kronkeep_daemon.backups.snapshot_reconciliation import SnapshotReconciliation
from kronkeep_daemon.backups.volume_copy_sweep import VolumeCopySweep
from kronkeep_daemon.composition.backup_layer import compose_backups
from kronkeep_daemon.composition.copy_layer import compose_copies
from kronkeep_daemon.composition.cronjob_layer import compose_cronjobs
from kronkeep_daemon.composition.foundation import Foundation
from kronkeep_daemon.composition.metrics_layer import start_outlets
from kronkeep_daemon.composition.repository_layer import RepositoryLayer, compose_repositories
from kronkeep_daemon.composition.restore_layer import compose_restores
from kronkeep_daemon.composition.service_layer import compose_services
from kronkeep_daemon.events import Bus
from kronkeep_daemon.history import History, time_repair
from kronkeep_daemon.history.log_limits import LogLimits
from kronkeep_daemon.history.log_sieve_builder import LogSieveBuilder
from kronkeep_daemon.history.log_trimmer import LogTrimmer
from kronkeep_daemon.http.services import Services
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.clock_monitor import ClockMonitor
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.token_monitor import TokenMonitor
from kronkeep_daemon.repositories.maintenance import RepositoryMaintenance
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs
from kronkeep_daemon.settings import ClusterSettings, Settings
from kronkeep_daemon.storages.data_checks import DataChecks
from kronkeep_daemon.supervisor import Supervisor


class Composition(msgspec.Struct, frozen=True, kw_only=True):
    """The daemon's services, with the objects below them that no route needs."""

    services: Services
    supervisor: Supervisor
    queues: RepositoryQueues
    repository_jobs: RepositoryJobs
    maintenance: RepositoryMaintenance
    backup_planner: BackupPlanner
    policy_faults: PolicyFaultReporter
    backup_events: BackupEventReporter
    volume_copy_sweep: VolumeCopySweep
    data_checks: DataChecks
    clocks: ClockMonitor
    tokens: TokenMonitor
    reconciliation: SnapshotReconciliation
    log_trimmer: LogTrimmer
    log_sieve_builder: LogSieveBuilder
    base: Foundation

    def start(self) -> None:
        """Start the background tasks of all services; interrupted work continues from its records."""
        services = self.services
        self.clocks.start()
        self.tokens.start()
        services.cronjobs.start(self.supervisor)
        services.storages.resume()
        services.key_rotations.resume()
        services.recovery_kits.start()
        services.layout_moves.resume()
        services.history_archives.start()
        services.storage_upkeep.start()
        self.backup_planner.start()
        services.copy_planner.start()
        services.copy_retention.start()
        services.retention.start()
        self.reconciliation.start()
        self.policy_faults.start()
        self.backup_events.start()
        self.supervisor.start("left volume copies", self.volume_copy_sweep.run, death="restart")
        self.data_checks.start()
        services.restores.start()
        services.sinks.start()
        services.alerts.start()
        services.maintenances.start()
        self.supervisor.start("kept log limits", self.log_trimmer.run, death="restart")
        self.supervisor.start("sieve of kept logs", self.log_sieve_builder.run, death="restart")
        self.supervisor.start("coverage", services.coverage.run, death="restart")
        self.supervisor.start("computed changes", services.live.run, death="restart")
        self.supervisor.start("schedule findings", services.schedules.compute_findings, death="restart")
        services.manifest_folder.start(self.supervisor)
        start_outlets(self.base, services.exposition)


def _log_limits(base: Foundation) -> LogLimits:
    limits = base.settings().history
    return LogLimits(limits.keep_log_bytes_per_namespace, limits.keep_log_bytes)


async def _repair_times(base: Foundation, repositories: RepositoryLayer) -> None:
    now = base.clock.now()
    repositories.index.correct_times(now)
    repositories.upkeep.correct_times(now)
    await time_repair.repair(base.history, now)
    await base.history.commit()


def compose(
    clusters: Sequence[tuple[Cluster, ClusterSettings]],
    history: History,
    settings: Callable[[], Settings],
    supervisor: Supervisor,
) -> Composition:
    """Create every service over those that it needs; nothing runs yet."""
    connected = Clusters([cluster for cluster, _ in clusters])
    base = Foundation(
        clusters=connected,
        history=history,
        bus=Bus(),
        clock=connected.first.clock,
        settings=settings,
        supervisor=supervisor,
    )
    cronjobs = compose_cronjobs(base, clusters)
    repositories = compose_repositories(base, cronjobs)
    backups = compose_backups(base, cronjobs, repositories)
    data_checks = DataChecks(
        storages=repositories.storages,
        maintenance=repositories.maintenance,
        index=repositories.index,
        clock=base.clock,
        supervisor=supervisor,
        leads=cronjobs.leads,
    )
    copies = compose_copies(base, cronjobs, repositories, backups)
    restores = compose_restores(base, cronjobs, repositories, backups, copies)
    return Composition(
        services=compose_services(base, cronjobs, repositories, backups, copies=copies, restores=restores),
        supervisor=supervisor,
        queues=repositories.queues,
        repository_jobs=repositories.jobs,
        maintenance=repositories.maintenance,
        backup_planner=backups.planner,
        policy_faults=backups.policy_faults,
        backup_events=backups.backup_events,
        volume_copy_sweep=backups.volume_copy_sweep,
        data_checks=data_checks,
        tokens=TokenMonitor(clusters=connected, supervisor=supervisor, clock=base.clock),
        clocks=ClockMonitor(connected, supervisor, partial(_repair_times, base, repositories)),
        reconciliation=backups.reconciliation,
        log_trimmer=LogTrimmer(history=history, clock=base.clock, limits=partial(_log_limits, base)),
        log_sieve_builder=LogSieveBuilder(logs=history.logs, clock=base.clock),
        base=base,
    )
