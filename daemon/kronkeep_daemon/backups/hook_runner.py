"""A policy's hooks: each a Job of one container, in order, its outcome and log kept.

A Job each, not a container of the archive's pod: Kubernetes has a timeout for a Job and none for a container,
a failed init container ends its pod, and what must run after a failure cannot be in the pod that failed. A
hook's run is recorded before its Job is created, under a name made from the backup, so that a daemon that
was killed finds the Job again and never makes a second one.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.models import BackupExecution, Hook, HookRun
from kronkeep_common.reasons import Reason
from kronkeep_common.states import BackupStatus
from kronkeep_common.text import clean
from kronkeep_daemon.backups import archive_manifests
from kronkeep_daemon.backups.backup_logs import BackupLogs
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.jobs.outcome import FinishedJob
from kronkeep_daemon.jobs.runner import JobLimits, JobRunners
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import CronJobObject
from kronkeep_daemon.repositories import job_manifests
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs
from kronkeep_daemon.restic import faults, output
from kronkeep_daemon.settings import Settings

# How long a cluster may be away before a backup lets go of the repository, which other clusters may use too.
LOST_SECONDS = 120.0
Stage = Literal["pre", "validate", "post"]


class Around(NamedTuple):
    """What the hooks of one backup run beside."""

    cronjob: CronJobObject
    claims: tuple[str, ...]
    repository: Repository
    node: str | None


class Verdict(NamedTuple):
    """How a stage ended: the run that stops the backup, if one does, and what is to be warned of."""

    stopped_by: HookRun | None
    warnings: tuple[str, ...]


class HookRunner:
    """Runs hooks; the records of their runs are on the backup."""

    def __init__(
        self,
        *,
        records: BackupRecords,
        logs: BackupLogs,
        repository_jobs: RepositoryJobs,
        runners: JobRunners,
        clock: Clock,
        settings: Callable[[], Settings],
    ) -> None:
        self._records = records
        self._logs = logs
        self._repository_jobs = repository_jobs
        self._runners = runners
        self._clock = clock
        self._settings = settings

    async def stage(self, backup_id: str, stage: Stage, around: Around) -> Verdict:
        """Runs the stage's hooks in order, up to the first that fails and says stop."""
        backup = self._records.get(backup_id)
        assert backup.policy is not None
        warnings: list[str] = []
        for place, hook in enumerate(getattr(backup.policy.hooks, stage)):
            if stage == "post" and not wanted(hook, backup.ending or backup.status):
                continue
            run = await self._once(backup_id, stage, place, hook, around)
            if run.status == "succeeded":
                continue
            if hook.on_failure == "stop":
                return Verdict(run, tuple(warnings))
            warnings.append(f"The {stage} hook {hook.name} {run.status}: {run.message}"[:300])
        return Verdict(None, tuple(warnings))

    async def _once(self, backup_id: str, stage: Stage, place: int, hook: Hook, around: Around) -> HookRun:
        """The hook's run of this attempt, which is there already where a killed daemon had begun it."""
        backup = self._records.get(backup_id)
        name = archive_manifests.hook_job_name(backup, stage, place)
        known = next((run for run in backup.hooks if run.job == name), None)
        if known is not None and known.status != "running":
            return known
        if known is None:
            known = HookRun(
                name=hook.name,
                stage=stage,
                attempt=backup.attempt,
                status="running",
                job=name,
                started_at=self._clock.now(),
            )
            await self._keep(backup_id, known)
        try:
            ended = await self._run_job(backup, known, stage, hook, around)
        except NotFoundInCluster:
            done = _over(known, "unknown", None, "Its Job went before it ended.")
        else:
            done = msgspec.structs.replace(judged(known, ended), logs=await self._logs.save(backup_id, ended))
        done = msgspec.structs.replace(done, ended_at=self._clock.now())
        await self._keep(backup_id, done)
        return done

    async def _run_job(
        self, backup: BackupExecution, run: HookRun, stage: Stage, hook: Hook, around: Around
    ) -> FinishedJob:
        """Run the hook's Job, or follow the one that a killed daemon had created.

        A validate hook's Job restores the content first, so it has the repository's password.
        """
        runner = self._runners.on(backup.cluster)
        limits = JobLimits(last_container_seconds=hook.timeout_seconds, unreachable_seconds=LOST_SECONDS)
        age = (self._clock.now() - run.started_at).total_seconds()
        if age >= job_manifests.KEPT_SECONDS:  # it may have ended and be removed by now
            return await runner.wait(backup.namespace, run.job, limits=limits)
        owner = job_manifests.owner_reference(around.cronjob)
        manifest = archive_manifests.hook_job(
            backup=backup,
            stage=stage,
            hook=hook,
            name=run.job,
            repository=around.repository,
            claims=around.claims,
            settings=self._settings().archive,
        )
        archive_manifests.belongs(manifest, backup, owner, around.node)
        if stage != "validate":
            return await runner.run(manifest, limits=limits)
        return await self._repository_jobs.run_job(
            manifest, around.repository, runner.cluster, owner=owner, limits=limits
        )

    async def _keep(self, backup_id: str, run: HookRun) -> None:
        old = self._records.get(backup_id)
        others = tuple(known for known in old.hooks if known.job != run.job)
        await self._records.put(old, msgspec.structs.replace(old, hooks=(*others, run)))

    async def remove(self, backup: BackupExecution) -> None:
        """Deletes the Job of a hook that is running, when its backup is cancelled."""
        runner = self._runners.on(backup.cluster)
        for run in backup.hooks:
            if run.status == "running":
                await runner.remove(backup.namespace, run.job)
                await self._repository_jobs.remove_credentials(runner.cluster, backup.namespace, run.job)
                await self._keep(
                    backup.id, _over(run, "unknown", None, "It was stopped: the backup was cancelled.")
                )


def wanted(hook: Hook, status: BackupStatus) -> bool:
    """Whether a post hook runs after that end; a partial backup is no success."""
    return hook.when == "always" or (hook.when == "success") == (status is BackupStatus.SUCCEEDED)


def judged(run: HookRun, ended: FinishedJob) -> HookRun:
    """The run's end, from its container's exit code and the Job's reason."""
    step = ended.container("hook")
    code = step.exit_code if step else None
    if ended.reason == Reason.DEADLINE_EXCEEDED:
        return _over(run, "timed-out", None, "It took longer than its timeout and was stopped.")
    if code == 0:
        return _over(run, "succeeded", 0, None)
    if code is None:
        content = ended.first_failure
        if content is not None:
            words = faults.explain(content.exit_code, content.log).message
            return _over(run, "failed", None, f"The snapshot's content could not be had: {words}")
        return _over(run, "failed", None, clean(f"It never ran: {ended.message or ended.reason}", 300))
    said = [
        clean(line.decode(errors="replace"), 200) for line in output.split_lines(step.log if step else b"")
    ]
    return _over(run, "failed", code, f"It ended with exit code {code}: {said[-1] if said else 'no word'}")


def _over(run: HookRun, status: Any, code: int | None, message: str | None) -> HookRun:
    return msgspec.structs.replace(run, status=status, exit_code=code, message=message)


def refusal(stage: Stage, run: HookRun) -> tuple[str, str, str]:
    """Reason, sentence and next step of a backup that a hook stopped."""
    words = f"The {stage} hook {run.name} {run.status}: {run.message}"
    if stage == "validate":
        return Reason.VALIDATION_FAILED, words, Reason.VALIDATION_FAILED.next_step
    return Reason.HOOK_FAILED, f"{words} Nothing was archived.", Reason.HOOK_FAILED.next_step
