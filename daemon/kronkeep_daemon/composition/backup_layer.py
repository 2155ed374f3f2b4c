"""Composition of policies, archives and retention."""

import msgspec

from kronkeep_daemon.backups.archive_inputs import ArchiveInputsResolver
from kronkeep_daemon.backups.archiver import Archiver
from kronkeep_daemon.backups.attempt_runner import AttemptRunner
from kronkeep_daemon.backups.backup_event_reporter import BackupEventReporter
from kronkeep_daemon.backups.backup_logs import BackupLogs
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.first_comparisons import FirstComparisons
from kronkeep_daemon.backups.hook_runner import HookRunner
from kronkeep_daemon.backups.orphaned_policies import OrphanedPolicies
from kronkeep_daemon.backups.planner import BackupPlanner
from kronkeep_daemon.backups.policy_fault_reporter import PolicyFaultReporter
from kronkeep_daemon.backups.policy_lookup import PolicyLookup
from kronkeep_daemon.backups.retention_service import RetentionService
from kronkeep_daemon.backups.service import BackupService
from kronkeep_daemon.backups.shared_unusual import SharedUnusual
from kronkeep_daemon.backups.snapshot_imports import SnapshotImports
from kronkeep_daemon.backups.snapshot_reconciliation import SnapshotReconciliation
from kronkeep_daemon.backups.volume_copies import VolumeCopies
from kronkeep_daemon.backups.volume_copy_sweep import VolumeCopySweep
from kronkeep_daemon.composition.foundation import Foundation
from kronkeep_daemon.composition.repository_layer import RepositoryLayer
from kronkeep_daemon.copies.copy_reconciliation import CopyReconciliation
from kronkeep_daemon.copies.copy_records import CopyRecords
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.schedule_service import ScheduleService


class BackupLayer(msgspec.Struct, frozen=True, kw_only=True):
    """The objects for policies, archives and retention."""

    policies: PolicyLookup
    records: BackupRecords
    logs: BackupLogs
    planner: BackupPlanner
    backups: BackupService
    retention: RetentionService
    reconciliation: SnapshotReconciliation
    snapshot_imports: SnapshotImports
    orphans: OrphanedPolicies
    copy_records: CopyRecords
    copy_reconciliation: CopyReconciliation
    schedules: ScheduleService
    policy_faults: PolicyFaultReporter
    backup_events: BackupEventReporter
    volume_copy_sweep: VolumeCopySweep


def compose_backups(base: Foundation, cronjobs: CronJobService, repositories: RepositoryLayer) -> BackupLayer:
    policies = PolicyLookup(cronjobs)
    records = BackupRecords(base.history, base.bus, base.clusters)
    logs = BackupLogs(base.history)
    volume_copies = VolumeCopies(runners=repositories.runners, clock=base.clock, settings=base.settings)
    copy_records = CopyRecords(base.history, base.bus, base.clock)
    copy_reconciliation = CopyReconciliation(records=copy_records, history=base.history, clock=base.clock)
    first_comparisons = FirstComparisons(
        find_storage=repositories.storages.find, acting=cronjobs.leads, bus=base.bus, clock=base.clock
    )
    reconciliation = SnapshotReconciliation(
        records=records,
        copies=copy_reconciliation,
        unusual=SharedUnusual(
            clusters=base.clusters,
            bus=base.bus,
            clock=base.clock,
            settings=base.settings,
            supervisor=base.supervisor,
        ),
        first_comparisons=first_comparisons,
        index=repositories.index,
        passwords=repositories.passwords,
        storages=repositories.storages,
        upkeep=repositories.upkeep,
        maintenance=repositories.maintenance,
        queues=repositories.queues,
        cronjobs=cronjobs,
        policies=policies,
        history=base.history,
        bus=base.bus,
        clock=base.clock,
        supervisor=base.supervisor,
    )
    planner = BackupPlanner(
        cronjobs=cronjobs,
        policies=policies,
        records=records,
        first_comparisons=first_comparisons,
        archiver=_archiver(
            base,
            cronjobs,
            repositories,
            records,
            logs=logs,
            volume_copies=volume_copies,
            reconciliation=reconciliation,
        ),
        history=base.history,
        bus=base.bus,
        clock=base.clock,
        settings=base.settings,
        supervisor=base.supervisor,
    )
    backups = BackupService(
        cronjobs=cronjobs, records=records, planner=planner, history=base.history, clock=base.clock
    )
    orphans = OrphanedPolicies(cronjobs=cronjobs, policies=policies, records=records, clock=base.clock)
    retention = RetentionService(
        cronjobs=cronjobs,
        policies=policies,
        records=records,
        index=repositories.index,
        storages=repositories.storages,
        upkeep=repositories.upkeep,
        maintenance=repositories.maintenance,
        reconciliation=reconciliation,
        orphans=orphans,
        queues=repositories.queues,
        bus=base.bus,
        clock=base.clock,
        settings=base.settings,
        supervisor=base.supervisor,
    )
    schedules = ScheduleService(
        cronjobs=cronjobs, history=base.history, clock=base.clock, settings=base.settings
    )
    policy_faults = PolicyFaultReporter(
        cronjobs=cronjobs,
        storages=repositories.storages,
        find_conflict=schedules.find_conflict,
        bus=base.bus,
        clock=base.clock,
        supervisor=base.supervisor,
    )
    backup_events = BackupEventReporter(
        cronjobs=cronjobs,
        history=base.history,
        bus=base.bus,
        clock=base.clock,
        supervisor=base.supervisor,
    )
    return BackupLayer(
        policies=policies,
        records=records,
        logs=logs,
        planner=planner,
        backups=backups,
        retention=retention,
        reconciliation=reconciliation,
        snapshot_imports=SnapshotImports(
            cronjobs=cronjobs,
            policies=policies,
            storages=repositories.storages,
            maintenance=repositories.maintenance,
            queues=repositories.queues,
            reconciliation=reconciliation,
        ),
        orphans=orphans,
        copy_records=copy_records,
        copy_reconciliation=copy_reconciliation,
        schedules=schedules,
        policy_faults=policy_faults,
        backup_events=backup_events,
        volume_copy_sweep=VolumeCopySweep(
            cronjobs=cronjobs, copies=volume_copies, history=base.history, clock=base.clock
        ),
    )


def _archiver(
    base: Foundation,
    cronjobs: CronJobService,
    repositories: RepositoryLayer,
    records: BackupRecords,
    *,
    logs: BackupLogs,
    volume_copies: VolumeCopies,
    reconciliation: SnapshotReconciliation,
) -> Archiver:
    hooks = HookRunner(
        records=records,
        logs=logs,
        repository_jobs=repositories.jobs,
        runners=repositories.runners,
        queues=repositories.queues,
        clock=base.clock,
        settings=base.settings,
    )
    attempts = AttemptRunner(
        records=records,
        logs=logs,
        hooks=hooks,
        repository_jobs=repositories.jobs,
        index=repositories.index,
        maker=repositories.maker,
        queues=repositories.queues,
        lock_removal=repositories.lock_removal,
        version_probe=repositories.version_probe,
        volume_copies=volume_copies,
        clock=base.clock,
        settings=base.settings,
    )
    return Archiver(
        inputs=ArchiveInputsResolver(cronjobs=cronjobs, storages=repositories.storages, history=base.history),
        attempts=attempts,
        records=records,
        hooks=hooks,
        volume_copies=volume_copies,
        repository_jobs=repositories.jobs,
        lock_removal=repositories.lock_removal,
        reconciliation=reconciliation,
        clock=base.clock,
    )
