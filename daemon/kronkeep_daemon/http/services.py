"""The services that routes use; the composition root creates them."""

from collections.abc import Callable
from typing import NamedTuple

from kronkeep_common.clock import Clock
from kronkeep_daemon.alerts import AlertService
from kronkeep_daemon.apply import ManifestApplier
from kronkeep_daemon.backups.backup_logs import BackupLogs
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.orphaned_policies import OrphanedPolicies
from kronkeep_daemon.backups.policy_lookup import PolicyLookup
from kronkeep_daemon.backups.retention_service import RetentionService
from kronkeep_daemon.backups.service import BackupService
from kronkeep_daemon.backups.snapshot_imports import SnapshotImports
from kronkeep_daemon.backups.snapshot_reconciliation import SnapshotReconciliation
from kronkeep_daemon.copies.copy_planner import CopyPlanner
from kronkeep_daemon.copies.copy_records import CopyRecords
from kronkeep_daemon.copies.copy_retention import CopyRetention
from kronkeep_daemon.copies.copy_service import CopyService
from kronkeep_daemon.copies.layout_moves import LayoutMoves
from kronkeep_daemon.coverage.service import CoverageService
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.cronjobs.run_reader import RunReader
from kronkeep_daemon.cronjobs_with_backups import ExtendedCronJobService
from kronkeep_daemon.doctor import Doctor
from kronkeep_daemon.history import History
from kronkeep_daemon.http.computed_changes import ComputedChanges
from kronkeep_daemon.http.idempotency import AnswerStore
from kronkeep_daemon.http.metrics import RequestMetrics
from kronkeep_daemon.http.operations import OperationService
from kronkeep_daemon.http.user_limits import UserLimits
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.maintenance_service import MaintenanceService
from kronkeep_daemon.manifest_folder import ManifestFolder
from kronkeep_daemon.metrics import Exposition
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository_secrets import RepositorySecrets
from kronkeep_daemon.restores.file_download import FileDownloads
from kronkeep_daemon.restores.restorable_backups import RestorableBackups
from kronkeep_daemon.restores.restore_records import RestoreRecords
from kronkeep_daemon.restores.service import RestoreService
from kronkeep_daemon.restores.snapshot_listing import SnapshotListings
from kronkeep_daemon.restores.snapshot_search import SnapshotSearch
from kronkeep_daemon.restores.tar_download import TarDownloads
from kronkeep_daemon.schedule_service import ScheduleService
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.sinks.service import SinkService
from kronkeep_daemon.storages.address_change import AddressChanges
from kronkeep_daemon.storages.history_archives import HistoryArchives
from kronkeep_daemon.storages.key_rotation import KeyRotations
from kronkeep_daemon.storages.recovery_kit import RecoveryKits
from kronkeep_daemon.storages.service import StorageService
from kronkeep_daemon.storages.upkeep import StorageUpkeep


class Services(NamedTuple):
    """Every service of the daemon, by its field of work."""

    clusters: Clusters
    cronjobs: CronJobService
    run_reader: RunReader
    backups: BackupService
    backup_records: BackupRecords
    backup_logs: BackupLogs
    copies: CopyService
    copy_records: CopyRecords
    copy_planner: CopyPlanner
    copy_retention: CopyRetention
    policies: PolicyLookup
    retention: RetentionService
    reconciliation: SnapshotReconciliation
    snapshot_imports: SnapshotImports
    queues: RepositoryQueues
    coverage: CoverageService
    orphans: OrphanedPolicies
    storages: StorageService
    storage_upkeep: StorageUpkeep
    addresses: AddressChanges
    secrets: RepositorySecrets
    key_rotations: KeyRotations
    layout_moves: LayoutMoves
    recovery_kits: RecoveryKits
    history_archives: HistoryArchives
    restores: RestoreService
    restorable: RestorableBackups
    restore_records: RestoreRecords
    snapshots: SnapshotListings
    downloads: FileDownloads
    tar_downloads: TarDownloads
    snapshot_search: SnapshotSearch
    extended: ExtendedCronJobService
    schedules: ScheduleService
    manifest_applier: ManifestApplier
    manifest_folder: ManifestFolder
    doctor: Doctor
    history: History
    sinks: SinkService
    live: ComputedChanges
    clock: Clock
    settings: Callable[[], Settings]
    operations: OperationService
    answers: AnswerStore
    limits: UserLimits
    metrics: RequestMetrics
    exposition: Exposition
    alerts: AlertService
    maintenances: MaintenanceService
