"""One attempt at an archive: its pre hooks, its Job, its progress, and in doubt a look at the repository.

The hooks run before the archive has a place of the repository; it gets that just before its Job is created.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError, NameTaken, StorageFailed
from kronkeep_common.models import BackupExecution, Cause
from kronkeep_common.reasons import Reason
from kronkeep_common.states import BackupStatus
from kronkeep_daemon.backups import (
    archive_manifests,
    archive_outcome,
    archive_requests,
    claim_checks,
    cronjob_configuration,
    hook_runner,
    policy_annotations,
    volume_copy_checks,
)
from kronkeep_daemon.backups.archive_inputs import ArchiveInputs
from kronkeep_daemon.backups.backup_logs import BackupLogs
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.hook_runner import HookRunner, StageResult
from kronkeep_daemon.backups.volume_copies import VolumeCopies
from kronkeep_daemon.jobs import node_placement, pods
from kronkeep_daemon.jobs.logs import OnLine
from kronkeep_daemon.jobs.outcome import FinishedJob
from kronkeep_daemon.jobs.runner import JobLimits, OnPod
from kronkeep_daemon.jobs.start_watch import OnWaiting
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import Pod
from kronkeep_daemon.repositories import job_manifests, job_names, volume_space
from kronkeep_daemon.repositories.lock_removal import LockRemoval
from kronkeep_daemon.repositories.queue import ArchiveHold, ArchiveRequest, OnWait, RepositoryQueues
from kronkeep_daemon.repositories.queue_rules import Work
from kronkeep_daemon.repositories.repository import Repository, repository_of_backup
from kronkeep_daemon.repositories.repository_creation import RepositoryMaker
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs
from kronkeep_daemon.repositories.version_probe import VersionProbe
from kronkeep_daemon.restic import backup as restic_backup
from kronkeep_daemon.restic import output, snapshots
from kronkeep_daemon.restic.backup import BackupOutcome
from kronkeep_daemon.restic.snapshots import ListedSnapshot, SnapshotTags
from kronkeep_daemon.settings import Settings

SLACK_SECONDS = 900.0  # beyond the Job's own deadline, before its end is no longer waited for
LIST_SECONDS = 900.0
LONGEST_QUEUE = timedelta(days=1)  # for a place of the repository


class AttemptRunner:
    """Runner of single attempts at archives."""

    def __init__(
        self,
        *,
        records: BackupRecords,
        logs: BackupLogs,
        hooks: HookRunner,
        repository_jobs: RepositoryJobs,
        index: RepositoryIndex,
        maker: RepositoryMaker,
        queues: RepositoryQueues,
        lock_removal: LockRemoval,
        version_probe: VersionProbe,
        volume_copies: VolumeCopies,
        clock: Clock,
        settings: Callable[[], Settings],
    ) -> None:
        self._records = records
        self._logs = logs
        self._hooks = hooks
        self._repository_jobs = repository_jobs
        self._index = index
        self._maker = maker
        self._queues = queues
        self._lock_removal = lock_removal
        self._version_probe = version_probe
        self._volume_copies = volume_copies
        self._clock = clock
        self._settings = settings

    async def run(
        self, backup_id: str, inputs: ArchiveInputs, on_waiting: OnWaiting, *, with_parent: bool = True
    ) -> BackupOutcome:
        """Run one attempt and return its outcome.

        with_parent: False where the snapshot that the records name as the parent is not there.
        on_waiting: called with the reason while it waits: for a place of the repository, or one of its Jobs.

        Raises a fault of the daemon or cluster that may pass, and TimeoutError where the backup gets no place
        by its deadline.
        """
        # Read before the start is recorded: a backup that is `running` here was at work when the daemon was
        # killed, so the Job that its record names may exist, or may have ended and been removed.
        before = self._records.get(backup_id)
        try:
            request = await self._prepare(before, inputs)
            attempt = _Attempt(
                before=before,
                inputs=inputs,
                request=request,
                on_waiting=on_waiting,
                with_parent=with_parent,
            )
            async with AsyncExitStack() as preparation:
                stage, hooks = await self._run_pre_hooks(attempt, preparation)
                if stage.stopped_by is not None:
                    hook_fault = hook_runner.fault_of_hook(stage.stopped_by)
                    return restic_backup.failure(hook_fault, stage.warnings)
                outcome = await self._archive_in_place(attempt, hooks, preparation)
            return outcome._replace(warnings=(*stage.warnings, *outcome.warnings))
        except KronkeepError as fault:
            if fault.retryable:
                raise  # the planner's next pass starts the archive again
            await self._record_start(backup_id)
            return archive_outcome.outcome_of_fault(fault)

    async def _prepare(self, backup: BackupExecution, inputs: ArchiveInputs) -> ArchiveRequest:
        """Do what needs no place of the repository; return what is asked of the queue.

        Raises what keeps the archive from being made.
        """
        await claim_checks.require_claims(inputs.cluster, backup.namespace, inputs.claims)
        source = inputs.policy.source
        await volume_copy_checks.plan_copies(inputs.cluster, backup.namespace, inputs.claims, source)
        await self._version_probe.require(inputs.cluster, inputs.policy)
        await self._maker.make_if_missing(inputs.repository, backup.id, str(backup.attempt))
        # A volume that is made for the archive has no user yet, so any node that reaches it will do.
        is_live = source.consistency == "live"
        return archive_requests.build_request(
            backup,
            inputs,
            node=await self._find_node(backup, inputs) if is_live else None,
            last_good=self._records.newest_good_end(
                inputs.cronjob.uid, self._clock.now() + timedelta(seconds=1)
            ),
            is_resumed=await self._is_resumed(backup),
        )

    async def _find_node(self, backup: BackupExecution, inputs: ArchiveInputs) -> str | None:
        return await node_placement.find_node(inputs.cluster, backup.namespace, inputs.claims)

    async def _is_resumed(self, backup: BackupExecution) -> bool:
        """Whether the archive's Job was at work when the daemon was killed, and is there."""
        if backup.status is not BackupStatus.RUNNING or backup.job is None:
            return False
        return await self._repository_jobs.exists(backup.cluster, backup.namespace, backup.job)

    async def _run_pre_hooks(
        self, attempt: "_Attempt", preparation: AsyncExitStack
    ) -> tuple[StageResult, Work | None]:
        """Run the pre hooks in turn with those of other backups; return their work in the queue too.

        preparation: is left once the archive has its place, and lets the hooks of another backup begin.
        """
        backup = attempt.before
        inputs = attempt.inputs
        request = attempt.request
        on_waiting = attempt.on_waiting
        if not inputs.policy.hooks.pre:
            return StageResult(None, ()), None
        work = None
        if not request.is_resumed:
            hold = self._queues.hold_for_hooks(request, self._patience(backup), _explainer(on_waiting))
            work = await preparation.enter_async_context(hold)
        await self._record_start(backup.id)
        node = request.node or await self._find_node(backup, inputs)
        stage = await self._hooks.run_stage(backup.id, "pre", inputs, node=node, on_waiting=on_waiting)
        return stage, work

    async def _archive_in_place(
        self, attempt: "_Attempt", hooks: Work | None, preparation: AsyncExitStack
    ) -> BackupOutcome:
        """Wait for a place of the repository, then make the archive in the time that its policy gives."""
        before = attempt.before
        inputs = attempt.inputs
        on_waiting = attempt.on_waiting
        patience = self._patience(self._records.get(before.id))
        place = self._queues.hold_for_archive(attempt.request, patience, _explainer(on_waiting), hooks=hooks)
        async with place as hold:
            await preparation.aclose()
            backup = await self._record_start(before.id)
            in_place = attempt._replace(
                on_waiting=partial(_note_stall, hold, on_waiting), on_pod=partial(_release_at_end, hold)
            )
            try:
                async with asyncio.timeout(inputs.policy.deadline_seconds + SLACK_SECONDS):
                    outcome = await self._find_missed_result(before, inputs)
                    return outcome or await self._archive(backup, in_place)
            except TimeoutError:
                message = "The archive's Job was not seen to end until long after its deadline."
                lost = archive_outcome.outcome_of_lost(Reason.JOB_GONE, message)
                return lost._replace(status=BackupStatus.UNKNOWN)

    def _patience(self, backup: BackupExecution) -> float:
        """Return for how many seconds the backup may wait for a place."""
        if backup.deadline_at is None:
            return LONGEST_QUEUE.total_seconds()
        return (backup.deadline_at - self._clock.now()).total_seconds()

    async def _record_start(self, backup_id: str) -> BackupExecution:
        """Record that the backup runs, and the name of its Job, before that Job is created."""
        backup = self._records.get(backup_id)
        return await self._records.change(
            backup_id,
            status=BackupStatus.RUNNING,
            started_at=backup.started_at or self._clock.now(),
            deadline_at=None,
            reason=None,
            message=None,
            next_step=None,
            job=job_names.archive_job_name(backup),
        )

    async def _find_missed_result(
        self, before: BackupExecution, inputs: ArchiveInputs
    ) -> BackupOutcome | None:
        """Return the result of a Job that was removed unwatched; None where the archive must run."""
        if before.status is not BackupStatus.RUNNING or before.job is None:
            return None
        if await self._repository_jobs.exists(inputs.cluster.id, before.namespace, before.job):
            return None
        await self._volume_copies.remove(before, inputs.claims)
        message = "The archive's Job was removed while no daemon watched it."
        lost = archive_outcome.outcome_of_lost(Reason.JOB_GONE, message)
        return await self._find_snapshot(before, inputs.repository, lost, is_complete=False)

    async def _archive(self, backup: BackupExecution, attempt: "_Attempt") -> BackupOutcome:
        """Run the archive's Job; where its end leaves doubt, what the repository holds decides."""
        inputs = attempt.inputs
        is_complete = False
        confirmed = None
        try:
            finished = await self._run_job(backup, attempt)
            is_complete = finished.complete
            outcome = archive_outcome.with_first_byte(archive_outcome.judge_job(finished), finished)
            confirmed = archive_outcome.confirm(backup, outcome, finished)
            outcome = confirmed or outcome
        except NotFoundInCluster:
            message = "The archive's Job was deleted before it ended; how it ended is not known."
            outcome = archive_outcome.outcome_of_lost(Reason.JOB_GONE, message)
        except NameTaken as taken:
            # Perhaps the Job is of another kronkeep that acted before this one.
            outcome = archive_outcome.outcome_of_fault(taken)
        reason = Reason.parse(outcome.reason)
        if reason is Reason.STORAGE_FULL:
            next_step = await volume_space.explain_full(self._repository_jobs, inputs.repository)
            outcome = outcome._replace(next_step=next_step)
        if reason is not None and reason.killed:
            self._lock_removal.start(inputs.repository)
        if reason is not None and reason.doubtful:
            by_snapshot = await self._find_snapshot(
                backup, inputs.repository, outcome, is_complete=is_complete
            )
            if by_snapshot is not None:
                return by_snapshot
        if outcome.result is not None and outcome.result.first_byte_seconds is not None:
            self._index.note_first_byte(inputs.repository, outcome.result.first_byte_seconds)
        if outcome.result is not None and confirmed is None:
            listed = await self._list_own(backup, inputs.repository)
            return archive_outcome.with_listed_snapshots(backup, outcome, listed, is_complete=is_complete)
        return outcome

    async def _run_job(self, backup: BackupExecution, attempt: "_Attempt") -> FinishedJob:
        """Run the archive's Job to its end, on volumes made for it where the policy says so; save logs."""
        async with self._volume_copies.provide(backup, attempt.inputs, attempt.on_waiting) as copies:
            finished = await self._run_job_on(backup, attempt, copies)
        logs = await self._logs.save(backup, finished)
        await self._records.change(backup.id, logs=(*self._records.get(backup.id).logs, *logs))
        return finished

    async def _run_job_on(
        self, backup: BackupExecution, attempt: "_Attempt", copies: Mapping[str, str]
    ) -> FinishedJob:
        inputs = attempt.inputs
        last = self._find_last(inputs)
        files: dict[str, str] = {}
        if inputs.policy.include.configuration:
            files = await cronjob_configuration.read_configuration(inputs.cluster, inputs.cronjob)
        manifest = archive_manifests.archive_job(
            backup,
            inputs,
            sorted(files),
            self._settings().archive,
            repository_id=self._index.id_of(inputs.repository),
            is_first=last is None,
            parent=_parent_in(inputs.repository, last) if attempt.with_parent else None,
            copies=copies,
        )
        archive_manifests.assign_to_backup(manifest, backup, inputs, attempt.request.node or None)
        try:
            if files:
                await self._create_config_map(backup, inputs, files)
            return await self._repository_jobs.run_job(
                manifest,
                inputs.repository,
                inputs.cluster,
                owner=job_manifests.owner_reference(inputs.cronjob),
                on_line=self._progress_listener(backup.id),
                on_waiting=attempt.on_waiting,
                on_pod=attempt.on_pod,
                limits=JobLimits(unreachable_seconds=hook_runner.UNREACHABLE_SECONDS),
            )
        finally:
            if files:
                objects = self._repository_jobs.objects_on(inputs.cluster.id)
                await objects.remove(_config_map_path(backup))

    def _find_last(self, inputs: ArchiveInputs) -> BackupExecution | None:
        """Return the policy's newest backup that has a snapshot, so far as is known."""
        carrier = policy_annotations.carrier_of(inputs.cronjob)
        return self._records.newest_with_snapshot(carrier) if carrier is not None else None

    async def _create_config_map(
        self, backup: BackupExecution, inputs: ArchiveInputs, files: dict[str, str]
    ) -> None:
        """Create the ConfigMap with the configuration's files, unless a killed daemon had done so."""
        manifest = cronjob_configuration.config_map(
            job_names.archive_job_name(backup),
            backup.namespace,
            files,
            job_manifests.owner_reference(inputs.cronjob),
        )
        objects = self._repository_jobs.objects_on(inputs.cluster.id)
        await objects.create(paths.configmaps(backup.namespace), manifest)

    def _progress_listener(self, backup_id: str) -> OnLine:
        """Return a listener that stores progress; restic prints it at most once a second."""

        def listen(_: str, line: bytes) -> None:
            for message in output.parse_objects(line):
                progress = restic_backup.parse_progress(message)
                if progress is not None:
                    self._records.put_progress(backup_id, progress)

        return listen

    async def _find_snapshot(
        self, backup: BackupExecution, repository: Repository, lost: BackupOutcome, *, is_complete: bool
    ) -> BackupOutcome | None:
        """Return the outcome by the snapshots that a lost archive made, found by the backup's own tag."""
        listed = await self._list_own(backup, repository)
        return archive_outcome.judge_snapshots(listed or [], lost, is_complete=is_complete)

    async def _list_own(self, backup: BackupExecution, repository: Repository) -> list[ListedSnapshot] | None:
        """Return the snapshots with the backup's tags; None where the repository could not be read."""
        tags = SnapshotTags(policy=backup.policy_id, backup=backup.id)
        step = (snapshots.STEP, snapshots.argv(tags.filter()))
        name = job_names.new_name("look", repository.storage)
        try:
            finished = await self._repository_jobs.run(name, [step], repository, LIST_SECONDS)
        except StorageFailed:
            return None
        container = finished.container(snapshots.STEP)
        return snapshots.parse_list(container.log) if container is not None else None


def _config_map_path(backup: BackupExecution) -> str:
    name = cronjob_configuration.config_map_name(job_names.archive_job_name(backup))
    return paths.configmaps(backup.namespace, name)


def _parent_in(repository: Repository, last: BackupExecution | None) -> str | None:
    """Return the snapshot of the policy's last backup, where that is in the repository and stays there."""
    if last is None or last.result is None or last.forget_began_at is not None:
        return None
    if last.storage_id != repository.storage.id:
        return None
    is_here = repository_of_backup(last, repository.storage).id == repository.id
    return last.result.snapshot_id if is_here else None


class _Attempt(NamedTuple):
    """One attempt: the backup as it was before, what is archived, its place in the queue, its listeners."""

    before: BackupExecution
    inputs: ArchiveInputs
    request: ArchiveRequest
    on_waiting: OnWaiting
    with_parent: bool
    on_pod: OnPod | None = None


def _explainer(on_waiting: OnWaiting) -> OnWait:
    """Return what tells the reasons of the queue to `on_waiting`."""

    async def explain(reason: Reason) -> None:
        await on_waiting(Cause(reason=reason, message=reason.meaning, next_step=reason.next_step))

    return explain


async def _note_stall(hold: ArchiveHold, on_waiting: OnWaiting, cause: Cause | None) -> None:
    """Let other archives go past one whose Job waits to start, and tell why it waits.

    One whose node does not answer may be writing.
    """
    hold.set_stalled(cause is not None and cause.reason != Reason.NODE_NOT_READY)
    await on_waiting(cause)


async def _release_at_end(hold: ArchiveHold, pod: Pod) -> None:
    """Give the archive's place to the next once restic has ended well.

    Kubernetes ends the Job a second later, and then its log is read and its end recorded. After any other end
    the repository may have a lock of it, so the place stays until that is known.
    """
    if pods.has_succeeded(pod):
        hold.release()
