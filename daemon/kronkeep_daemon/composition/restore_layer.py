"""Composition of restores, drills and browsing of snapshots."""

from pathlib import Path

import msgspec

from kronkeep_daemon.composition.backup_layer import BackupLayer
from kronkeep_daemon.composition.copy_layer import CopyLayer
from kronkeep_daemon.composition.foundation import Foundation
from kronkeep_daemon.composition.repository_layer import RepositoryLayer
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.restores.backup_places import BackupPlaces
from kronkeep_daemon.restores.checksum_jobs import ChecksumJobs
from kronkeep_daemon.restores.checksums import ChecksumStore
from kronkeep_daemon.restores.drills import Drills
from kronkeep_daemon.restores.duration_prediction import RestorePredictor
from kronkeep_daemon.restores.file_download import FileDownloads
from kronkeep_daemon.restores.restorable_backups import RestorableBackups
from kronkeep_daemon.restores.restore_plan import RestorePlanner
from kronkeep_daemon.restores.restore_records import RestoreRecords
from kronkeep_daemon.restores.restore_runner import RestoreRunner
from kronkeep_daemon.restores.service import RestoreService
from kronkeep_daemon.restores.snapshot_jobs import SnapshotJobs
from kronkeep_daemon.restores.snapshot_listing import SnapshotListings
from kronkeep_daemon.restores.tar_download import TarDownloads
from kronkeep_daemon.restores.target_cleanup import TargetCleanup


class RestoreLayer(msgspec.Struct, frozen=True, kw_only=True):
    """The objects for restores, drills and browsing of snapshots."""

    records: RestoreRecords
    snapshots: SnapshotListings
    downloads: FileDownloads
    tar_downloads: TarDownloads
    restores: RestoreService
    restorable: RestorableBackups
    predictor: RestorePredictor


def compose_restores(
    base: Foundation,
    cronjobs: CronJobService,
    repositories: RepositoryLayer,
    backups: BackupLayer,
    copies: CopyLayer,
) -> RestoreLayer:
    jobs = SnapshotJobs(runners=repositories.runners, repository_jobs=repositories.jobs)
    records = RestoreRecords(base.history, base.bus, base.clock)
    checksums = ChecksumStore(Path(base.settings().state) / "manifests")
    places = BackupPlaces(backups=backups.records, copies=copies.records, storages=repositories.storages)
    snapshots = SnapshotListings(
        jobs=jobs,
        backups=backups.records,
        places=places,
        storages=repositories.storages,
        queues=repositories.queues,
        reconciliation=backups.reconciliation,
        settings=base.settings,
        supervisor=base.supervisor,
    )
    predictor = RestorePredictor(base.history, base.clock)
    restorable = RestorableBackups(history=base.history, places=places, storages=repositories.storages)
    planner = RestorePlanner(
        predictor=predictor,
        restorable=restorable,
        cronjobs=cronjobs,
        storages=repositories.storages,
        snapshots=snapshots,
        jobs=jobs,
        settings=base.settings,
    )
    drills = Drills(
        cronjobs=cronjobs,
        backups=backups.records,
        copies=copies.records,
        records=records,
        history=base.history,
        clock=base.clock,
        settings=base.settings,
    )
    checksum_jobs = ChecksumJobs(
        backups=backups.records,
        policies=backups.policies,
        queues=repositories.queues,
        snapshots=snapshots,
        jobs=jobs,
        store=checksums,
        bus=base.bus,
        clock=base.clock,
        settings=base.settings,
        supervisor=base.supervisor,
    )
    cleanup = TargetCleanup(records=records, snapshots=snapshots, jobs=jobs, settings=base.settings)
    restore_runner = RestoreRunner(
        cronjobs=cronjobs,
        backups=backups.records,
        copies=copies.records,
        policies=backups.policies,
        queues=repositories.queues,
        records=records,
        snapshots=snapshots,
        planner=planner,
        jobs=jobs,
        checksums=checksums,
        cleanup=cleanup,
        version_probe=repositories.version_probe,
        history=base.history,
        clock=base.clock,
        settings=base.settings,
    )
    restores = RestoreService(
        cronjobs=cronjobs,
        history=base.history,
        records=records,
        snapshots=snapshots,
        planner=planner,
        restore_runner=restore_runner,
        drills=drills,
        checksum_jobs=checksum_jobs,
        bus=base.bus,
        clock=base.clock,
        supervisor=base.supervisor,
    )
    return RestoreLayer(
        records=records,
        snapshots=snapshots,
        downloads=FileDownloads(
            queues=repositories.queues, snapshots=snapshots, jobs=jobs, settings=base.settings
        ),
        tar_downloads=TarDownloads(
            queues=repositories.queues, snapshots=snapshots, jobs=jobs, settings=base.settings
        ),
        restores=restores,
        restorable=restorable,
        predictor=predictor,
    )
