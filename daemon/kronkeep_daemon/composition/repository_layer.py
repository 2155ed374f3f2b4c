"""Composition of storages and of the work on their restic repositories."""

import msgspec

from kronkeep_daemon.composition.foundation import Foundation
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.jobs.owned_objects import ObjectTokens
from kronkeep_daemon.jobs.runner import JobRunners
from kronkeep_daemon.repositories.credential_copies import CredentialCopies
from kronkeep_daemon.repositories.folder_passwords import FolderPasswords
from kronkeep_daemon.repositories.lock_removal import LockRemoval
from kronkeep_daemon.repositories.maintenance import RepositoryMaintenance
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository_creation import RepositoryMaker
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs
from kronkeep_daemon.repositories.repository_secrets import RepositorySecrets
from kronkeep_daemon.repositories.stale_locks import StaleLocks
from kronkeep_daemon.repositories.version_probe import VersionProbe
from kronkeep_daemon.storages.address_change import AddressChanges
from kronkeep_daemon.storages.fault_tests import StorageFaultTests
from kronkeep_daemon.storages.history_archives import HistoryArchives
from kronkeep_daemon.storages.key_rotation import KeyRotations
from kronkeep_daemon.storages.provisioner import StorageProvisioner
from kronkeep_daemon.storages.recovery_kit import RecoveryKits
from kronkeep_daemon.storages.rotated_secrets import RotatedSecrets
from kronkeep_daemon.storages.service import StorageService
from kronkeep_daemon.storages.upkeep import StorageUpkeep


class RepositoryLayer(msgspec.Struct, frozen=True, kw_only=True):
    """The objects for work on restic repositories, and for the storages that they are in."""

    queues: RepositoryQueues
    runners: JobRunners
    jobs: RepositoryJobs
    index: RepositoryIndex
    passwords: FolderPasswords
    maker: RepositoryMaker
    lock_removal: LockRemoval
    version_probe: VersionProbe
    maintenance: RepositoryMaintenance
    storages: StorageService
    upkeep: StorageUpkeep
    fault_tests: StorageFaultTests
    addresses: AddressChanges
    secrets: RepositorySecrets
    key_rotations: KeyRotations
    recovery_kits: RecoveryKits
    history_archives: HistoryArchives


def compose_repositories(base: Foundation, cronjobs: CronJobService) -> RepositoryLayer:
    queues = RepositoryQueues(clock=base.clock, settings=base.settings)
    runners = JobRunners(
        clusters=base.clusters,
        clock=base.clock,
        tokens=ObjectTokens(history=base.history, clock=base.clock),
        recorders=cronjobs.recorders,
        settings=base.settings,
    )
    index = RepositoryIndex(base.history, base.clock, base.bus)
    secrets = RepositorySecrets(clusters=base.clusters, settings=base.settings)
    copies = CredentialCopies(
        clusters=base.clusters, history=base.history, clock=base.clock, secrets=secrets, runners=runners
    )
    jobs = RepositoryJobs(
        clusters=base.clusters, settings=base.settings, queues=queues, copies=copies, runners=runners
    )
    passwords = FolderPasswords(clusters=base.clusters, settings=base.settings)
    maker = RepositoryMaker(jobs=jobs, index=index, queues=queues, passwords=passwords)
    stale_locks = StaleLocks(clusters=base.clusters, history=base.history, jobs=jobs, clock=base.clock)
    maintenance = RepositoryMaintenance(jobs=jobs, index=index, stale_locks=stale_locks, queues=queues)
    provisioner = StorageProvisioner(
        jobs=jobs, index=index, secrets=secrets, queues=queues, clock=base.clock, settings=base.settings
    )
    storages = StorageService(
        clusters=base.clusters,
        history=base.history,
        bus=base.bus,
        clock=base.clock,
        settings=base.settings,
        queues=queues,
        jobs=jobs,
        secrets=secrets,
        provisioner=provisioner,
        supervisor=base.supervisor,
    )
    upkeep = StorageUpkeep(
        storages=storages,
        index=index,
        copies=copies,
        secrets=secrets,
        maintenance=maintenance,
        provisioner=provisioner,
        queues=queues,
        history=base.history,
        bus=base.bus,
        clock=base.clock,
        settings=base.settings,
        supervisor=base.supervisor,
        leads=cronjobs.leads,
    )
    return RepositoryLayer(
        queues=queues,
        runners=runners,
        jobs=jobs,
        index=index,
        passwords=passwords,
        maker=maker,
        lock_removal=LockRemoval(queues=queues, stale_locks=stale_locks, supervisor=base.supervisor),
        version_probe=VersionProbe(runners=runners, settings=base.settings),
        maintenance=maintenance,
        storages=storages,
        upkeep=upkeep,
        fault_tests=StorageFaultTests(
            storages=storages,
            upkeep=upkeep,
            bus=base.bus,
            clock=base.clock,
            supervisor=base.supervisor,
            leads=cronjobs.leads,
        ),
        addresses=AddressChanges(
            storages=storages,
            index=index,
            jobs=jobs,
            maintenance=maintenance,
            secrets=secrets,
            queues=queues,
            clock=base.clock,
        ),
        secrets=secrets,
        key_rotations=KeyRotations(
            storages=storages,
            index=index,
            maintenance=maintenance,
            secrets=RotatedSecrets(clusters=base.clusters, secrets=secrets, settings=base.settings),
            queues=queues,
            clock=base.clock,
            supervisor=base.supervisor,
        ),
        recovery_kits=RecoveryKits(
            storages=storages,
            index=index,
            secrets=secrets,
            bus=base.bus,
            clock=base.clock,
            supervisor=base.supervisor,
        ),
        history_archives=HistoryArchives(
            storages=storages,
            history=base.history,
            index=index,
            maker=maker,
            jobs=jobs,
            maintenance=maintenance,
            queues=queues,
            clock=base.clock,
            settings=base.settings,
            supervisor=base.supervisor,
            leads=cronjobs.leads,
            bus=base.bus,
        ),
    )
