"""Composition of the copies of backups in other storages."""

import msgspec

from kronkeep_daemon.composition.backup_layer import BackupLayer
from kronkeep_daemon.composition.foundation import Foundation
from kronkeep_daemon.composition.repository_layer import RepositoryLayer
from kronkeep_daemon.copies.copier import Copier
from kronkeep_daemon.copies.copy_checks import CopyChecks
from kronkeep_daemon.copies.copy_planner import CopyPlanner
from kronkeep_daemon.copies.copy_records import CopyRecords
from kronkeep_daemon.copies.copy_retention import CopyRetention
from kronkeep_daemon.copies.copy_service import CopyService
from kronkeep_daemon.copies.layout_moves import LayoutMoves
from kronkeep_daemon.copies.moved_copies import MovedCopies
from kronkeep_daemon.cronjobs import CronJobService


class CopyLayer(msgspec.Struct, frozen=True, kw_only=True):
    """The objects for copies of backups."""

    records: CopyRecords
    planner: CopyPlanner
    checks: CopyChecks
    copies: CopyService
    retention: CopyRetention
    layout_moves: LayoutMoves


def compose_copies(
    base: Foundation, cronjobs: CronJobService, repositories: RepositoryLayer, backups: BackupLayer
) -> CopyLayer:
    records = backups.copy_records
    copier = Copier(
        records=records,
        backups=backups.records,
        policies=backups.policies,
        storages=repositories.storages,
        logs=backups.logs,
        repository_jobs=repositories.jobs,
        index=repositories.index,
        maker=repositories.maker,
        queues=repositories.queues,
        lock_removal=repositories.lock_removal,
        version_probe=repositories.version_probe,
        clock=base.clock,
        settings=base.settings,
    )
    planner = CopyPlanner(
        cronjobs=cronjobs,
        records=records,
        backups=backups.records,
        copier=copier,
        history=base.history,
        bus=base.bus,
        clock=base.clock,
        settings=base.settings,
        supervisor=base.supervisor,
    )
    return CopyLayer(
        records=records,
        planner=planner,
        checks=CopyChecks(storages=repositories.storages, repository_jobs=repositories.jobs),
        copies=CopyService(records=records, backups=backups.records, history=base.history, clock=base.clock),
        retention=CopyRetention(
            cronjobs=cronjobs,
            policies=backups.policies,
            records=records,
            backups=backups.records,
            reconciliation=backups.copy_reconciliation,
            storages=repositories.storages,
            orphans=backups.orphans,
            index=repositories.index,
            maintenance=repositories.maintenance,
            queues=repositories.queues,
            bus=base.bus,
            clock=base.clock,
            settings=base.settings,
            supervisor=base.supervisor,
        ),
        layout_moves=LayoutMoves(
            storages=repositories.storages,
            records=backups.records,
            copies=MovedCopies(records, base.history),
            history=base.history,
            index=repositories.index,
            maker=repositories.maker,
            maintenance=repositories.maintenance,
            reconciliation=backups.reconciliation,
            retention=backups.retention,
            queues=repositories.queues,
            clock=base.clock,
            supervisor=base.supervisor,
        ),
    )
