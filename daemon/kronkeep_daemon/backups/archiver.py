"""One backup from `queued` to its end: hooks, the Job, its progress, its result, retries.

A backup goes through stages, each recorded before the next: its archive with the hooks before it, then, with
its result and its `ending` on the record, the hooks on its content, then those that run whatever became of
it. So a daemon that was killed goes on at the stage where it stopped, and post hooks run after any end.
"""

import asyncio
import logging
from collections.abc import Callable

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError, StorageFailed
from kronkeep_common.models import BackupExecution, BackupPolicy
from kronkeep_common.reasons import Reason
from kronkeep_common.states import BackupStatus
from kronkeep_daemon.backups import (
    archive_manifests,
    archive_outcome,
    cronjob_configuration,
    hook_runner,
    planning_rules,
)
from kronkeep_daemon.backups.archive_work import ArchiveWork, ArchiveWorkResolver
from kronkeep_daemon.backups.backup_logs import BackupLogs
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.hook_runner import Around, HookRunner
from kronkeep_daemon.jobs import node_placement
from kronkeep_daemon.jobs.logs import OnLine
from kronkeep_daemon.jobs.outcome import FinishedJob
from kronkeep_daemon.jobs.runner import JobLimits
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.errors import AlreadyExists, NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.repositories import job_manifests, job_names, repository_creation
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs, failed
from kronkeep_daemon.repositories.stale_locks import StaleLocks
from kronkeep_daemon.repositories.version_probe import VersionProbe
from kronkeep_daemon.restic import backup as restic_backup
from kronkeep_daemon.restic import forget, output, snapshots
from kronkeep_daemon.restic.backup import BackupOutcome
from kronkeep_daemon.restic.faults import Fault
from kronkeep_daemon.settings import Settings

log = logging.getLogger(__name__)
FIRST_PAUSE = 5.0
LONGEST_PAUSE = 300.0  # seconds before an archive is tried again
SLACK = 900.0  # seconds beyond a Job's own deadline before its end is no longer waited for
INIT_SECONDS = 300.0
LOOK_SECONDS = 900.0
NOT_IN_TIME = BackupOutcome(
    status=BackupStatus.FAILED,
    result=None,
    reason=Reason.QUEUE_TIMEOUT,
    message=Reason.QUEUE_TIMEOUT.meaning,
    next_step=Reason.QUEUE_TIMEOUT.next_step,
    warnings=(),
)
MADE = (BackupStatus.SUCCEEDED, BackupStatus.PARTIAL)


class Archiver:
    """Runs archives."""

    def __init__(
        self,
        *,
        clusters: Clusters,
        works: ArchiveWorkResolver,
        records: BackupRecords,
        logs: BackupLogs,
        hooks: HookRunner,
        repository_jobs: RepositoryJobs,
        index: RepositoryIndex,
        stale_locks: StaleLocks,
        version_probe: VersionProbe,
        queues: RepositoryQueues,
        clock: Clock,
        settings: Callable[[], Settings],
    ) -> None:
        self._clusters = clusters
        self._works = works
        self._records = records
        self._logs = logs
        self._hooks = hooks
        self._repository_jobs = repository_jobs
        self._index = index
        self._stale_locks = stale_locks
        self._version_probe = version_probe
        self._queues = queues
        self._clock = clock
        self._settings = settings

    async def run(self, backup_id: str) -> None:
        """Takes the backup to a final state; the task of one backup."""
        backup = self._records.get(backup_id)
        try:
            work = self._works.resolve(backup)
        except KronkeepError as fault:
            await self._end(backup_id, backup.ending or BackupStatus.FAILED, refused(fault))
            return
        try:
            await self._archived(backup_id, work)
        except TimeoutError:
            await self._conclude(backup_id, NOT_IN_TIME)
        await self._post(backup_id, work)
        await self._end(backup_id, self._records.get(backup_id).ending or BackupStatus.UNKNOWN)

    async def _archived(self, backup_id: str, work: ArchiveWork) -> None:
        """Makes the archive and validates it, alone on the repository; raises TimeoutError in the queue."""
        backup = self._records.get(backup_id)
        if backup.ending is not None and backup.ending not in MADE:
            return
        patience = None
        if backup.status is BackupStatus.QUEUED and backup.deadline_at is not None:
            patience = (backup.deadline_at - self._clock.now()).total_seconds()
        async with self._queues.hold_for_archive(work.repository.id, patience):
            if backup.ending is None:
                await self._conclude(backup_id, await self._attempts(backup_id, work))
            await self._validate(backup_id, work)

    async def _attempts(self, backup_id: str, work: ArchiveWork) -> BackupOutcome:
        free = 0  # attempts that only took a dead lock away do not count
        while True:
            ended = await self._attempt(backup_id, work)
            backup = self._records.get(backup_id)
            if ended.reason == Reason.REPOSITORY_LOCKED and not free:
                free += await self._stale_locks.remove(work.repository)
                again = bool(free)
            else:
                again = False
            tried = archive_outcome.written(backup, ended)
            if ended.status is not BackupStatus.FAILED or not (
                again or planning_rules.may_retry(tried, work.policy, free)
            ):
                return archive_outcome.final(ended)
            await self._discard(ended, work.repository)
            queued = msgspec.structs.replace(
                tried, attempt=backup.attempt + 1, status=BackupStatus.QUEUED, result=None
            )
            await self._records.put(backup, queued)
            if not again:
                await self._clock.sleep(min(FIRST_PAUSE * 4 ** (backup.attempt - 1), LONGEST_PAUSE))

    async def _attempt(self, backup_id: str, work: ArchiveWork) -> BackupOutcome:
        """One attempt; a fault of ours or of the cluster that a repetition may heal is raised."""
        before = self._records.get(backup_id)
        backup = await self._running(backup_id)
        try:
            async with asyncio.timeout(work.policy.deadline_seconds + SLACK + _hook_seconds(work.policy)):
                return await self._tried(before, backup, work)
        except TimeoutError:
            words = "Nothing was heard of the archive's Job until long after its deadline."
            return archive_outcome.lost(Reason.JOB_GONE, words)._replace(status=BackupStatus.UNKNOWN)
        except KronkeepError as fault:
            if fault.retryable:
                raise  # the planner's next look begins it again
            return refused(fault)

    async def _tried(
        self, before: BackupExecution, backup: BackupExecution, work: ArchiveWork
    ) -> BackupOutcome:
        await self._version_probe.require(work.cluster, work.policy)
        await self._ensure(backup, work.repository)
        node = await node_placement.node_of(work.cluster, backup.namespace, work.claims)
        around = Around(cronjob=work.cronjob, claims=work.claims, repository=work.repository, node=node)
        verdict = await self._hooks.stage(backup.id, "pre", around)
        if verdict.stopped_by is not None:
            reason = hook_runner.refusal("pre", verdict.stopped_by)
            return restic_backup.failure(Fault(*reason), verdict.warnings)
        found = await self._ended_unseen(before, work) or await self._job(backup, work, node)
        return found._replace(warnings=(*verdict.warnings, *found.warnings))

    async def _job(self, backup: BackupExecution, work: ArchiveWork, node: str | None) -> BackupOutcome:
        """The archive's Job to its end; where that leaves doubt, what the repository holds decides."""
        complete = False
        try:
            ended = await self._archive(backup, work, node)
            complete = ended.complete
            result = archive_outcome.judge(ended)
        except NotFoundInCluster:
            words = "The archive's Job went before it ended; how it ended is not known."
            result = archive_outcome.lost(Reason.JOB_GONE, words)
        reason = Reason.parse(result.reason)
        if reason is not None and reason.killed:
            await self._stale_locks.remove(work.repository)
        if reason is not None and reason.doubtful:
            result = await self._made_already(backup, work.repository, result, complete) or result
        return result

    async def _archive(self, backup: BackupExecution, work: ArchiveWork, node: str | None) -> FinishedJob:
        owner = job_manifests.owner_reference(work.cronjob)
        name = job_names.archive_job_name(backup)
        files: dict[str, str] = {}
        if work.policy.include.configuration:
            files = await cronjob_configuration.read_configuration(work.cluster, work.cronjob)
        job = archive_manifests.archive_job(
            backup=backup,
            policy=work.policy,
            repository=work.repository,
            claims=work.claims,
            files=sorted(files),
            settings=self._settings().archive,
        )
        archive_manifests.belongs(job, backup, owner, node)
        try:
            if files:
                await _carry(
                    work.cluster, cronjob_configuration.config_map(name, backup.namespace, files, owner)
                )
            ended = await self._repository_jobs.run_job(
                job,
                work.repository,
                work.cluster,
                owner=owner,
                on_line=self._listener(backup.id),
                limits=JobLimits(unreachable_seconds=hook_runner.LOST_SECONDS),
            )
        finally:
            if files:
                await work.cluster.delete(
                    paths.configmaps(backup.namespace, cronjob_configuration.config_map_name(name))
                )
        kept = await self._logs.save(backup.id, ended)
        old = self._records.get(backup.id)
        await self._records.put(old, msgspec.structs.replace(old, logs=(*old.logs, *kept)))
        return ended

    async def _ended_unseen(self, before: BackupExecution, work: ArchiveWork) -> BackupOutcome | None:
        """What an archive made whose Job ended and was removed unwatched; None if it must run."""
        if before.status is not BackupStatus.RUNNING or before.job is None:
            return None
        try:
            await work.cluster.get(paths.jobs(before.namespace, before.job))
        except NotFoundInCluster:
            gone = archive_outcome.lost(Reason.JOB_GONE, "The archive's Job went while nobody watched.")
            return await self._made_already(before, work.repository, gone, complete=False)
        return None

    async def _running(self, backup_id: str) -> BackupExecution:
        """Records the Job's name before the Job is made."""
        backup = self._records.get(backup_id)
        new = msgspec.structs.replace(
            backup,
            status=BackupStatus.RUNNING,
            started_at=backup.started_at or self._clock.now(),
            deadline_at=None,
            job=job_names.archive_job_name(backup),
        )
        await self._records.put(backup, new)
        return new

    def _listener(self, backup_id: str) -> OnLine:
        """Keeps progress lines, at most one a second, as restic was told."""

        def line(_: str, raw: bytes) -> None:
            for obj in output.parse_objects(raw):
                found = restic_backup.parse_progress(obj)
                if found is not None:
                    backup = self._records.get(backup_id)
                    self._records.put_progress(msgspec.structs.replace(backup, progress=found))

        return line

    async def _ensure(self, backup: BackupExecution, repository: Repository) -> None:
        """Makes a policy's own repository before its first archive; raises StorageFailed."""
        if self._index.contains(repository):
            return
        mark = job_names.short_hash(repository.id, backup.id, str(backup.attempt))
        await repository_creation.create_or_open(self._repository_jobs, repository, mark[:6], INIT_SECONDS)
        await self._index.record(repository)

    async def _step(
        self, what: str, argv: list[str], repository: Repository, seconds: float
    ) -> StorageFailed | None:
        name = job_names.new_name(what, repository.storage)
        return failed(await self._repository_jobs.run(name, [(what, argv)], repository, seconds))

    async def _made_already(
        self, backup: BackupExecution, repository: Repository, before: BackupOutcome, complete: bool
    ) -> BackupOutcome | None:
        """The snapshot that a lost attempt had made after all, found by this backup's own tag."""
        argv = snapshots.argv(snapshots.backup_tag(backup.id))
        name = job_names.new_name("look", repository.storage)
        ended = await self._repository_jobs.run(name, [("snapshots", argv)], repository, LOOK_SECONDS)
        step = ended.container("snapshots")
        listed = snapshots.parse(step.log) if step else []
        return archive_outcome.found(listed, before, complete)

    async def _discard(self, ended: BackupOutcome, repository: Repository) -> None:
        """Forgets the dump of an attempt that is made again."""
        if ended.result is not None:
            argv = forget.argv([ended.result.snapshot_id])
            fault = await self._step("discard", argv, repository, LOOK_SECONDS)
            if fault is not None:
                log.warning("a dump of %s stays: %s", repository.id, fault)

    async def _validate(self, backup_id: str, work: ArchiveWork) -> None:
        """The hooks on the snapshot's content; one that stops makes the backup failed, its snapshot stays."""
        backup = self._records.get(backup_id)
        if backup.ending not in MADE or not work.policy.hooks.validate:
            return
        around = Around(cronjob=work.cronjob, claims=work.claims, repository=work.repository, node=None)
        verdict = await self._hooks.stage(backup_id, "validate", around)
        new = old = self._records.get(backup_id)
        if verdict.stopped_by is not None:
            reason, words, step = hook_runner.refusal("validate", verdict.stopped_by)
            new = msgspec.structs.replace(
                old, ending=BackupStatus.FAILED, reason=reason, message=words, next_step=step
            )
        warnings = (*old.warnings, *verdict.warnings)
        await self._records.put(old, msgspec.structs.replace(new, warnings=warnings))

    async def _post(self, backup_id: str, work: ArchiveWork) -> None:
        """The hooks after it all; what they do changes nothing of the backup's end."""
        if not work.policy.hooks.post or self._records.get(backup_id).started_at is None:
            return
        node = await node_placement.node_of(work.cluster, self._records.get(backup_id).namespace, work.claims)
        verdict = await self._hooks.stage(
            backup_id,
            "post",
            Around(cronjob=work.cronjob, claims=work.claims, repository=work.repository, node=node),
        )
        old = self._records.get(backup_id)
        said = verdict.warnings
        if (run := verdict.stopped_by) is not None:
            said = (
                *said,
                f"The post hook {run.name} {run.status}: {run.message} Those after it did not run.",
            )
        if said:
            await self._records.put(old, msgspec.structs.replace(old, warnings=(*old.warnings, *said)))

    async def _conclude(self, backup_id: str, ended: BackupOutcome) -> None:
        """Records how the archive ended, which its final state will say once its hooks have run."""
        old = self._records.get(backup_id)
        await self._records.put(
            old, msgspec.structs.replace(archive_outcome.written(old, ended), ending=ended.status)
        )

    async def _end(self, backup_id: str, status: BackupStatus, ended: BackupOutcome | None = None) -> None:
        now = self._clock.now()
        old = self._records.get(backup_id)
        new = archive_outcome.written(old, ended) if ended is not None and old.ending is None else old
        new = msgspec.structs.replace(
            new,
            status=status,
            ending=None,
            progress=None,
            deadline_at=None,
            ended_at=now,
            duration_seconds=(now - old.started_at).total_seconds() if old.started_at else None,
        )
        await self._records.put(old, new)

    async def remove_jobs(self, backup: BackupExecution) -> None:
        """Deletes the archive's Job and its hooks', with their copies of the password."""
        if backup.job is not None:
            cluster = self._clusters.of(backup.cluster)
            await cluster.delete(paths.jobs(backup.namespace, backup.job))
            await self._repository_jobs.remove_credentials(cluster, backup.namespace, backup.job)
        await self._hooks.remove(backup)


async def _carry(cluster: Cluster, config_map: JsonObject) -> None:
    try:
        await cluster.create(paths.configmaps(config_map["metadata"]["namespace"]), config_map)
    except AlreadyExists:
        return


def refused(fault: KronkeepError) -> BackupOutcome:
    """The outcome of an archive that could not be made for a reason that lasts."""
    reason = str(fault.details.get("reason") or type(fault).code)
    return BackupOutcome(
        status=BackupStatus.FAILED,
        result=None,
        reason=reason,
        message=fault.message,
        next_step=fault.next_step,
        warnings=(),
    )


def _hook_seconds(policy: BackupPolicy) -> float:
    return sum(hook.timeout_seconds + archive_manifests.START_SECONDS for hook in policy.hooks.pre)
