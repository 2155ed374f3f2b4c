"""The archiver: takes one backup from `queued` to its end.

A backup goes through stages, each recorded before the next begins: its archive with its pre hooks, then, with
its result and its `ending` on the record, the validate hooks on its content, then the post hooks, which run
whatever its ending is. So a daemon that was killed continues at the stage where it stopped.
"""

import logging
from datetime import datetime
from functools import partial

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import BackupExecution, Cause
from kronkeep_common.reasons import Reason
from kronkeep_common.states import BackupStatus
from kronkeep_common.text import clean
from kronkeep_daemon.backups import archive_outcome, hook_runner, planning_rules
from kronkeep_daemon.backups.archive_inputs import ArchiveInputs, ArchiveInputsResolver
from kronkeep_daemon.backups.attempt_runner import LIST_SECONDS, AttemptRunner
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.hook_runner import HookRunner
from kronkeep_daemon.backups.snapshot_reconciliation import SnapshotReconciliation
from kronkeep_daemon.backups.volume_copies import VolumeCopies
from kronkeep_daemon.jobs import node_placement
from kronkeep_daemon.jobs.start_watch import OnWaiting
from kronkeep_daemon.repositories import job_names
from kronkeep_daemon.repositories.lock_removal import LockRemoval
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs, storage_failure
from kronkeep_daemon.restic import backup as restic_backup
from kronkeep_daemon.restic import forget
from kronkeep_daemon.restic.backup import BackupOutcome
from kronkeep_daemon.restic.faults import Fault
from kronkeep_daemon.restic.snapshots import SnapshotTags

log = logging.getLogger(__name__)
FIRST_PAUSE = 5.0  # seconds before the second attempt; each later pause is four times as long
LONGEST_PAUSE = 300.0
MOST_CLAIMS = 100  # that a record names
_HAS_SNAPSHOT = (BackupStatus.SUCCEEDED, BackupStatus.PARTIAL)


class Archiver:
    """Archiver of backups, each in a task of its own."""

    def __init__(
        self,
        *,
        inputs: ArchiveInputsResolver,
        attempts: AttemptRunner,
        records: BackupRecords,
        hooks: HookRunner,
        volume_copies: VolumeCopies,
        repository_jobs: RepositoryJobs,
        lock_removal: LockRemoval,
        reconciliation: SnapshotReconciliation,
        clock: Clock,
    ) -> None:
        self._inputs = inputs
        self._attempts = attempts
        self._records = records
        self._hooks = hooks
        self._volume_copies = volume_copies
        self._repository_jobs = repository_jobs
        self._lock_removal = lock_removal
        self._reconciliation = reconciliation
        self._clock = clock

    async def run(self, backup_id: str) -> None:
        """Take the backup to a final status."""
        backup = self._records.get(backup_id)
        try:
            inputs = self._inputs.resolve(backup)
        except KronkeepError as fault:
            if fault.retryable:
                log.warning("the archive of backup %s waits: %s", backup_id, fault)
                return  # the planner's next pass starts it again
            await self._record_end(backup_id, archive_outcome.outcome_of_fault(fault))
            return
        claims = tuple(clean(claim, 253) for claim in inputs.claims[:MOST_CLAIMS])
        # Recorded at once, so that a move to another layout knows of each archive that goes to the old one.
        resolved = msgspec.structs.replace(
            backup,
            claims=claims,
            unarchived_volumes=inputs.unarchived,
            layout=inputs.repository.layout,
        )
        if resolved != backup:
            await self._records.put(backup, resolved)
        try:
            await self._archive_and_validate(backup_id, inputs)
        except TimeoutError:
            outcome = restic_backup.failure(Fault.of(Reason.QUEUE_TIMEOUT))
            await self._record_outcome(backup_id, outcome)
        await self._run_post_hooks(backup_id, inputs)
        await self._record_end(backup_id)

    async def _archive_and_validate(self, backup_id: str, inputs: ArchiveInputs) -> None:
        """Make the archive and run its validate hooks.

        Raises TimeoutError where the archive gets no place of the repository by its deadline.
        """
        backup = self._records.get(backup_id)
        if backup.ending is not None and backup.ending not in _HAS_SNAPSHOT:
            return
        on_waiting = partial(self._note_waiting, backup_id)
        if backup.ending is None:
            outcome = await self._archive_with_retries(backup_id, inputs, on_waiting)
            await self._record_outcome(backup_id, outcome)
        await self._run_validate_hooks(backup_id, inputs, on_waiting)

    async def _note_waiting(self, backup_id: str, cause: Cause | None) -> None:
        """Record what the backup, or a Job of it, waits for."""
        if self._records.get(backup_id).ending is not None:
            return  # its reason and message say how the archive ended
        await self._records.change(
            backup_id,
            reason=cause.reason if cause is not None else None,
            message=cause.message if cause is not None else None,
            next_step=cause.next_step if cause is not None else None,
        )

    async def _archive_with_retries(
        self, backup_id: str, inputs: ArchiveInputs, on_waiting: OnWaiting
    ) -> BackupOutcome:
        # Two attempts are free, that are not counted against the policy's retries. The first that met a lock
        # of a dead Job of ours: removing that lock is the whole cure, so the next attempt follows at once.
        # Whoever locks the repository after that is alive or not ours, so a second such end counts. And the
        # first whose parent is not there: without it restic looks for another.
        is_unlocked = False
        with_parent = True
        while True:
            outcome = await self._attempts.run(backup_id, inputs, on_waiting, with_parent=with_parent)
            backup = self._records.get(backup_id)
            is_free = False
            if outcome.reason == Reason.REPOSITORY_LOCKED and not is_unlocked:
                is_unlocked = await self._lock_removal.remove_now(inputs.repository)
                is_free = is_unlocked
            elif outcome.reason == Reason.SNAPSHOT_GONE and with_parent:
                with_parent = False
                other = await self._reconciliation.find_other_repository(inputs.repository)
                if other is not None:
                    return archive_outcome.outcome_of_fault(other)
                is_free = True
            free_attempts = int(is_unlocked) + int(not with_parent)
            ended = archive_outcome.with_outcome(backup, outcome)
            may_retry = is_free or planning_rules.may_retry(ended, inputs.policy, free_attempts)
            if outcome.status is not BackupStatus.FAILED or not may_retry:
                return archive_outcome.partial_if_dumped(outcome)
            await self._discard_dump(backup, outcome, inputs.repository)
            # Recorded before the pause: a daemon that is killed in it continues with the next attempt and
            # does not take this one's Job for it. The record shows why this one failed while it waits.
            backup = self._records.get(backup_id)
            queued = msgspec.structs.replace(
                archive_outcome.with_outcome(backup, outcome),
                attempt=backup.attempt + 1,
                status=BackupStatus.QUEUED,
                result=None,
            )
            await self._records.put(backup, queued)
            if not is_free:
                await self._clock.sleep(min(FIRST_PAUSE * 4 ** (backup.attempt - 1), LONGEST_PAUSE))

    async def _discard_dump(
        self, backup: BackupExecution, outcome: BackupOutcome, repository: Repository
    ) -> None:
        """Forget the dump of a failed attempt, as the next attempt makes it again.

        Its id is from a log, so the Job itself looks whether that is a snapshot of this backup.
        """
        if outcome.result is None:
            return
        tags = SnapshotTags(policy=backup.policy_id, backup=backup.id)
        steps = [("discard", forget.own_argv(outcome.result.snapshot_id, tags))]
        name = job_names.new_name("discard", repository.storage)
        deleting = repository.for_deleting()
        fault = storage_failure(await self._repository_jobs.run(name, steps, deleting, LIST_SECONDS))
        if fault is not None:
            log.warning("a dump stays in %s: %s", repository.id, fault)

    async def _run_validate_hooks(self, backup_id: str, inputs: ArchiveInputs, on_waiting: OnWaiting) -> None:
        """Run the hooks on the snapshot's content; one that stops fails the backup, whose snapshot stays."""
        if self._records.get(backup_id).ending not in _HAS_SNAPSHOT or not inputs.policy.hooks.validate:
            return
        stage = await self._hooks.run_stage(backup_id, "validate", inputs, on_waiting=on_waiting)
        backup = self._records.get(backup_id)
        fields: dict[str, object] = {"warnings": (*backup.warnings, *stage.warnings)}
        if stage.stopped_by is not None:
            fault = hook_runner.fault_of_hook(stage.stopped_by)
            fields["ending"] = BackupStatus.FAILED
            fields["reason"] = fault.reason
            fields["message"] = fault.message
            fields["next_step"] = fault.next_step
        await self._records.change(backup_id, **fields)

    async def _run_post_hooks(self, backup_id: str, inputs: ArchiveInputs) -> None:
        """Run the hooks after the backup; their faults are warnings and do not change its ending."""
        backup = self._records.get(backup_id)
        if not inputs.policy.hooks.post or backup.started_at is None:
            return
        node = await node_placement.find_node(inputs.cluster, backup.namespace, inputs.claims)
        stage = await self._hooks.run_stage(backup_id, "post", inputs, node=node)
        warnings = stage.warnings
        if stage.stopped_by is not None:
            run = stage.stopped_by
            message = f"The post hook {run.name} {run.status}: {run.message} Those after it did not run."
            warnings = (*warnings, message)
        if warnings:
            earlier = self._records.get(backup_id).warnings
            await self._records.change(backup_id, warnings=(*earlier, *warnings))

    async def _record_outcome(self, backup_id: str, outcome: BackupOutcome) -> None:
        """Record how the archive ended; that becomes the backup's status once its hooks have run."""
        backup = self._records.get(backup_id)
        changed = archive_outcome.with_outcome(backup, outcome)
        await self._records.put(backup, msgspec.structs.replace(changed, ending=outcome.status))

    async def _record_end(self, backup_id: str, outcome: BackupOutcome | None = None) -> None:
        """Record the backup's final status: its ending, or where it has none the outcome's status."""
        now = self._clock.now()
        judged = await self._records.with_unusual_words(_as_ended(self._records.get(backup_id), outcome, now))
        backup = self._records.get(backup_id)  # it may have been pinned meanwhile
        ended = msgspec.structs.replace(_as_ended(backup, outcome, now), unusual=judged.unusual)
        await self._records.put(backup, ended)

    async def remove_jobs(self, backup: BackupExecution) -> None:
        """Delete the Jobs of the archive and its hooks, their copies of the password, and its volumes."""
        if backup.job is not None:
            await self._repository_jobs.remove(backup.cluster, backup.namespace, backup.job)
            await self._volume_copies.remove(backup, backup.claims)
        await self._hooks.remove_jobs(backup)


def _as_ended(backup: BackupExecution, outcome: BackupOutcome | None, now: datetime) -> BackupExecution:
    """Return the backup with its final status: its ending, or where it has none the outcome's status."""
    changed = backup
    if outcome is not None and backup.ending is None:
        changed = archive_outcome.with_outcome(backup, outcome)
        changed = msgspec.structs.replace(changed, ending=outcome.status)
    return msgspec.structs.replace(
        changed,
        status=changed.ending or BackupStatus.UNKNOWN,
        ending=None,
        progress=None,
        deadline_at=None,
        ended_at=now,
        duration_seconds=(now - backup.started_at).total_seconds() if backup.started_at else None,
    )
