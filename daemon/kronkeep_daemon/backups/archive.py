"""One backup from `queued` to its end: the Job, its progress, its result, retries, then retention."""

import logging
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import BackupExecution, BackupPolicy, BackupResult, BackupStorage
from kronkeep_common.states import BackupStatus
from kronkeep_common.text import clean
from kronkeep_daemon.backups import jobs, manifests, plan, restic, retention
from kronkeep_daemon.backups.queue import Queues
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.settings import Settings

if TYPE_CHECKING:
    from kronkeep_daemon.backups.service import BackupService

log = logging.getLogger(__name__)
Object = dict[str, Any]
# Ends that leave open whether restic had made its snapshot; the repository is asked before they are believed.
DOUBTFUL = frozenset({"JobGone", "JobFailed", "Interrupted", "NoSummary", "DeadlineExceeded"})


class Archiver:
    """Runs archives; the service keeps their records."""

    def __init__(
        self,
        cluster: Cluster,
        service: "BackupService",
        clock: Clock,
        settings: Callable[[], Settings],
        queues: Queues,
    ) -> None:
        self._cluster = cluster
        self._service = service
        self._clock = clock
        self._settings = settings
        self._queues = queues

    async def run(self, backup_id: str) -> None:
        """Takes the backup to a final state; the task of one backup."""
        backup = self._service.get(backup_id)
        try:
            raw, policy, storage, claims = self._service.context(backup)
        except KronkeepError as fault:
            await self._fail(backup, type(fault).code, fault.message, fault.next_step)
            return
        try:
            async with self._queues.alone(storage.id):
                outcome = await self._attempts(backup_id, raw, policy, storage, claims)
        except KronkeepError as fault:
            if fault.retryable:
                raise  # the planner's next look begins it again
            await self._fail(self._service.get(backup_id), type(fault).code, fault.message, fault.next_step)
            return
        if outcome is not None and outcome.status is BackupStatus.SUCCEEDED:
            await self._retain(policy, storage)

    async def _attempts(
        self,
        backup_id: str,
        raw: Object,
        policy: BackupPolicy,
        storage: BackupStorage,
        claims: tuple[str, ...],
    ) -> restic.Outcome | None:
        while True:
            before = self._service.get(backup_id)
            backup = await self._running(backup_id)
            try:
                outcome = await self._ended_unseen(before, storage) or await self._archive(
                    backup, raw, policy, storage, claims
                )
            except NotFoundInCluster:
                words = "The archive's Job went before it ended; how it ended is not known."
                outcome = _lost("JobGone", words)
            backup = self._service.get(backup_id)
            if outcome.reason in DOUBTFUL:
                outcome = await self._made_already(backup, storage) or outcome
            if outcome.status is BackupStatus.FAILED and plan.may_retry(_with(backup, outcome), policy):
                again = msgspec.structs.replace(
                    backup, attempt=backup.attempt + 1, status=BackupStatus.QUEUED
                )
                await self._service.put(backup, again)
                continue
            await self._finish(backup, outcome)
            return outcome

    async def _ended_unseen(self, before: BackupExecution, storage: BackupStorage) -> restic.Outcome | None:
        """What an archive made whose Job ended and was removed unwatched; None if it must run."""
        if before.status is not BackupStatus.RUNNING or before.job is None:
            return None
        try:
            await self._cluster.get(paths.jobs(before.namespace, before.job))
        except NotFoundInCluster:
            return await self._made_already(before, storage)
        return None

    async def _running(self, backup_id: str) -> BackupExecution:
        """Records the Job's name before the Job is made."""
        backup = self._service.get(backup_id)
        new = msgspec.structs.replace(
            backup,
            status=BackupStatus.RUNNING,
            started_at=backup.started_at or self._clock.now(),
            job=manifests.archive_job_name(backup),
        )
        await self._service.put(backup, new)
        return new

    async def _archive(
        self,
        backup: BackupExecution,
        raw: Object,
        policy: BackupPolicy,
        storage: BackupStorage,
        claims: tuple[str, ...],
    ) -> restic.Outcome:
        job = manifests.archive_job(backup, policy, storage, raw, claims, self._settings().archive)
        name, repositories = job["metadata"]["name"], self._service.storages.jobs
        await repositories.copy_credentials(storage, backup.namespace, name, manifests.owner(raw))
        try:
            await jobs.create_once(self._cluster, job)
            ended = await jobs.wait(
                self._cluster, self._clock, backup.namespace, name, self._listener(backup.id)
            )
        finally:
            await repositories.remove_credentials(backup.namespace, name)
        return _outcome(ended)

    def _listener(self, backup_id: str) -> Callable[[bytes], None]:
        """Keeps progress lines, at most one a second, as restic was told."""

        def line(raw: bytes) -> None:
            for obj in restic.objects(raw):
                found = restic.progress(obj)
                if found is not None:
                    backup = self._service.get(backup_id)
                    self._service.progressed(msgspec.structs.replace(backup, progress=found))

        return line

    async def _made_already(self, backup: BackupExecution, storage: BackupStorage) -> restic.Outcome | None:
        """The snapshot that a lost attempt had made after all, found by this backup's own tag."""
        argv = ["restic", "snapshots", "--json", "--tag", manifests.backup_tag(backup)]
        name = f"kronkeep-look-{backup.id}-{secrets.token_hex(3)}"
        ended = await self._maintain(name, [("snapshots", argv)], storage)
        found = _snapshots(ended)
        if not found:
            return None
        result = BackupResult(snapshot_id=str(found[-1].get("short_id") or found[-1]["id"]))
        words = "The summary of this archive was lost; its snapshot was found by its tags."
        return restic.Outcome(BackupStatus.SUCCEEDED, result, None, None, None, (words,))

    async def _maintain(
        self, name: str, steps: list[tuple[str, list[str]]], storage: BackupStorage
    ) -> jobs.Ended:
        """A maintenance Job while this archive holds the repository already."""
        return await self._service.storages.jobs.run(name, steps, storage)

    async def _finish(self, backup: BackupExecution, outcome: restic.Outcome) -> None:
        now = self._clock.now()
        new = msgspec.structs.replace(
            _with(backup, outcome),
            status=outcome.status,
            ended_at=now,
            duration_seconds=(now - backup.started_at).total_seconds() if backup.started_at else None,
        )
        await self._service.put(backup, new)

    async def _fail(self, backup: BackupExecution, reason: str, message: str, step: str) -> None:
        await self._finish(backup, restic.Outcome(BackupStatus.FAILED, None, reason, message, step, ()))

    async def _retain(self, policy: BackupPolicy, storage: BackupStorage) -> None:
        """Forgets by explicit ids what no rule keeps, then prunes; the records stay and say so."""
        backups = self._service.good_of(policy.id)
        staying = retention.kept(backups, policy.retention, self._clock.now())
        going = [b for b in backups if b.id not in staying and b.result is not None]
        if not going:
            return
        ids = [b.result.snapshot_id for b in going if b.result is not None]
        name = f"kronkeep-forget-{manifests.short_hash(*sorted(ids))}"
        steps = [("forget", ["restic", "forget", *ids]), ("prune", ["restic", "prune"])]
        async with self._queues.alone(storage.id):
            ended = await self._maintain(name, steps, storage)
        forgotten = ended.step("forget")
        if forgotten is None or forgotten.exit_code != 0:
            log.warning("retention of policy %s: restic forget failed", policy.id)
            return
        for backup in going:
            removed = msgspec.structs.replace(
                self._service.get(backup.id), snapshot_removed_at=self._clock.now()
            )
            await self._service.put(backup, removed)

    async def remove_job(self, backup: BackupExecution) -> None:
        """Deletes the archive's Job and its copy of the password."""
        if backup.job is not None:
            await self._cluster.delete(paths.jobs(backup.namespace, backup.job))
            await self._service.storages.jobs.remove_credentials(backup.namespace, backup.job)


def _outcome(ended: jobs.Ended) -> restic.Outcome:
    """The outcome from the steps: the first that failed tells why."""
    if ended.reason == "DeadlineExceeded":
        words = "The archive was stopped at its deadline."
        return restic.Outcome(
            BackupStatus.FAILED, None, "DeadlineExceeded", words, "Raise the policy's deadline_seconds.", ()
        )
    version = restic.version(step.log) if (step := ended.step("version")) else ""
    backup = ended.step("backup")
    if backup is not None and backup.exit_code is not None and backup.exit_code != 137:
        return restic.archived(backup.exit_code, backup.log, version)
    failed = next((s for s in ended.steps if s.exit_code), None)
    if failed is None:
        return _lost("JobFailed", clean(f"The archive's Job failed: {ended.message or ended.reason}", 500))
    if failed.exit_code == 137:
        return _lost("Interrupted", "The archive was killed before it ended.")
    if failed.name == "sources":
        said = clean(" ".join(line.decode(errors="replace") for line in restic.lines(failed.log)), 500)
        words, then = f"A path to archive does not exist: {said}", "Correct the policy's source."
        return restic.Outcome(BackupStatus.FAILED, None, "SourceMissing", words, then, ())
    reason, words, then = restic.fault(failed.exit_code, failed.log)
    return restic.Outcome(BackupStatus.FAILED, None, reason, words, then, ())


def _lost(reason: str, words: str) -> restic.Outcome:
    return restic.Outcome(
        BackupStatus.FAILED, None, reason, words, "It is tried again where retries are left.", ()
    )


def _with(backup: BackupExecution, outcome: restic.Outcome) -> BackupExecution:
    return msgspec.structs.replace(
        backup,
        result=outcome.result,
        reason=outcome.reason,
        message=outcome.message,
        next_step=outcome.next_step,
        warnings=outcome.warnings,
        progress=None,
    )


def _snapshots(ended: jobs.Ended) -> list[Object]:
    step = ended.step("snapshots")
    for line in restic.lines(step.log) if step else []:
        if line.startswith(b"["):
            try:
                found: list[Object] = msgspec.json.decode(line)
            except msgspec.DecodeError:
                continue
            return found
    return []
