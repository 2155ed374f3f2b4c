"""Composition of the daemon's services: every long-lived object is created here and passed by keyword.

The functions are in the order of the layers: clusters and runs, storages, backups, restores, then the
services that join them. Nothing runs before `Composition.start`.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

import msgspec

from kronkeep_common.clock import Clock, SystemClock
from kronkeep_daemon.alert_inputs import ServiceAlertInputs
from kronkeep_daemon.alerts import AlertService
from kronkeep_daemon.apply import Applying
from kronkeep_daemon.backups.archive_work import ArchiveWorkResolver
from kronkeep_daemon.backups.archiver import Archiver
from kronkeep_daemon.backups.backup_logs import BackupLogs
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.hooks import HookRunner
from kronkeep_daemon.backups.planner import BackupPlanner
from kronkeep_daemon.backups.policy_faults import PolicyFaults
from kronkeep_daemon.backups.policy_lookup import PolicyLookup
from kronkeep_daemon.backups.retention_service import RetentionService
from kronkeep_daemon.backups.service import BackupService
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.cronjobs.daemon_identity import holder_of
from kronkeep_daemon.cronjobs.run_reader import RunReader
from kronkeep_daemon.cronjobs.run_recorder import Recorder
from kronkeep_daemon.cronjobs_with_backups import ExtendedService
from kronkeep_daemon.doctor import Doctor
from kronkeep_daemon.events import ActingChanged, Bus
from kronkeep_daemon.history import History
from kronkeep_daemon.http.idempotency import Answers
from kronkeep_daemon.http.live_changes import LiveChanges
from kronkeep_daemon.http.metrics import Metrics
from kronkeep_daemon.http.operations import Operations
from kronkeep_daemon.http.services import Services
from kronkeep_daemon.http.user_limits import Limits
from kronkeep_daemon.jobs.runner import JobRunners
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.lease import Leadership, Leaderships
from kronkeep_daemon.manifest_folder import DropIns
from kronkeep_daemon.repositories.maintenance import RepositoryMaintenance
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs
from kronkeep_daemon.repositories.stale_locks import StaleLocks
from kronkeep_daemon.repositories.version_probe import VersionProbe
from kronkeep_daemon.restores.checksum_jobs import Maker
from kronkeep_daemon.restores.checksums import Manifests
from kronkeep_daemon.restores.data_checks import DataChecks
from kronkeep_daemon.restores.drills import Drills
from kronkeep_daemon.restores.file_download import Downloads
from kronkeep_daemon.restores.restore_jobs import RestoreJobs
from kronkeep_daemon.restores.restore_plan import Planner
from kronkeep_daemon.restores.restore_records import RestoreRecords
from kronkeep_daemon.restores.restore_runner import Restorer
from kronkeep_daemon.restores.service import RestoreService
from kronkeep_daemon.restores.snapshot_listing import Snapshots
from kronkeep_daemon.schedule_service import ScheduleService
from kronkeep_daemon.settings import ClusterSettings, Settings
from kronkeep_daemon.storages.provisioner import StorageProvisioner
from kronkeep_daemon.storages.service import StorageService
from kronkeep_daemon.storages.upkeep import StorageUpkeep
from kronkeep_daemon.supervisor import Supervisor


class CurrentSettings:
    """The settings in force, read by calling it; a reload of the settings file replaces them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def __call__(self) -> Settings:
        return self.settings


class _Foundation(msgspec.Struct, frozen=True, kw_only=True):
    """What nearly every service needs."""

    clusters: Clusters
    history: History
    bus: Bus
    clock: Clock
    settings: Callable[[], Settings]
    supervisor: Supervisor


class _RepositoryLayer(msgspec.Struct, frozen=True, kw_only=True):
    """Work on restic repositories, and the storages that they are in."""

    queues: RepositoryQueues
    runners: JobRunners
    jobs: RepositoryJobs
    index: RepositoryIndex
    stale_locks: StaleLocks
    version_probe: VersionProbe
    maintenance: RepositoryMaintenance
    storages: StorageService
    upkeep: StorageUpkeep


class _BackupLayer(msgspec.Struct, frozen=True, kw_only=True):
    """Policies, archives and retention."""

    policies: PolicyLookup
    records: BackupRecords
    logs: BackupLogs
    planner: BackupPlanner
    backups: BackupService
    retention: RetentionService
    policy_faults: PolicyFaults


class Composition(msgspec.Struct, frozen=True, kw_only=True):
    """The daemon's services, with the objects below them that no route needs."""

    services: Services
    supervisor: Supervisor
    queues: RepositoryQueues
    repository_jobs: RepositoryJobs
    maintenance: RepositoryMaintenance
    backup_planner: BackupPlanner
    policy_faults: PolicyFaults
    data_checks: DataChecks

    def start(self) -> None:
        """Start the background tasks of all services; interrupted work continues from its records."""
        services = self.services
        services.cronjobs.start(self.supervisor)
        services.storages.resume()
        services.storage_upkeep.start()
        self.backup_planner.start()
        services.retention.start()
        self.policy_faults.start()
        self.data_checks.start()
        services.restores.start()
        services.alerts.start()
        self.supervisor.start("live changes", services.live.run, death="restart")
        self.supervisor.start("schedule findings", services.schedules.keep_findings, death="restart")
        services.dropins.start(self.supervisor)


def compose(
    clusters: Sequence[tuple[Cluster, ClusterSettings]],
    history: History,
    settings: Callable[[], Settings],
    supervisor: Supervisor,
) -> Composition:
    """Create every service over those that it needs; nothing runs yet."""
    base = _Foundation(
        clusters=Clusters([cluster for cluster, _ in clusters]),
        history=history,
        bus=Bus(),
        clock=SystemClock(),
        settings=settings,
        supervisor=supervisor,
    )
    cronjobs = _compose_cronjobs(base, clusters)
    repositories = _compose_storages(base, cronjobs)
    backups = _compose_backups(base, cronjobs, repositories)
    data_checks = DataChecks(
        storages=repositories.storages,
        maintenance=repositories.maintenance,
        index=repositories.index,
        clock=base.clock,
        supervisor=supervisor,
        leads=cronjobs.leads,
    )
    restores = _compose_restores(base, cronjobs, repositories, backups)
    return Composition(
        services=_compose_services(base, cronjobs, repositories, backups, restores),
        supervisor=supervisor,
        queues=repositories.queues,
        repository_jobs=repositories.jobs,
        maintenance=repositories.maintenance,
        backup_planner=backups.planner,
        policy_faults=backups.policy_faults,
        data_checks=data_checks,
    )


def _compose_cronjobs(
    base: _Foundation, clusters: Sequence[tuple[Cluster, ClusterSettings]]
) -> CronJobService:
    recorders = {
        cluster.id: _recorder(base, cluster, cluster_settings) for cluster, cluster_settings in clusters
    }
    holder = holder_of(base.history, base.clock)
    return CronJobService(
        clusters=base.clusters,
        recorders=recorders,
        leads=Leaderships(base.clusters, [_leadership(base, cluster, holder) for cluster in base.clusters]),
        reader=RunReader(history=base.history, clusters=base.clusters, recorders=recorders, clock=base.clock),
        history=base.history,
        bus=base.bus,
        clock=base.clock,
        settings=base.settings,
    )


def _recorder(base: _Foundation, cluster: Cluster, cluster_settings: ClusterSettings) -> Recorder:
    settings = base.settings
    return Recorder(
        cluster=cluster,
        history=base.history,
        bus=base.bus,
        clock=base.clock,
        namespaces=cluster_settings.namespaces,
        grace=lambda: timedelta(seconds=settings().late_after_seconds),
        controller_zone=lambda: settings().controller_zone,
        told=partial(base.bus.publish, ActingChanged(cluster.id)),
    )


def _leadership(base: _Foundation, cluster: Cluster, holder: str) -> Leadership:
    return Leadership(
        cluster=cluster,
        namespace=base.settings().namespace,
        holder=holder,
        clock=base.clock,
        changed=partial(base.bus.publish, ActingChanged(cluster.id)),
    )


def _compose_storages(base: _Foundation, cronjobs: CronJobService) -> _RepositoryLayer:
    queues = RepositoryQueues()
    runners = JobRunners(clusters=base.clusters, clock=base.clock, recorders=cronjobs.recorders)
    index = RepositoryIndex(base.history, base.clock)
    jobs = RepositoryJobs(
        clusters=base.clusters,
        history=base.history,
        clock=base.clock,
        settings=base.settings,
        queues=queues,
        runners=runners,
    )
    stale_locks = StaleLocks(
        clusters=base.clusters, history=base.history, repositories=jobs, clock=base.clock
    )
    maintenance = RepositoryMaintenance(jobs, stale_locks, queues)
    provisioner = StorageProvisioner(jobs=jobs, queues=queues, clock=base.clock, settings=base.settings)
    storages = StorageService(
        clusters=base.clusters,
        history=base.history,
        bus=base.bus,
        clock=base.clock,
        settings=base.settings,
        queues=queues,
        jobs=jobs,
        provisioner=provisioner,
        supervisor=base.supervisor,
    )
    upkeep = StorageUpkeep(
        storages=storages,
        index=index,
        jobs=jobs,
        maintenance=maintenance,
        provisioner=provisioner,
        history=base.history,
        bus=base.bus,
        clock=base.clock,
        settings=base.settings,
        supervisor=base.supervisor,
        leads=cronjobs.leads,
    )
    return _RepositoryLayer(
        queues=queues,
        runners=runners,
        jobs=jobs,
        index=index,
        stale_locks=stale_locks,
        version_probe=VersionProbe(runners, base.settings),
        maintenance=maintenance,
        storages=storages,
        upkeep=upkeep,
    )


def _compose_backups(
    base: _Foundation, cronjobs: CronJobService, repositories: _RepositoryLayer
) -> _BackupLayer:
    policies = PolicyLookup(cronjobs)
    records = BackupRecords(base.history, base.bus, base.clusters)
    logs = BackupLogs(base.history)
    planner = BackupPlanner(
        cronjobs=cronjobs,
        policies=policies,
        records=records,
        archiver=_archiver(base, cronjobs, repositories, records, logs),
        history=base.history,
        bus=base.bus,
        clock=base.clock,
        settings=base.settings,
        supervisor=base.supervisor,
    )
    backups = BackupService(
        cronjobs=cronjobs, records=records, planner=planner, history=base.history, clock=base.clock
    )
    retention = RetentionService(
        cronjobs=cronjobs,
        policies=policies,
        records=records,
        index=repositories.index,
        storages=repositories.storages,
        upkeep=repositories.upkeep,
        maintenance=repositories.maintenance,
        queues=repositories.queues,
        bus=base.bus,
        clock=base.clock,
        settings=base.settings,
        supervisor=base.supervisor,
    )
    policy_faults = PolicyFaults(
        cronjobs=cronjobs, bus=base.bus, clock=base.clock, supervisor=base.supervisor
    )
    return _BackupLayer(
        policies=policies,
        records=records,
        logs=logs,
        planner=planner,
        backups=backups,
        retention=retention,
        policy_faults=policy_faults,
    )


def _archiver(
    base: _Foundation,
    cronjobs: CronJobService,
    repositories: _RepositoryLayer,
    records: BackupRecords,
    logs: BackupLogs,
) -> Archiver:
    hooks = HookRunner(
        records=records,
        logs=logs,
        repository_jobs=repositories.jobs,
        runners=repositories.runners,
        clock=base.clock,
        settings=base.settings,
    )
    return Archiver(
        clusters=base.clusters,
        works=ArchiveWorkResolver(cronjobs=cronjobs, storages=repositories.storages),
        records=records,
        logs=logs,
        hooks=hooks,
        repository_jobs=repositories.jobs,
        index=repositories.index,
        stale_locks=repositories.stale_locks,
        version_probe=repositories.version_probe,
        queues=repositories.queues,
        clock=base.clock,
        settings=base.settings,
    )


def _compose_restores(
    base: _Foundation, cronjobs: CronJobService, repositories: _RepositoryLayer, backups: _BackupLayer
) -> RestoreService:
    jobs = RestoreJobs(runners=repositories.runners, repository_jobs=repositories.jobs)
    records = RestoreRecords(base.history, base.bus, base.clock)
    checksums = Manifests(Path(base.settings().state) / "manifests")
    snapshots = Snapshots(
        jobs=jobs,
        backups=backups.records,
        storages=repositories.storages,
        queues=repositories.queues,
        clock=base.clock,
        settings=base.settings,
        supervisor=base.supervisor,
    )
    planner = Planner(
        cronjobs=cronjobs,
        storages=repositories.storages,
        snapshots=snapshots,
        jobs=jobs,
        settings=base.settings,
    )
    drills = Drills(
        cronjobs=cronjobs,
        backups=backups.records,
        records=records,
        history=base.history,
        clock=base.clock,
        settings=base.settings,
    )
    checksum_jobs = Maker(
        backups=backups.records,
        policies=backups.policies,
        queues=repositories.queues,
        snapshots=snapshots,
        jobs=jobs,
        kept=checksums,
        bus=base.bus,
        clock=base.clock,
        settings=base.settings,
        supervisor=base.supervisor,
    )
    restorer = Restorer(
        cronjobs=cronjobs,
        backups=backups.records,
        policies=backups.policies,
        queues=repositories.queues,
        records=records,
        snapshots=snapshots,
        planner=planner,
        jobs=jobs,
        sums=checksums,
        history=base.history,
        clock=base.clock,
        settings=base.settings,
    )
    return RestoreService(
        cronjobs=cronjobs,
        history=base.history,
        records=records,
        snapshots=snapshots,
        planner=planner,
        restorer=restorer,
        drills=drills,
        checksum_jobs=checksum_jobs,
        downloads=Downloads(
            queues=repositories.queues, snapshots=snapshots, jobs=jobs, settings=base.settings
        ),
        bus=base.bus,
        clock=base.clock,
        supervisor=base.supervisor,
    )


def _compose_services(
    base: _Foundation,
    cronjobs: CronJobService,
    repositories: _RepositoryLayer,
    backups: _BackupLayer,
    restores: RestoreService,
) -> Services:
    history = base.history
    clock = base.clock
    settings = base.settings
    schedules = ScheduleService(cronjobs=cronjobs, history=history, clock=clock, settings=settings)
    extended = ExtendedService(
        cronjobs=cronjobs,
        backups=backups.backups,
        storages=repositories.storages,
        probe=repositories.version_probe,
        records=backups.records,
        history=history,
        schedules=schedules,
    )
    applying = Applying(cronjobs, extended, repositories.storages)
    folder = settings().manifests
    metrics = Metrics()
    alerts = AlertService(
        inputs=ServiceAlertInputs(
            cronjobs=cronjobs, extended=extended, storages=repositories.storages, schedules=schedules
        ),
        history=history,
        bus=base.bus,
        clock=clock,
        settings=settings,
        supervisor=base.supervisor,
        cluster=base.clusters.first,
        registry=metrics.registry,
    )
    return Services(
        cronjobs=cronjobs,
        backups=backups.backups,
        backup_records=backups.records,
        backup_logs=backups.logs,
        policies=backups.policies,
        retention=backups.retention,
        storages=repositories.storages,
        storage_upkeep=repositories.upkeep,
        restores=restores,
        extended=extended,
        schedules=schedules,
        applying=applying,
        dropins=DropIns(
            folder=Path(folder) if folder else None,
            applying=applying,
            bus=base.bus,
            clock=clock,
            cronjobs=cronjobs,
        ),
        doctor=Doctor(
            cronjobs=cronjobs,
            storages=repositories.storages,
            history=history,
            clock=clock,
            settings=settings,
        ),
        history=history,
        live=LiveChanges(cronjobs=cronjobs, extended=extended, history=history, bus=base.bus, clock=clock),
        clock=clock,
        settings=settings,
        operations=Operations(history, clock, base.supervisor),
        answers=Answers(history, clock),
        limits=Limits(clock, lambda: settings().limits),
        metrics=metrics,
        alerts=alerts,
    )
