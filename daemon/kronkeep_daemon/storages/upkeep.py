"""Work on active storages, at intervals or when asked: test the connection, measure, check, tidy up."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError, StorageFailed
from kronkeep_common.models import BackupCopy, BackupExecution, BackupStorage, StorageUsage
from kronkeep_common.models.storage import StorageRepository
from kronkeep_common.reasons import Reason
from kronkeep_common.states import StorageStatus
from kronkeep_daemon import storage_kinds
from kronkeep_daemon.events import BackupChanged, Bus, CopyChanged
from kronkeep_daemon.history import History, Records, time_repair
from kronkeep_daemon.jobs.outcome import FinishedJob
from kronkeep_daemon.kube.lease import Leaderships
from kronkeep_daemon.repositories.credential_copies import CredentialCopies
from kronkeep_daemon.repositories.job_manifests import Steps
from kronkeep_daemon.repositories.maintenance import RepositoryMaintenance
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_creation import opening_steps
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.repositories.repository_secrets import RepositorySecrets
from kronkeep_daemon.restic import check, deletion_probe
from kronkeep_daemon.restic.snapshots import ListedSnapshot
from kronkeep_daemon.settings import Settings, StorageSettings
from kronkeep_daemon.storages import usage_growth, usage_measurement
from kronkeep_daemon.storages.provisioner import StorageProvisioner
from kronkeep_daemon.storages.service import StorageService
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
Task = Literal["test", "usage", "check"]
ListObserver = Callable[[Repository, Sequence[ListedSnapshot]], Awaitable[None]]
PAUSE_SECONDS = 30.0  # between two looks for what is due
QUIET = timedelta(seconds=60)  # a burst of backups is measured once, when it is over
RETRY_AFTER = timedelta(minutes=15)  # between two measurements after changes, and after a failed one
MOST_AT_ONCE = 2  # storages that are worked on although nobody asked
MOST_USAGES = 1000
MOST_CROWDED = 20  # repositories that are named
_ABOUT_DELETING = (Reason.DELETING_ALLOWED, Reason.DELETING_REFUSED, Reason.LOCKS_STAY)
TIMEOUT_SECONDS: dict[Task, float] = {"test": 180.0, "usage": 3600.0, "check": 86400.0}


class UsageRecord(StorageUsage, frozen=True, kw_only=True):
    """A stored measurement of a storage; `created_at` is `measured_at`, by which pages are sorted."""

    id: str
    storage_id: str
    created_at: datetime


class StorageUpkeep:
    """Work on the storages of the clusters on which this daemon acts."""

    def __init__(
        self,
        *,
        storages: StorageService,
        index: RepositoryIndex,
        copies: CredentialCopies,
        secrets: RepositorySecrets,
        maintenance: RepositoryMaintenance,
        provisioner: StorageProvisioner,
        queues: RepositoryQueues,
        history: History,
        bus: Bus,
        clock: Clock,
        settings: Callable[[], Settings],
        supervisor: Supervisor,
        leads: Leaderships,
    ) -> None:
        self._storages = storages
        self._leads = leads
        self._index = index
        self._copies = copies
        self._secrets = secrets
        self._maintenance = maintenance
        self._provisioner = provisioner
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)
        self._history = history
        self._usages: Records[UsageRecord] = Records(history.table("usages"), UsageRecord)
        self._clock = clock
        self._settings = settings
        self._supervisor = supervisor
        self._bus = bus
        self._queues = queues
        self._changed_at: dict[str, datetime] = {}
        self._tried_at: dict[str, datetime] = {}
        self._list_observers: list[ListObserver] = []
        bus.subscribe(BackupChanged, self._note_change)
        bus.subscribe(CopyChanged, self._note_if_full)

    def start(self) -> None:
        """Start to look for due work."""
        self._supervisor.start("storages' upkeep", self._run_forever, death="restart")

    def observe_lists(self, observer: ListObserver) -> None:
        """Await `observer` with the snapshots of each repository that is checked or measured.

        The repository is still held then, so no archive has ended since the list was made.
        """
        self._list_observers.append(observer)

    def _note_change(self, change: BackupChanged) -> None:
        """Note that a backup added to its storage or found it full, or that retention removed a snapshot."""
        old = change.old
        self._note_if_full(change)
        is_added = change.new.result is not None and (old is None or old.result is None)
        removed_before = old.snapshot_removed_at if old else None
        if is_added or has_found_full(change) or change.new.snapshot_removed_at != removed_before:
            self._changed_at[change.new.storage_id] = self._clock.now()

    def _note_if_full(self, change: BackupChanged | CopyChanged) -> None:
        """Start to measure a storage that a backup or copy has just found full."""
        storage = self._storages.find(change.new.storage_id)
        if storage is None or not has_found_full(change) or not self._leads.leads(storage.cluster):
            return
        name = f"measurement of full {storage.id}"
        if not self._supervisor.running(name):
            self._supervisor.start(name, partial(self._record_full, change.new), death="quiet")

    async def _record_full(self, work: BackupExecution | BackupCopy) -> None:
        """Record on the storage what found it full, and measure it."""
        name = work.storage_id
        if self._storages.find(name) is None:
            return
        await self._update(name, reason=work.reason, message=work.message, next_step=work.next_step)
        await self._try("usage", name)

    async def _run_forever(self) -> None:
        while True:
            await self._leads.wait_until_leading()
            try:
                await self._copies.sweep()
            except KronkeepError as fault:
                log.warning("copies of credentials are removed later: %s", fault)
            for storage in self._storages.list():
                if self._leads.leads(storage.cluster):
                    self.start_due_task(storage)
            await self._clock.sleep(PAUSE_SECONDS)

    def start_due_task(self, storage: BackupStorage) -> None:
        """Start to measure or check the storage where that is due."""
        now = self._clock.now()
        name = f"upkeep of {storage.id}"
        tried_at = self._tried_at.get(storage.id)
        if (tried_at is not None and now - tried_at < RETRY_AFTER) or self._supervisor.running(name):
            return
        task = due_task(storage, self._changed_at.get(storage.id), now, self._settings().storages)
        if task is None:
            return
        self._tried_at[storage.id] = now
        self._supervisor.start(name, partial(self._try, task, storage.id), death="quiet")

    async def _try(self, task: Task, name: str) -> None:
        work = self.check if task == "check" else self.measure
        try:
            async with self._slots:
                await work(name)
        except KronkeepError as fault:
            log.warning("%s of storage %s: %s", task, name, fault)

    async def test(self, name: str) -> BackupStorage:
        """Open the repository from a Job, with what the Secret contains now; raise StorageFailed."""
        storage = self._storages.require_active(name)
        keys = storage_kinds.select_known_keys(storage.kind, await self._secrets.storage_credentials(storage))
        if keys != storage.credential_keys:
            storage = self._storages.require_active(name)  # it may have changed while the Secret was read
            changed = msgspec.structs.replace(storage, credential_keys=keys)
            storage = await self._storages.save(storage, changed)
        await self._fetch_space(storage)
        repository = Repository(storage=storage)
        await self._run("test", opening_steps(repository, self._index.id_of(repository)), repository)
        if storage.maintenance_credentials is not None:
            await self._prove_append_only(repository)
        return self._storages.get(name)

    async def _prove_append_only(self, repository: Repository) -> None:
        """Prove that archives' credentials cannot delete, and that those for maintenance can.

        Raises StorageFailed: DeletingAllowed, DeletingRefused, LocksStay.
        """
        name = repository.storage.id
        probe = [
            ("probe", deletion_probe.backup_argv()),
            ("refusal", deletion_probe.refusal_argv()),
        ]
        try:
            await self._run("test", probe, repository)
            await self._run("test", [("removal", deletion_probe.removal_argv())], repository.for_deleting())
        except StorageFailed as fault:
            if fault.details.get("reason") == Reason.DELETING_ALLOWED:
                await self._update(name, append_only=False, append_only_tested_at=self._clock.now())
            raise
        await self._update(name, append_only=True, append_only_tested_at=self._clock.now())

    async def check(self, name: str) -> BackupStorage:
        """Check the structure of each repository with `restic check`; raise StorageFailed.

        Only damage makes the storage not ok: what could not be checked says nothing about it.
        """
        storage = self._storages.require_active(name)
        had_locks = True
        try:
            for repository in self._index.repositories_of(storage):
                had_locks &= await self._check_repository(repository)
        except StorageFailed as fault:
            if is_damage(fault):
                await self._update(name, checked_at=self._clock.now(), check_ok=False)
            raise
        # The structure may be whole while the data is damaged: then the storage stays marked as not ok.
        data_check = self._storages.get(name).data_check
        is_ok = data_check is None or data_check.ok
        return await self._update(
            name, checked_at=self._clock.now(), check_ok=is_ok, checked_without_lock=not had_locks
        )

    async def _check_repository(self, repository: Repository) -> bool:
        """Check one repository, without a lock where none can be written; return whether there was one."""
        try:
            await self._run("check", check.steps(), repository)
        except StorageFailed as fault:
            if not can_be_read(fault):
                raise
            await self._run("check", check.steps(lock=False), repository, writes=False)
            return False
        return True

    async def measure(self, name: str) -> BackupStorage:
        """Measure what the storage holds and what is free, and record it; raise StorageFailed.

        Counts the storage's own repository and those of policies below it (see `usage_measurement`).
        """
        storage = self._storages.require_active(name)
        started = self._clock.monotonic()
        changed_at = self._changed_at.get(name)
        space = await self._fetch_space(storage)
        own, *below = self._index.repositories_of(storage)
        jobs = [await self._run("usage", usage_measurement.storage_steps(storage), own)]
        for repository in below:
            jobs.append(await self._run("usage", usage_measurement.repository_steps(), repository))
        seconds = self._clock.monotonic() - started
        usage = usage_measurement.usage_of(jobs, space, self._clock.now(), seconds)
        storage = self._storages.get(name)
        usage = usage_growth.with_limit(usage, storage.capacity_bytes)
        usage = usage_growth.with_growth(usage, self.usages(name))
        self._record(storage, usage)
        # A backup that ended during the measurement may not be in it: then its change stays noted.
        if self._changed_at.get(name) == changed_at:
            self._changed_at.pop(name, None)
        return await self._update(name, usage=usage, crowded=self._list_crowded(storage))

    def list_repositories(self, name: str) -> list[StorageRepository]:
        """Return what is known of each repository of a storage; raise StorageNotFound."""
        return self._index.describe(self._storages.get(name), self._settings().storages.first_byte_seconds)

    def _list_crowded(self, storage: BackupStorage) -> tuple[StorageRepository, ...]:
        crowded = [each for each in self.list_repositories(storage.id) if each.is_crowded]
        return tuple(sorted(crowded, key=_first_byte_of, reverse=True)[:MOST_CROWDED])

    def usages(self, name: str) -> list[StorageUsage]:
        """Return the recorded usages of a storage, newest first; raise StorageNotFound."""
        self._storages.get(name)
        return list(self._usages.newest(limit=MOST_USAGES, storage_id=name).items)

    def correct_times(self, now: datetime) -> int:
        """Correct the usages that a clock that was ahead has dated; return how many that were."""
        return time_repair.correct_all(self._usages, now)

    def _record(self, storage: BackupStorage, usage: StorageUsage) -> None:
        """Record a usage, and remove those that are closer together than their age deserves."""
        earlier: Sequence[UsageRecord] = self._usages.newest(limit=MOST_USAGES, storage_id=storage.id).items
        kept = usage_growth.thin_out([*earlier, usage], usage.measured_at)
        kept_times = {each.measured_at for each in kept}
        for record in earlier:
            if record.measured_at not in kept_times:
                self._usages.remove(record.id)
        fields = {field: getattr(usage, field) for field in StorageUsage.__struct_fields__}
        record_id = f"{storage.id}/{usage.measured_at.isoformat()}"
        self._usages.put(
            UsageRecord(id=record_id, storage_id=storage.id, created_at=usage.measured_at, **fields)
        )

    async def _fetch_space(self, storage: BackupStorage) -> storage_kinds.StorageSpace | None:
        try:
            return await self._provisioner.fetch_space(storage)
        except StorageFailed as fault:
            await self._record_failure(storage.id, fault)
            raise

    async def _run(
        self, task: Task, steps: Steps, repository: Repository, *, writes: bool = True
    ) -> FinishedJob:
        """Run a Job on the repository and record its result on the storage; raise StorageFailed.

        writes: False for a check that only reads.
        """
        name = repository.storage.id
        try:
            async with self._queues.hold_exclusively(repository.id, task):
                job = await self._run_held(task, steps, repository)
        except StorageFailed as fault:
            await self._record_failure(name, fault)
            raise
        cleared = cleared_fault(task, self._storages.get(name), writes=writes)
        await self._update(name, reached_at=self._clock.now(), **cleared)
        return job

    async def _run_held(self, task: Task, steps: Steps, repository: Repository) -> FinishedJob:
        """Run a Job while the repository is held, and tell the observers which snapshots it has listed."""
        seconds = TIMEOUT_SECONDS[task]
        if task == "test":
            return await self._maintenance.run(task, steps, repository, seconds)
        listed = await self._maintenance.run_and_list(task, steps, repository, seconds)
        for observer in self._list_observers:
            await observer(repository, listed.snapshots)
        return listed.job

    async def _record_failure(self, name: str, fault: StorageFailed) -> None:
        if _is_inconclusive(fault) or fault.details.get("reason") in _ABOUT_DELETING:
            return
        reason = str(fault.details.get("reason", fault.code))
        await self._update(name, reason=reason, message=fault.message, next_step=fault.next_step)

    async def _update(self, name: str, **fields: object) -> BackupStorage:
        """Change fields of the storage, if it is still active; return what it is then."""
        storage = self._storages.get(name)
        if storage.status is not StorageStatus.ACTIVE:
            return storage
        return await self._storages.save(storage, msgspec.structs.replace(storage, **fields))


def has_found_full(change: BackupChanged | CopyChanged) -> bool:
    """Whether a backup or copy has just found its storage full."""
    old = change.old
    return change.new.reason == Reason.STORAGE_FULL and (old is None or old.reason != Reason.STORAGE_FULL)


def _first_byte_of(repository: StorageRepository) -> float:
    return repository.first_byte_seconds or 0.0


def _is_inconclusive(fault: StorageFailed) -> bool:
    """Whether the fault tells nothing about the repository."""
    reason = Reason.parse(fault.details.get("reason"))
    return reason is not None and reason.inconclusive


def is_damage(fault: StorageFailed) -> bool:
    """Whether the fault says that what the repository holds is damaged."""
    return fault.details.get("reason") == Reason.REPOSITORY_DAMAGED


def can_be_read(fault: StorageFailed) -> bool:
    """Whether the fault is that nothing can be written, so that the repository may still be checked."""
    reason = Reason.parse(fault.details.get("reason"))
    return reason is not None and reason.readable


def cleared_fault(task: Task, storage: BackupStorage, *, writes: bool = True) -> dict[str, None]:
    """Return the fields of the storage's last fault that the success of `task` clears.

    `usage`, and a check that does not write, only read, so a storage that is full or can only be read stays
    so until a test, or a check with a lock.
    """
    reason = Reason.parse(storage.reason)
    if (task == "usage" or not writes) and reason is not None and reason.readable:
        return {}
    return {"reason": None, "message": None, "next_step": None}


def due_task(
    storage: BackupStorage, changed_at: datetime | None, now: datetime, settings: StorageSettings
) -> Task | None:
    """Return `usage` or `check` where one is due; `changed_at` is the last change since it was measured."""
    if storage.status is not StorageStatus.ACTIVE:
        return None
    checked_at = storage.checked_at or storage.created_at
    if now - checked_at >= timedelta(seconds=settings.check_every_seconds):
        return "check"
    measured_at = storage.usage.measured_at if storage.usage else None
    is_recent = measured_at is not None and now - measured_at < RETRY_AFTER
    if changed_at is not None and now - changed_at >= QUIET and not is_recent:
        return "usage"
    if measured_at is None:
        return "usage" if now - storage.created_at >= QUIET else None
    return "usage" if now - measured_at >= timedelta(seconds=settings.measure_every_seconds) else None
