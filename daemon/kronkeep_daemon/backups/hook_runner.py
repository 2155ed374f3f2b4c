"""The runner of a policy's hooks: each is a Job of its own, whose end and log are kept on the backup.

A hook is no container of the archive's pod: Kubernetes has a timeout for a Job and none for a container, a
failed init container ends its pod, and what must run after a failure cannot be in the pod that failed. A
hook's run is recorded before its Job is created, under a name derived from the backup, so that a daemon that
was killed finds the Job again and never creates a second one.
"""

from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Literal, NamedTuple

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import JobNotStarted, NameTaken
from kronkeep_common.models import BackupExecution, Hook, HookRun
from kronkeep_common.reasons import Reason
from kronkeep_common.states import BackupStatus
from kronkeep_common.text import clean
from kronkeep_daemon.backups import archive_manifests
from kronkeep_daemon.backups.archive_inputs import ArchiveInputs
from kronkeep_daemon.backups.backup_logs import BackupLogs
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.jobs import pods
from kronkeep_daemon.jobs.outcome import FinishedJob
from kronkeep_daemon.jobs.runner import JobLimits, JobRunners
from kronkeep_daemon.jobs.start_watch import OnWaiting
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject, Pod
from kronkeep_daemon.repositories import job_manifests
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs
from kronkeep_daemon.restic import faults, output
from kronkeep_daemon.restic.faults import Fault
from kronkeep_daemon.settings import Settings

# A backup whose cluster is away for longer than this frees the repository, which other clusters may use too.
UNREACHABLE_SECONDS = 120.0
HookStage = Literal["pre", "validate", "post"]
HookEnd = Literal["succeeded", "failed", "timed-out", "unknown"]


class _PlannedHook(msgspec.Struct, frozen=True, kw_only=True):
    """A hook that is to run.

    job: the name of its Job.
    node: where the Job must run; None lets the scheduler choose.
    on_waiting: called with the reason while the Job waits.
    """

    stage: HookStage
    hook: Hook
    job: str
    node: str | None
    on_waiting: OnWaiting | None


class StageResult(NamedTuple):
    """How a stage ended: the run that stops the backup, if one does, and warnings."""

    stopped_by: HookRun | None
    warnings: tuple[str, ...]


class HookRunner:
    """Runner of the hooks of backups, in their order."""

    def __init__(
        self,
        *,
        records: BackupRecords,
        logs: BackupLogs,
        repository_jobs: RepositoryJobs,
        runners: JobRunners,
        queues: RepositoryQueues,
        clock: Clock,
        settings: Callable[[], Settings],
    ) -> None:
        self._records = records
        self._logs = logs
        self._repository_jobs = repository_jobs
        self._runners = runners
        self._queues = queues
        self._clock = clock
        self._settings = settings

    async def run_stage(
        self,
        backup_id: str,
        stage: HookStage,
        inputs: ArchiveInputs,
        *,
        node: str | None = None,
        on_waiting: OnWaiting | None = None,
    ) -> StageResult:
        """Run the hooks of a stage in order, up to the first that fails and stops the backup.

        node: where the Jobs must run; None lets the scheduler choose.
        on_waiting: called with the reason while a hook's Job waits.
        """
        hooks: tuple[Hook, ...] = getattr(inputs.policy.hooks, stage)
        warnings: list[str] = []
        for position, hook in enumerate(hooks):
            backup = self._records.get(backup_id)
            if stage == "post" and not runs_after(hook, backup.ending or backup.status):
                continue
            job = archive_manifests.hook_job_name(backup, stage, position)
            planned = _PlannedHook(stage=stage, hook=hook, job=job, node=node, on_waiting=on_waiting)
            run = await self._run_once(backup, planned, inputs)
            if run.status == "succeeded":
                continue
            if hook.on_failure == "stop":
                return StageResult(run, tuple(warnings))
            warnings.append(f"The {stage} hook {hook.name} {run.status}: {run.message}"[:300])
        return StageResult(None, tuple(warnings))

    async def _run_once(
        self, backup: BackupExecution, planned: _PlannedHook, inputs: ArchiveInputs
    ) -> HookRun:
        """Run a hook, or return its run in this attempt where it has ended before the daemon was killed."""
        run = next((recorded for recorded in backup.hooks if recorded.job == planned.job), None)
        if run is not None and run.status != "running":
            return run
        # Recorded before the Job is created: after a kill the same attempt finds the Job by its name and
        # token and does not run the hook a second time.
        if run is None:
            run = HookRun(
                name=planned.hook.name,
                stage=planned.stage,
                attempt=backup.attempt,
                status="running",
                job=planned.job,
                started_at=self._clock.now(),
            )
            await self._record(backup.id, run)
        try:
            finished = await self._run_job(backup, run, planned, inputs)
        except NotFoundInCluster:
            ended = _with_end(run, "unknown", message="Its Job was deleted before it ended.")
        except (JobNotStarted, NameTaken) as fault:
            ended = _with_end(run, "failed", message=clean(f"It never ran: {fault.message}", 500))
        else:
            logs = await self._logs.save(backup, finished)
            ended = msgspec.structs.replace(judge_hook(run, finished), logs=logs)
        ended = msgspec.structs.replace(ended, ended_at=self._clock.now())
        await self._record(backup.id, ended)
        return ended

    async def _run_job(
        self, backup: BackupExecution, run: HookRun, planned: _PlannedHook, inputs: ArchiveInputs
    ) -> FinishedJob:
        """Run the hook's Job, or follow it where a killed daemon had created it."""
        runner = self._runners.on(backup.cluster)
        limits = JobLimits(
            last_container_seconds=planned.hook.timeout_seconds, unreachable_seconds=UNREACHABLE_SECONDS
        )
        age = (self._clock.now() - run.started_at).total_seconds()
        if age >= job_manifests.KEPT_SECONDS:
            # The Job may have ended and been removed by its TTL, so a new one might run the hook twice.
            return await runner.wait(backup.namespace, run.job, limits=limits)
        manifest = self._manifest(backup, run, planned.hook, inputs)
        archive_manifests.assign_to_backup(manifest, backup, inputs, planned.node)
        if run.stage != "validate":
            return await runner.run(manifest, on_waiting=planned.on_waiting, limits=limits)
        async with AsyncExitStack() as reading:
            hold = self._queues.hold_for_reading(inputs.repository.id, "validate hook")
            await reading.enter_async_context(hold)
            return await self._repository_jobs.run_job(
                manifest,
                inputs.repository,
                runner.cluster,
                owner=job_manifests.owner_reference(inputs.cronjob),
                on_waiting=planned.on_waiting,
                on_pod=partial(_leave_once_restored, reading),
                limits=limits,
            )

    def _manifest(
        self, backup: BackupExecution, run: HookRun, hook: Hook, inputs: ArchiveInputs
    ) -> JsonObject:
        settings = self._settings().archive
        if run.stage == "validate":
            return archive_manifests.validate_hook_job(backup, inputs, hook, run.job, settings)
        return archive_manifests.hook_job(backup, inputs, hook, run.job, settings)

    async def _record(self, backup_id: str, run: HookRun) -> None:
        backup = self._records.get(backup_id)
        others = tuple(recorded for recorded in backup.hooks if recorded.job != run.job)
        await self._records.change(backup_id, hooks=(*others, run))

    async def remove_jobs(self, backup: BackupExecution) -> None:
        """Delete the Jobs of hooks that are running, as the backup is cancelled."""
        for run in backup.hooks:
            if run.status == "running":
                await self._repository_jobs.remove(backup.cluster, backup.namespace, run.job)
                stopped = _with_end(run, "unknown", message="It was stopped: the backup was cancelled.")
                await self._record(backup.id, stopped)


async def _leave_once_restored(reading: AsyncExitStack, pod: Pod) -> None:
    """Give the repository back once the content is restored; the hook itself does not read it."""
    statuses = pod.status.init_container_statuses or ()
    restoring = [status for status in statuses if status.name.startswith(archive_manifests.CONTENT_STEP)]
    if restoring and all(map(pods.has_ended, restoring)):
        await reading.aclose()


def runs_after(hook: Hook, status: BackupStatus) -> bool:
    """Return whether a post hook runs after a backup that ended so; partial is no success."""
    if hook.when == "always":
        return True
    return (hook.when == "success") == (status is BackupStatus.SUCCEEDED)


def judge_hook(run: HookRun, finished: FinishedJob) -> HookRun:
    """Return the run with its end, by its container's exit code and the Job's reason."""
    container = finished.container("hook")
    if finished.reason == Reason.DEADLINE_EXCEEDED:
        return _with_end(run, "timed-out", message="It took longer than its timeout and was stopped.")
    if finished.reason == Reason.PODS_DISAGREE:
        return _with_end(run, "unknown", message=finished.message)
    if container is None or container.exit_code is None:
        return _with_end(run, "failed", message=_why_not_started(finished))
    if container.exit_code == 0:
        return _with_end(run, "succeeded", exit_code=0)
    lines = [line.decode(errors="replace") for line in output.split_lines(container.log)]
    last_line = clean(lines[-1], 200) if lines else output.NOTHING_PRINTED
    message = f"It ended with exit code {container.exit_code}: {last_line}"
    return _with_end(run, "failed", exit_code=container.exit_code, message=message)


def _why_not_started(finished: FinishedJob) -> str:
    failure = finished.first_failure
    if failure is not None:  # one of the containers that restore the content for a validate hook
        explanation = faults.explain(failure.exit_code, failure.log).message
        return f"The snapshot's content could not be restored: {explanation}"
    return clean(f"It never ran: {finished.message or finished.reason}", 300)


def _with_end(
    run: HookRun, status: HookEnd, *, exit_code: int | None = None, message: str | None = None
) -> HookRun:
    return msgspec.structs.replace(run, status=status, exit_code=exit_code, message=message)


def fault_of_hook(run: HookRun) -> Fault:
    """Return why a backup failed that a hook stopped."""
    message = f"The {run.stage} hook {run.name} {run.status}: {run.message}"
    if run.stage == "validate":
        return Fault(Reason.VALIDATION_FAILED, message, Reason.VALIDATION_FAILED.next_step)
    stop = "" if message.endswith((".", "!", "?")) else "."
    text = f"{message}{stop} Nothing was archived."
    return Fault(Reason.HOOK_FAILED, text, Reason.HOOK_FAILED.next_step)
