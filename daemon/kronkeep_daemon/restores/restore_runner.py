"""The steps of a restore from `pending` to its end; each is recorded before it is taken and may be repeated.

A daemon that was killed continues where the record says: claims and Jobs have names made from the restore, so
what exists already is found and not created again. A Job that ended and was removed meanwhile makes the
restore fail with that reason; it does not run a second time over what may have changed since.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import msgspec

from kronkeep_common import object_keys
from kronkeep_common.clock import Clock
from kronkeep_common.errors import InvalidRequest, KronkeepError, NotAllowedNow, NotFound
from kronkeep_common.models import (
    BackupExecution,
    DrillCheck,
    Restore,
    RestoreRequest,
    RestoreTarget,
)
from kronkeep_common.reasons import Reason
from kronkeep_common.states import BackupStatus, RestoreStatus
from kronkeep_daemon.backups import recovered_backups
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.policy_lookup import PolicyLookup
from kronkeep_daemon.copies.copy_records import CopyRecords
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.history import History
from kronkeep_daemon.jobs.outcome import FinishedJob
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import CronJobRef, JsonObject
from kronkeep_daemon.repositories.job_manifests import (
    KEPT_SECONDS,
    build_repository_job,
    policy_image_security_context,
)
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.version_probe import VersionProbe
from kronkeep_daemon.restic import restore as restic_restore
from kronkeep_daemon.restic.faults import Fault
from kronkeep_daemon.restic.version import ResticVersion
from kronkeep_daemon.restores import (
    backup_places,
    missing_files,
    new_claims,
    restore_manifests,
    restore_outcome,
    snapshot_paths,
    unkept,
)
from kronkeep_daemon.restores.checksums import ChecksumStore, FileChecksum, compare_checksums
from kronkeep_daemon.restores.log_parser import RestoreLogParser
from kronkeep_daemon.restores.restore_plan import ResolvedRequest, RestorePlanner
from kronkeep_daemon.restores.restore_records import (
    RestoreRecords,
    cluster_id_of,
    job_name,
    may_have_stage,
    namespace_of,
    uses_stage,
)
from kronkeep_daemon.restores.snapshot_jobs import SnapshotJobs
from kronkeep_daemon.restores.snapshot_listing import SnapshotListings
from kronkeep_daemon.restores.target_cleanup import TargetCleanup
from kronkeep_daemon.settings import Settings

log = logging.getLogger(__name__)
MOST_LISTED_FILES = 200_000  # a selection with more is compared by restic alone
SAFE_SECONDS = KEPT_SECONDS * 0.8  # an ended Job is not removed by its TTL before this
ATTEMPTS = 3


class ComparedFiles(NamedTuple):
    """How many files were compared and found the same, and with what: `restic` or `checksums`."""

    files: int
    against: str


class RestoreRunner:
    """The runner of restores, drills and verifications; their state is kept by RestoreRecords."""

    def __init__(
        self,
        *,
        cronjobs: CronJobService,
        backups: BackupRecords,
        copies: CopyRecords,
        policies: PolicyLookup,
        queues: RepositoryQueues,
        records: RestoreRecords,
        snapshots: SnapshotListings,
        planner: RestorePlanner,
        jobs: SnapshotJobs,
        checksums: ChecksumStore,
        cleanup: TargetCleanup,
        version_probe: VersionProbe,
        history: History,
        clock: Clock,
        settings: Callable[[], Settings],
    ) -> None:
        self._cronjobs = cronjobs
        self._backups = backups
        self._copies = copies
        self._policies = policies
        self._queues = queues
        self._records = records
        self._snapshots = snapshots
        self._planner = planner
        self._jobs = jobs
        self._checksums = checksums
        self._cleanup = cleanup
        self._version_probe = version_probe
        self._history = history
        self._clock = clock
        self._settings = settings

    async def run(self, restore_id: str) -> None:
        """Take a restore to its end, then resume a CronJob that was suspended for it."""
        restore = self._records.get(restore_id)
        if restore.ended_at is None:
            try:
                await self._run_to_end(restore)
            except NotFoundInCluster as fault:
                next_step = "Look at the target; restore again."
                await self._abort(restore.id, Fault(Reason.JOB_GONE, fault.message, next_step))
            except KronkeepError as fault:
                if fault.retryable and not self._is_late(restore):
                    raise  # the service starts it again in its next round
                reason = str(fault.details.get("reason") or type(fault).code)
                await self._abort(restore.id, Fault(reason, fault.message, fault.next_step))
        await self.resume_cronjob(restore_id)

    async def cancel(self, restore_id: str, user: str) -> None:
        """Record the end of a restore whose task was stopped; the caller cleans its target."""
        restore = self._records.get(restore_id)
        rest = restore_outcome.REST_STAYS
        if uses_stage(restore):
            rest = "the target is left as it was, or has all of it if it was nearly done"
        fault = Fault(
            Reason.CANCELLED,
            f"The restore was cancelled by {user}; {rest}.",
            "Restore again when it is needed.",
        )
        if may_have_stage(restore):
            await self._cleanup.warn_of_rest(restore)
        if restore.job is not None:  # while it may work on, nothing is cancelled
            await self._jobs.remove(cluster_id_of(restore), namespace_of(restore), restore.job)
        await self._fail(restore_id, fault)
        await self.resume_cronjob(restore_id)

    async def clean_target(self, restore_id: str) -> None:
        """Remove what a stopped restore may have left in its target; record a warning where that fails."""
        restore = self._records.get(restore_id)
        if not may_have_stage(restore) or restore.backup_id is None:
            return
        try:
            await self._jobs.remove_with_pods(
                cluster_id_of(restore), namespace_of(restore), restore.job or ""
            )
            resolved = await self._planner.resolve(restore.backup_id, _request_of(restore), None)
            await self._cleanup.clean(restore, resolved)
        except KronkeepError as fault:
            log.warning("restore %s: its target cannot be cleaned: %s", restore.id, fault)
            await self._cleanup.warn_of_rest(restore)

    async def _abort(self, restore_id: str, fault: Fault) -> None:
        await self.clean_target(restore_id)
        await self._fail(restore_id, fault)

    async def _run_to_end(self, restore: Restore) -> None:
        if self._is_late(restore):
            raise NotAllowedNow(
                "The restore did not begin before its deadline.",
                next_step="Look at the pod's events; restore again.",
            )
        if restore.backup_id is None:
            await self._fail(restore.id, Fault.of(Reason.NO_BACKUP))
            return
        resolved = await self._planner.resolve(restore.backup_id, _request_of(restore), None)
        if restore.status in (RestoreStatus.PENDING, RestoreStatus.PREPARING):
            restore = await self._prepare(restore, resolved)
        # A restore that was restoring has written to its target: it continues with its own Job or fails, and
        # is never begun again unasked.
        elif await self._is_job_lost(restore):
            raise NotFoundInCluster(
                "The restore's Job was removed while the daemon was away; how it ended is not known."
            )
        await self._restore(restore, resolved)

    def _is_late(self, restore: Restore) -> bool:
        return restore.deadline_at is not None and self._clock.now() > restore.deadline_at

    async def _is_job_lost(self, restore: Restore) -> bool:
        """Whether the Job ended and was removed while nobody watched."""
        began = restore.restoring_at
        if began is None or (self._clock.now() - began).total_seconds() < SAFE_SECONDS:
            return False  # its TTL cannot have removed it: at worst it has not been created yet
        return not await self._jobs.exists(cluster_id_of(restore), namespace_of(restore), restore.job or "")

    # Before the restore: the CronJob is suspended where that was asked for, and the target is ready.

    async def _prepare(self, restore: Restore, resolved: ResolvedRequest) -> Restore:
        restore = await self._records.change(
            restore.id,
            status=RestoreStatus.PREPARING,
            started_at=restore.started_at or self._clock.now(),
            files_total=resolved.selection.files,
            bytes_total=resolved.selection.total_bytes,
            expected_seconds=self._planner.predict(resolved),
            warnings=self._warnings_of(restore, resolved),
        )
        if restore.purpose == "restore":
            await self._prepare_target(restore, resolved)
        return await self._records.change(
            restore.id, status=RestoreStatus.RESTORING, job=job_name(restore, restore.attempt)
        )

    def _warnings_of(self, restore: Restore, resolved: ResolvedRequest) -> tuple[str, ...]:
        """Return the warnings, with what cannot be restored: once, also where this step is repeated."""
        sentences = unkept.describe_counts(resolved.selection.unkept)
        if restore.purpose == "restore":
            sentences += unkept.describe_user(self._settings().archive.run_as_user)
        return tuple(dict.fromkeys([*restore.warnings, *sentences]))

    async def _prepare_target(self, restore: Restore, resolved: ResolvedRequest) -> None:
        """Raise NotAllowedNow while a run may write to the target, InvalidRequest for one that has files."""
        if restore.suspend:
            await self._suspend_cronjob(restore)
        if resolved.is_in_place and self._planner.has_active_run(resolved.backup):
            raise NotAllowedNow(
                "A run of the CronJob has not ended.", next_step="Wait for its end, or cancel it."
            )
        if resolved.target.kind == "new-claim":
            await self._create_claim(restore, resolved)
        if restore.overwrite:
            return
        target_files = await self._planner.list_target(resolved, restore.id)
        paths = (path.removeprefix(snapshot_paths.TARGET) for path in target_files.type_of)
        if not snapshot_paths.is_empty_target(paths, resolved.mounts):
            raise InvalidRequest(
                "The target holds files.", next_step="Allow it with overwrite, or choose another."
            )

    async def _suspend_cronjob(self, restore: Restore) -> None:
        """Stop new runs. That kronkeep did it is recorded first, so that it is undone after a crash too."""
        ref = self._cronjob_ref(restore)
        if not self._cronjobs.find(ref).spec.suspend:
            await self._records.change(restore.id, suspended=True)
            await self._cronjobs.suspend(ref)

    async def resume_cronjob(self, restore_id: str) -> None:
        """Resume a CronJob that was suspended for the restore."""
        restore = self._records.get(restore_id)
        if not restore.suspended:
            return
        try:
            await self._cronjobs.resume(self._cronjob_ref(restore))
        except NotFound:
            log.warning("restore %s: its CronJob is gone and cannot be resumed", restore.id)
        except KronkeepError as fault:
            if fault.retryable:
                raise
            await self._records.warn(restore_id, restore_outcome.still_suspended(restore, fault))
        await self._records.change(restore_id, suspended=False)

    def _cronjob_ref(self, restore: Restore) -> CronJobRef:
        """Return the restore's CronJob; another cluster may stand in for one that was lost."""
        cluster = self._cronjobs.clusters.of(restore.cluster)
        return CronJobRef(cluster.id, restore.namespace, restore.cronjob)

    async def _create_claim(self, restore: Restore, resolved: ResolvedRequest) -> None:
        """Create the claim, unless an earlier process of the daemon has created it."""
        objects = self._jobs.objects_on(cluster_id_of(restore))
        await new_claims.create_claim(objects, resolved.new_claim(restore.id), restore.id)

    # The restore itself, in at most three attempts.

    async def _restore(self, restore: Restore, resolved: ResolvedRequest) -> None:
        checksums = await asyncio.to_thread(self._checksums.read, resolved.backup.id)
        while True:
            result = await self._run_attempt(restore, resolved, checksums)
            other = self._find_other_place(restore, resolved, result)
            if other is not None:
                resolved = resolved._replace(backup=other)
                restore = await self._change_place(restore, other, result)
                continue
            if result is not restore_outcome.INTERRUPTED or restore.attempt >= ATTEMPTS:
                break
            restore = await self._begin_next_attempt(restore)
        if isinstance(result, Fault):
            await self._fail(restore.id, result)
        else:
            await self._complete(restore.id, files_verified=result.files, verified_against=result.against)

    def _find_other_place(
        self, restore: Restore, resolved: ResolvedRequest, result: Fault | ComparedFiles
    ) -> BackupExecution | None:
        """Return a copy to restore from, where the storage that was chosen turned out to be away."""
        may_change = backup_places.may_change_place(restore) and restore.attempt < ATTEMPTS
        if not may_change or not isinstance(result, Fault) or not Reason.is_away_code(result.reason):
            return None
        return next(iter(self._snapshots.other_places(resolved.backup)), None)

    async def _change_place(self, restore: Restore, place: BackupExecution, result: object) -> Restore:
        """Record that the next attempt reads another storage, and why."""
        assert isinstance(result, Fault)
        result = await self._snapshots.explain_fault_of(restore, result)
        warning = f"The storage {restore.storage_id} is away ({result.message}): {place.storage_id} is read."
        await self._records.change(
            restore.id,
            storage_id=place.storage_id,
            snapshot_id=place.result.snapshot_id if place.result is not None else "",
            warnings=(*restore.warnings, warning),
        )
        return await self._begin_next_attempt(self._records.get(restore.id))

    async def _run_attempt(
        self, restore: Restore, resolved: ResolvedRequest, checksums: list[FileChecksum] | None
    ) -> Fault | ComparedFiles:
        parser = RestoreLogParser(self._records, restore, self._clock)
        manifest = self._build_job(
            restore,
            resolved,
            with_checksums=checksums is not None,
            restic_version=await self._version_probe.find_version(self._jobs.cluster(cluster_id_of(restore))),
        )
        repository = self._snapshots.repository_of(resolved.backup)
        async with self._queues.hold_for_reading(repository.id, "restore"):
            await self._records.note_beginning(restore.id)
            finished = await self._jobs.run(
                cluster_id_of(restore),
                manifest,
                parser.add_line,
                repository=repository,
                on_waiting=partial(self._records.note_waiting, restore.id),
            )
        if uses_stage(restore):
            if not finished.complete:  # its pod may still be about to end
                await self._jobs.remove_with_pods(
                    cluster_id_of(restore), namespace_of(restore), restore.job or ""
                )
            await self._cleanup.clean(restore, resolved)
        parser.checksums.close()
        await self._store_logs(restore, parser, finished)
        return await self._compare(finished, parser, resolved, checksums)

    async def _begin_next_attempt(self, restore: Restore) -> Restore:
        """Record the next attempt, which writes again what the last one had written."""
        await self._jobs.remove(cluster_id_of(restore), namespace_of(restore), restore.job or "")
        attempt = restore.attempt + 1
        return await self._records.change(
            restore.id,
            status=RestoreStatus.RESTORING,
            attempt=attempt,
            job=job_name(restore, attempt),
            restoring_at=None,
            progress=None,
        )

    def _build_job(
        self,
        restore: Restore,
        resolved: ResolvedRequest,
        *,
        with_checksums: bool,
        restic_version: ResticVersion,
    ) -> JsonObject:
        assert restore.job is not None
        assert restore.deadline_at is not None
        assert resolved.backup.result is not None
        mounts = resolved.mounts if restore.purpose == "restore" else []
        stage = snapshot_paths.stage_folder(restore.id) if uses_stage(restore) else None
        moves = snapshot_paths.stage_moves(mounts, restore.id) if uses_stage(restore) else []
        calls = snapshot_paths.restore_calls(
            resolved.backup.result, resolved.selection, mounts, resolved.include, stage
        )
        job = build_repository_job(
            name=restore.job,
            namespace=namespace_of(restore),
            steps=restore_manifests.restore_steps(calls, restic_version),
            repository=self._snapshots.repository_of(resolved.backup),
            settings=self._settings().archive,
            deadline_seconds=(restore.deadline_at - self._clock.now()).total_seconds(),
            join=False,
        )
        job["metadata"]["labels"] |= {
            object_keys.RESTORE_LABEL: restore.id,
            object_keys.ROLE_LABEL: "restore",
        }
        check = self._drill_check(restore)
        return restore_manifests.add_comparison(
            job,
            calls,
            mounts,
            moves,
            with_checksums=with_checksums,
            check=check,
            check_context=policy_image_security_context(self._settings().archive),
        )

    def _drill_check(self, restore: Restore) -> DrillCheck | None:
        """Return the check command of the policy as it is now; None for what is not a drill."""
        if restore.purpose != "drill":
            return None
        policy = self._policies.policy_of(CronJobRef.of(restore))
        if policy is None:
            return None
        copy = policy.copy_in(restore.storage_id)
        drill = copy.drill if copy is not None else policy.drill
        return drill.check if drill is not None else None

    async def _store_logs(self, restore: Restore, parser: RestoreLogParser, finished: FinishedJob) -> None:
        logs = []
        for container, capped in parser.logs.items():
            logs.append(await self._history.logs.save(restore, container, finished.pod, capped))
        await self._records.change(restore.id, logs=tuple(logs))

    # After the restore: what came back is compared with what was archived.

    async def _compare(
        self,
        finished: FinishedJob,
        parser: RestoreLogParser,
        resolved: ResolvedRequest,
        checksums: list[FileChecksum] | None,
    ) -> Fault | ComparedFiles:
        """Compare with the backup's checksums; without them, or with too many files, believe restic."""
        fault = restore_outcome.explain_failure(finished)
        if fault is not None:
            return fault
        missing = await self._find_missing(resolved, parser)
        if missing:
            return restic_restore.different_files(missing)
        if checksums is None or parser.checksums.has_too_many:
            return ComparedFiles(resolved.selection.contents, "restic")
        restored = [line for line in checksums if resolved.brings_back(line.path)]
        count, different = await asyncio.to_thread(compare_checksums, restored, parser.snapshot_checksums())
        return restic_restore.different_files(different) if different else ComparedFiles(count, "checksums")

    async def _find_missing(self, resolved: ResolvedRequest, parser: RestoreLogParser) -> list[str]:
        """Return the paths of the selection that the target lacks; none where there are too many to list."""
        selection = resolved.selection
        if parser.file_list.left_out or selection.files + selection.folders > MOST_LISTED_FILES:
            return []
        entries = self._snapshots.read_entries(resolved.backup)
        return await asyncio.to_thread(missing_files.list_missing, entries, resolved, parser.snapshot_paths())

    async def _complete(self, restore_id: str, **fields: Any) -> None:
        """Record the end; a restore of the whole backup verifies that backup."""
        restore = await self._records.end(restore_id, RestoreStatus.COMPLETED, **fields)
        if restore.include or restore.backup_id is None:
            return
        backup = self._backups.get(restore.backup_id)
        copy = self._copies.find(backup.id, restore.storage_id)
        if copy is not None:
            await self._copies.change(copy.id, verified_at=restore.ended_at, verified_by=restore.id)
            return
        verified = msgspec.structs.replace(backup, verified_at=restore.ended_at, verified_by=restore.id)
        if verified.status is BackupStatus.UNKNOWN:
            verified = recovered_backups.as_good(verified)
        await self._backups.put(backup, verified)

    async def _fail(self, restore_id: str, fault: Fault) -> None:
        restore = self._records.get(restore_id)
        fault = await self._snapshots.explain_fault_of(restore, fault)
        if fault.reason != Reason.CANCELLED:
            fault = restore_outcome.with_rest(restore, fault)
        if restore.job is not None:
            await self._remove_job(restore, restore.job)
        await self._records.end(
            restore_id,
            RestoreStatus.FAILED,
            reason=fault.reason,
            message=fault.message,
            next_step=fault.next_step,
        )

    async def _remove_job(self, restore: Restore, job: str) -> None:
        """Remove the Job of a restore that ends, which no refusal may keep from its end."""
        try:
            await self._jobs.remove(cluster_id_of(restore), namespace_of(restore), job)
        except KronkeepError as fault:
            if fault.retryable and not self._is_late(restore):
                raise
            await self._records.warn(restore.id, restore_outcome.job_stays(job, fault))


def _request_of(restore: Restore) -> RestoreRequest:
    target = restore.target or RestoreTarget()
    if target.kind == "in-place":
        target = RestoreTarget(kind="in-place")
    return RestoreRequest(target=target, include=restore.include, from_copy=restore.storage_id)
