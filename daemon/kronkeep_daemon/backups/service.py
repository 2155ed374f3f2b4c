"""The backup service: what people ask of backups: one now, its end, its exemption from retention."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from kronkeep_common.clock import Clock
from kronkeep_common.errors import NotAllowedNow, PolicyNotFound
from kronkeep_common.models import BackupExecution, BackupPolicy, CronJobExecution
from kronkeep_common.reasons import Reason
from kronkeep_common.states import BACKUP_TRANSITIONS, BackupStatus, is_final
from kronkeep_daemon.backups import planning_rules, policy_annotations
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.planner import BackupPlanner
from kronkeep_daemon.backups.planning_rules import BackupTransition
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.objects import CronJobRef
from kronkeep_daemon.kube.subjects import PolicySubject


def _cancellation_by(user: str) -> BackupTransition:
    return BackupTransition(
        status=BackupStatus.CANCELLED,
        reason=Reason.CANCELLED,
        message=f"The backup was cancelled by {user}.",
        next_step="Back up now when it is needed.",
    )


class BackupService:
    """Backups of the CronJobs of every cluster."""

    def __init__(
        self,
        *,
        cronjobs: CronJobService,
        records: BackupRecords,
        planner: BackupPlanner,
        history: History,
        clock: Clock,
    ) -> None:
        self._cronjobs = cronjobs
        self._records = records
        self._planner = planner
        self._history = history
        self._clock = clock

    def get(self, backup_id: str) -> BackupExecution:
        """Return one backup; raises BackupNotFound."""
        return self._records.get(backup_id)

    async def pin(self, backup_id: str, pinned: bool) -> BackupExecution:
        """Exempt the backup's snapshot from retention, or end the exemption; raises NotAllowedNow."""
        backup = self.get(backup_id)
        if pinned and backup.snapshot_state in ("none", "removed"):
            raise NotAllowedNow(
                "The backup has no snapshot that could be kept.",
                next_step="Those that have one: kronkeep get backups --filter snapshot:present.",
            )
        return await self._records.change(backup_id, pinned=pinned)

    async def acknowledge_unusual(self, cronjob_id: str, user: str) -> None:
        """Record that a user accepts the unusual backups of a CronJob; retention then continues."""
        await self._records.acknowledge_unusual(cronjob_id, user, self._clock.now())

    def last_good_at(self, cronjob_id: str) -> datetime | None:
        """Return when the newest good backup of a CronJob ended; None where there is none.

        One whose snapshot is missing does not count, nor one dated later than now by a clock that was wrong.
        """
        now = self._clock.now()
        ended_at = self._records.newest_good_end(cronjob_id, now + timedelta(seconds=1))
        return min(ended_at, now) if ended_at is not None else None

    def is_overdue(self, cronjob: PolicySubject, policy: BackupPolicy, last_good: datetime | None) -> bool:
        """Return whether the policy's recovery point is missed now.

        last_good: when its newest good backup ended.
        """
        return policy.rpo_seconds is not None and planning_rules.misses_recovery_point(
            policy, last_good, self._planner.first_seen(cronjob, policy), self._clock.now()
        )

    async def back_up_now(
        self, ref: CronJobRef, overrides: Mapping[str, str], *, key: str | None = None
    ) -> BackupExecution:
        """Start a backup of what the CronJob's claims hold now, linked to its newest successful run.

        overrides: `backup_type` and `compression` for this backup, kept in its record.
        key: the same key is the same backup.
        Raises CronJobNotFound, PolicyNotFound.
        """
        cronjob = self._cronjobs.find_subject(ref)
        parsed = policy_annotations.read_policy(cronjob)
        if parsed.policy is None:
            raise PolicyNotFound(parsed.fault or f"{ref} has no backup policy.")
        runs = self._planner.candidate_runs(cronjob.uid, self._clock.now())
        run = planning_rules.newest_archivable_run(runs, parsed.policy)
        key = f"manual/{key or self._clock.now().isoformat()}"
        backup = await self._planner.create(
            cronjob, parsed.policy, run, "manual", key=key, overrides=overrides
        )
        self._planner.start_archive(backup)
        return backup

    async def create_for_run(self, run: CronJobExecution) -> BackupExecution | None:
        """Record the backup of a run that has just been triggered, where its policy archives after runs.

        Return None where there is none, or where another daemon acts, which makes it.
        """
        if self._cronjobs.leads.stands_by(run.cluster):
            return None
        cronjob = self._cronjobs.find(CronJobRef.of(run))
        policy = policy_annotations.read_policy(cronjob).policy
        if policy is None or not policy.enabled or policy.schedule is not None:
            return None
        return await self._planner.create_after_run(cronjob, policy, run)

    async def cancel(self, backup_id: str, user: str) -> BackupExecution:
        """Stop a backup that has not ended and delete its Jobs, for a user; raises NotAllowedNow.

        A backup with post hooks ends only once they have run.
        """
        backup = self.get(backup_id)
        if is_final(BACKUP_TRANSITIONS, backup.status) or backup.ending is BackupStatus.CANCELLED:
            raise NotAllowedNow(
                f"The backup has ended already: {backup.ending or backup.status}.",
                next_step="Nothing is left to stop.",
            )
        cancellation = _cancellation_by(user)
        async with self._planner.stop_archive(backup_id):
            ended = await self._record_cancellation(backup_id, cancellation)
        self._planner.start_archive(ended)  # which runs the post hooks, where they are to run
        return self.get(backup_id)

    async def _record_cancellation(self, backup_id: str, cancellation: BackupTransition) -> BackupExecution:
        """Record that a backup is cancelled, or where it has post hooks that it will be after them."""
        backup = self.get(backup_id)
        if is_final(BACKUP_TRANSITIONS, backup.status):
            return backup  # it ended before its task was stopped
        if backup.status is BackupStatus.RUNNING and backup.policy is not None and backup.policy.hooks.post:
            return await self._records.change(
                backup_id,
                ending=cancellation.status,
                reason=cancellation.reason,
                message=cancellation.message,
                next_step=cancellation.next_step,
            )
        await self._planner.record_transition(backup, cancellation)
        return self.get(backup_id)
