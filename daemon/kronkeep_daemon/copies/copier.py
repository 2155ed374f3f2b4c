"""The copier: takes one copy from `queued` to its end.

Each attempt is recorded with its Job's name before that Job is created, so a daemon that was killed finds its
Job again. One that is gone is made once more: restic passes over what it has copied already.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError, NotAllowedNow
from kronkeep_common.models import BackupCopy, BackupExecution, BackupPolicy, Cause, PolicyCopy
from kronkeep_common.reasons import Reason
from kronkeep_common.states import CopyStatus
from kronkeep_daemon.backups import archive_requests
from kronkeep_daemon.backups.backup_logs import BackupLogs
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.policy_lookup import PolicyLookup
from kronkeep_daemon.copies import copy_manifests
from kronkeep_daemon.copies.copy_manifests import CopiedSnapshots
from kronkeep_daemon.copies.copy_records import CopyRecords
from kronkeep_daemon.jobs.runner import JobLimits
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import CronJobRef
from kronkeep_daemon.repositories.lock_removal import LockRemoval
from kronkeep_daemon.repositories.queue import ArchiveHold, ArchiveRequest, RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository, repository_of_backup, repository_of_copy
from kronkeep_daemon.repositories.repository_creation import RepositoryMaker
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.repositories.repository_jobs import JobPlace, RepositoryJobs, require_serving
from kronkeep_daemon.repositories.version_probe import VersionProbe
from kronkeep_daemon.restic.faults import Fault
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.storages.service import StorageService

log = logging.getLogger(__name__)
SLACK_SECONDS = 900.0  # beyond the Job's own deadline, before its end is no longer waited for
FIRST_PAUSE = 5.0  # seconds before the second attempt; each later pause is four times as long
LONGEST_PAUSE = 300.0
UNREACHABLE_SECONDS = 900.0


class CopyInputs(NamedTuple):
    """What is copied: the backup, its repository, that of the copies, and where the Job runs."""

    backup: BackupExecution
    policy: BackupPolicy
    spec: PolicyCopy
    source: Repository
    target: Repository
    place: JobPlace

    @property
    def both(self) -> Repository:
        """The repository of the copies with access to the first one."""
        return self.target.with_source(self.source)


class Copier:
    """Copier of backups, each in a task of its own."""

    def __init__(
        self,
        *,
        records: CopyRecords,
        backups: BackupRecords,
        policies: PolicyLookup,
        storages: StorageService,
        logs: BackupLogs,
        repository_jobs: RepositoryJobs,
        index: RepositoryIndex,
        maker: RepositoryMaker,
        queues: RepositoryQueues,
        lock_removal: LockRemoval,
        version_probe: VersionProbe,
        clock: Clock,
        settings: Callable[[], Settings],
    ) -> None:
        self._records = records
        self._backups = backups
        self._policies = policies
        self._storages = storages
        self._logs = logs
        self._repository_jobs = repository_jobs
        self._index = index
        self._maker = maker
        self._queues = queues
        self._lock_removal = lock_removal
        self._version_probe = version_probe
        self._clock = clock
        self._settings = settings

    async def run(self, copy_id: str) -> None:
        """Take the copy to a final status; a fault that may pass leaves it for the planner's next pass."""
        tries = 0
        is_unlocked = False
        while True:
            try:
                result = await self._attempt(copy_id)
            except KronkeepError as fault:
                if fault.retryable:
                    log.warning("copy %s is tried again: %s", copy_id, fault)
                    return
                reason = str(fault.details.get("reason") or type(fault).code)
                result = Fault(reason, fault.message, fault.next_step)
            if isinstance(result, CopiedSnapshots):
                await self._record_success(copy_id, result)
                return
            # One attempt is free: the first that met a lock of a dead Job of ours, whose removal is the cure.
            is_free = False
            if result.reason == Reason.REPOSITORY_LOCKED and not is_unlocked:
                is_unlocked = is_free = await self._remove_locks(copy_id)
            tries += 0 if is_free else 1
            if tries > self._retries_of(copy_id, result):
                await self._records.end(copy_id, CopyStatus.FAILED, **_words(result))
                return
            attempt = self._records.get(copy_id).attempt + 1
            await self._records.change(copy_id, status=CopyStatus.QUEUED, attempt=attempt, **_words(result))
            if not is_free:
                await self._clock.sleep(min(FIRST_PAUSE * 4 ** (tries - 1), LONGEST_PAUSE))

    def _retries_of(self, copy_id: str, fault: Fault) -> int:
        """Return how often the copying is tried again at once; the planner does so later."""
        reason = Reason.parse(fault.reason)
        if reason is not None and not reason.retryable:
            return 0
        policy = self._backups.get(self._records.get(copy_id).backup_id).policy
        return policy.retries if policy is not None else 0

    def resolve(self, copy: BackupCopy) -> CopyInputs:
        """Return what is copied; raise what keeps it from being copied.

        Raises BackupNotFound, StorageNotFound, NamespaceNotServed, NotAllowedNow, StorageFailed.
        """
        backup = self._backups.get(copy.backup_id)
        policy = self._policies.policy_of(CronJobRef.of(backup)) or backup.policy
        if backup.snapshot_state != "present" or policy is None:
            raise NotAllowedNow(
                f"The backup {backup.id} has no snapshot that could be copied.",
                next_step="Those that have one: kronkeep get backups --filter snapshot:present.",
            )
        first = self._storages.require_active(backup.storage_id)
        second = self._storages.require_active(copy.storage_id)
        for storage in (first, second):
            require_serving(storage, backup.namespace)
        source = repository_of_backup(backup, first)
        made_from = msgspec.structs.replace(copy, from_storage_id=first.id)
        target = repository_of_copy(backup, made_from, second)
        return CopyInputs(
            backup=backup,
            policy=policy,
            spec=policy.copy_in(copy.storage_id) or PolicyCopy(storage_id=copy.storage_id),
            source=source,
            target=target,
            place=self._repository_jobs.place_of(target.with_source(source)),
        )

    async def _attempt(self, copy_id: str) -> CopiedSnapshots | Fault:
        """Make one attempt; raise what may pass, and TimeoutError as a fault."""
        before = self._records.get(copy_id)
        inputs = self.resolve(before)
        await self._version_probe.require(inputs.place.cluster, inputs.policy)
        await self._maker.make_if_missing(inputs.both, before.id, str(before.attempt))
        try:
            async with self._hold_both(before, inputs) as hold:
                copy = await self._record_start(before, inputs)
                async with asyncio.timeout(inputs.spec.deadline_seconds + SLACK_SECONDS):
                    return await self._run_job(copy, inputs, hold)
        except NotFoundInCluster:
            gone = Reason.JOB_GONE
            return Fault(gone, "The copy's Job was deleted before it ended.", gone.next_step)
        except TimeoutError:
            return Fault.of(Reason.QUEUE_TIMEOUT)

    @asynccontextmanager
    async def _hold_both(self, copy: BackupCopy, inputs: CopyInputs) -> AsyncIterator[ArchiveHold]:
        """Hold a place of an archive in the copies' repository, and read the first one.

        While the first is held by others this counts for no limit, so that other work goes past it.
        """
        request = ArchiveRequest(
            backup_id=copy.backup_id,
            repository=inputs.target.id,
            cluster=inputs.place.cluster.id,
            namespace=copy.namespace,
            priority=archive_requests.priority_number(inputs.policy.priority),
            is_resumed=await self._is_resumed(copy, inputs.place),
        )
        note = partial(self._note_reason, copy.id)
        place = self._queues.hold_for_archive(
            request, inputs.spec.deadline_seconds, note, task=copy_manifests.ROLE
        )
        async with place as hold:
            hold.set_stalled(True)
            async with self._queues.hold_for_reading(inputs.source.id, copy_manifests.ROLE):
                hold.set_stalled(False)
                yield hold

    async def _is_resumed(self, copy: BackupCopy, place: JobPlace) -> bool:
        """Whether the Job was at work when the daemon was killed, and is there."""
        if copy.status is not CopyStatus.RUNNING or copy.job is None:
            return False
        return await self._repository_jobs.exists(place.cluster.id, place.namespace, copy.job)

    async def _record_start(self, copy: BackupCopy, inputs: CopyInputs) -> BackupCopy:
        """Record that the copy runs, and the name of its Job, before that Job is created."""
        copy = self._records.get(copy.id)
        return await self._records.change(
            copy.id,
            status=CopyStatus.RUNNING,
            from_storage_id=inputs.source.storage.id,
            layout=inputs.target.layout,
            started_at=copy.started_at or self._clock.now(),
            job=copy_manifests.job_name(copy),
            reason=None,
            message=None,
            next_step=None,
        )

    async def _run_job(
        self, copy: BackupCopy, inputs: CopyInputs, hold: ArchiveHold
    ) -> CopiedSnapshots | Fault:
        """Run the Job to its end, save its logs, and judge it."""
        steps = copy_manifests.copy_steps(
            inputs.backup,
            inputs.source,
            source_id=self._index.id_of(inputs.source),
            target_id=self._index.id_of(inputs.target),
        )
        manifest = copy_manifests.build_copy_job(
            copy,
            steps,
            inputs.both,
            namespace=inputs.place.namespace,
            settings=self._settings().archive,
            deadline_seconds=inputs.spec.deadline_seconds,
        )
        finished = await self._repository_jobs.run_job(
            manifest,
            inputs.both,
            inputs.place.cluster,
            on_waiting=partial(self._note_stall, copy.id, hold),
            limits=JobLimits(unreachable_seconds=UNREACHABLE_SECONDS),
        )
        logs = await self._logs.save(copy, finished)
        await self._records.change(copy.id, logs=logs)
        result = copy_manifests.judge(inputs.backup, copy, finished)
        reason = Reason.parse(result.reason) if isinstance(result, Fault) else None
        if reason is not None and reason.killed:
            self._lock_removal.start(inputs.source)
            self._lock_removal.start(inputs.target)
        return result

    async def _note_reason(self, copy_id: str, reason: Reason) -> None:
        """Record why the copy waits for its place."""
        await self._records.change(copy_id, reason=reason, message=reason.meaning, next_step=reason.next_step)

    async def _note_stall(self, copy_id: str, hold: ArchiveHold, cause: Cause | None) -> None:
        """Let others go past a copy whose Job waits to start, and record why it waits."""
        hold.set_stalled(cause is not None)
        await self._records.change(
            copy_id,
            reason=cause.reason if cause is not None else None,
            message=cause.message if cause is not None else None,
            next_step=cause.next_step if cause is not None else None,
        )

    async def _remove_locks(self, copy_id: str) -> bool:
        """Remove the locks of dead Jobs in both repositories; return whether all went."""
        inputs = self.resolve(self._records.get(copy_id))
        is_free = await self._lock_removal.remove_now(inputs.source)
        return await self._lock_removal.remove_now(inputs.target) and is_free

    async def _record_success(self, copy_id: str, copied: CopiedSnapshots) -> None:
        await self._records.end(
            copy_id,
            CopyStatus.SUCCEEDED,
            snapshot_id=copied.snapshot_id,
            database_snapshot_id=copied.database_snapshot_id,
            snapshot_missing_at=None,
            snapshot_removed_at=None,
            forget_began_at=None,
            verified_at=None,
            verified_by=None,
            reason=None,
            message=None,
            next_step=None,
        )

    async def remove_job(self, copy: BackupCopy) -> None:
        """Delete the Job of a copy, with its copy of the credentials."""
        if copy.job is None:
            return
        place = self.resolve(copy).place
        await self._repository_jobs.remove(place.cluster.id, place.namespace, copy.job)


def _words(fault: Fault) -> dict[str, object]:
    return {"reason": fault.reason, "message": fault.message, "next_step": fault.next_step}
