"""Composition of the services over all layers, and of what the HTTP server needs."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from kronkeep_daemon.alert_inputs import ServiceAlertInputs
from kronkeep_daemon.alerts import AlertService
from kronkeep_daemon.alerts.shared_alerts import SharedAlerts
from kronkeep_daemon.apply import ManifestApplier
from kronkeep_daemon.composition.backup_layer import BackupLayer
from kronkeep_daemon.composition.copy_layer import CopyLayer
from kronkeep_daemon.composition.foundation import Foundation
from kronkeep_daemon.composition.metrics_layer import compose_exposition
from kronkeep_daemon.composition.repository_layer import RepositoryLayer
from kronkeep_daemon.composition.restore_layer import RestoreLayer
from kronkeep_daemon.coverage.service import CoverageService
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.cronjobs.run_reader import RunReader
from kronkeep_daemon.cronjobs_with_backups import ExtendedCronJobService
from kronkeep_daemon.doctor import Doctor
from kronkeep_daemon.http.computed_changes import ComputedChanges
from kronkeep_daemon.http.idempotency import AnswerStore
from kronkeep_daemon.http.metrics import RequestMetrics
from kronkeep_daemon.http.operations import OperationService
from kronkeep_daemon.http.services import Services
from kronkeep_daemon.http.user_limits import UserLimits
from kronkeep_daemon.maintenance_service import MaintenanceService
from kronkeep_daemon.manifest_folder import ManifestFolder
from kronkeep_daemon.restores.exclude_preview import ExcludePreview
from kronkeep_daemon.restores.snapshot_search import SnapshotSearch
from kronkeep_daemon.settings import LimitSettings, Settings
from kronkeep_daemon.sinks.service import SinkService


def compose_services(
    base: Foundation,
    cronjobs: CronJobService,
    repositories: RepositoryLayer,
    backups: BackupLayer,
    *,
    copies: CopyLayer,
    restores: RestoreLayer,
) -> Services:
    history = base.history
    clock = base.clock
    settings = base.settings
    schedules = backups.schedules
    extended = ExtendedCronJobService(
        cronjobs=cronjobs,
        backups=backups.backups,
        storages=repositories.storages,
        probe=repositories.version_probe,
        records=backups.records,
        history=history,
        schedules=schedules,
        exclude_preview=ExcludePreview(restores.snapshots, history),
        predictor=restores.predictor,
        copies=copies.copies,
        copy_checks=copies.checks,
    )
    applying = ManifestApplier(cronjobs, extended, repositories.storages)
    folder = settings().manifests
    metrics = RequestMetrics()
    sinks = SinkService(
        history=history,
        clock=clock,
        settings=settings,
        supervisor=base.supervisor,
        clusters=base.clusters,
    )
    coverage = CoverageService(
        cronjobs=cronjobs, storages=repositories.storages, history=history, clock=clock
    )
    shared = SharedAlerts(base.clusters, partial(_own_namespace, settings), clock)
    maintenances = MaintenanceService(
        cronjobs=cronjobs,
        extended=extended,
        history=history,
        clock=clock,
        supervisor=base.supervisor,
        shared=shared,
    )
    alerts = AlertService(
        inputs=ServiceAlertInputs(
            cronjobs=cronjobs,
            extended=extended,
            storages=repositories.storages,
            schedules=schedules,
            sinks=sinks,
            coverage=coverage,
            maintenances=maintenances,
        ),
        history=history,
        bus=base.bus,
        clock=clock,
        settings=settings,
        supervisor=base.supervisor,
        clusters=base.clusters,
        shared=shared,
        registry=metrics.registry,
    )
    return Services(
        clusters=base.clusters,
        cronjobs=cronjobs,
        run_reader=RunReader(
            history=history, clusters=base.clusters, recorders=cronjobs.recorders, clock=clock
        ),
        backups=backups.backups,
        backup_records=backups.records,
        backup_logs=backups.logs,
        copies=copies.copies,
        copy_records=copies.records,
        copy_planner=copies.planner,
        copy_retention=copies.retention,
        policies=backups.policies,
        retention=backups.retention,
        reconciliation=backups.reconciliation,
        snapshot_imports=backups.snapshot_imports,
        queues=repositories.queues,
        coverage=coverage,
        orphans=backups.orphans,
        storages=repositories.storages,
        storage_upkeep=repositories.upkeep,
        addresses=repositories.addresses,
        secrets=repositories.secrets,
        key_rotations=repositories.key_rotations,
        layout_moves=copies.layout_moves,
        recovery_kits=repositories.recovery_kits,
        history_archives=repositories.history_archives,
        restores=restores.restores,
        restorable=restores.restorable,
        restore_records=restores.records,
        snapshots=restores.snapshots,
        downloads=restores.downloads,
        tar_downloads=restores.tar_downloads,
        snapshot_search=SnapshotSearch(
            listings=restores.snapshots, history=history, clock=clock, supervisor=base.supervisor
        ),
        extended=extended,
        schedules=schedules,
        manifest_applier=applying,
        manifest_folder=ManifestFolder(
            folder=Path(folder) if folder else None,
            applying=applying,
            bus=base.bus,
            clock=clock,
            cronjobs=cronjobs,
        ),
        doctor=Doctor(
            cronjobs=cronjobs,
            storages=repositories.storages,
            orphans=backups.orphans,
            history=history,
            settings=settings,
            sinks=sinks,
        ),
        history=history,
        sinks=sinks,
        live=ComputedChanges(
            cronjobs=cronjobs, extended=extended, history=history, bus=base.bus, clock=clock
        ),
        clock=clock,
        settings=settings,
        operations=OperationService(history, clock, base.supervisor),
        answers=AnswerStore(history, clock),
        limits=UserLimits(clock, partial(_limits_of, settings)),
        metrics=metrics,
        exposition=compose_exposition(
            base,
            cronjobs=cronjobs,
            repositories=repositories,
            extended=extended,
            alerts=alerts,
            registry=metrics.registry,
            sinks=sinks,
        ),
        alerts=alerts,
        maintenances=maintenances,
    )


def _own_namespace(settings: Callable[[], Settings]) -> str:
    return settings().namespace


def _limits_of(settings: Callable[[], Settings]) -> LimitSettings:
    return settings().limits
