"""One restore from `pending` to its end: each step is recorded before it is taken and may be taken again.

A daemon that was killed goes on where the record says: claims and Jobs have names made from the restore, so
what was made already is found and not made again. A Job that has gone unseen is a failure with its reason;
it is not run a second time over what may have changed since.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from kronkeep_common import object_keys
from kronkeep_common.clock import Clock
from kronkeep_common.errors import InvalidRequest, KronkeepError, NameTaken, NotAllowedNow
from kronkeep_common.models import DrillCheck, Restore, RestoreRequest, RestoreTarget
from kronkeep_common.reasons import Reason
from kronkeep_common.states import RestoreStatus
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.policy_lookup import PolicyLookup
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.history import History
from kronkeep_daemon.jobs.outcome import FinishedJob
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.errors import AlreadyExists, NotFoundInCluster
from kronkeep_daemon.kube.objects import CronJobRef, JsonObject
from kronkeep_daemon.repositories.job_manifests import KEPT_SECONDS, build_repository_job
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.restic import restore as restic_restore
from kronkeep_daemon.restic.faults import Fault
from kronkeep_daemon.restores import path_mapping, restore_manifests, restore_outcome
from kronkeep_daemon.restores.checksums import ChecksumStore, FileChecksum, compare_checksums
from kronkeep_daemon.restores.log_parser import RestoreLogParser
from kronkeep_daemon.restores.restore_plan import ResolvedRequest, RestorePlanner, size_of
from kronkeep_daemon.restores.restore_records import RestoreRecords
from kronkeep_daemon.restores.snapshot_jobs import SnapshotJobs
from kronkeep_daemon.restores.snapshot_listing import SnapshotListings
from kronkeep_daemon.settings import Settings

log = logging.getLogger(__name__)
PRESENCE_FILES = 200_000  # more than these are only compared by restic itself
SAFE_SECONDS = KEPT_SECONDS * 0.8  # younger than this an ended Job cannot have been removed by its TTL
CLEAN_SECONDS = 3600
ATTEMPTS = 3


class RestoreRunner:
    """Runs restores, drills and verifications; RestoreRecords keeps what becomes of them."""

    def __init__(
        self,
        *,
        cronjobs: CronJobService,
        backups: BackupRecords,
        policies: PolicyLookup,
        queues: RepositoryQueues,
        records: RestoreRecords,
        snapshots: SnapshotListings,
        planner: RestorePlanner,
        jobs: SnapshotJobs,
        sums: ChecksumStore,
        history: History,
        clock: Clock,
        settings: Callable[[], Settings],
    ) -> None:
        self._cronjobs = cronjobs
        self._backups = backups
        self._policies = policies
        self._queues = queues
        self._records = records
        self._snapshots = snapshots
        self._planner = planner
        self._jobs = jobs
        self._sums = sums
        self._history = history
        self._clock = clock
        self._settings = settings

    async def run(self, restore_id: str) -> None:
        """Takes a restore to its end, then gives the CronJob back; the task of one restore."""
        restore = self._records.get(restore_id)
        if restore.ended_at is None:
            try:
                await self._to_its_end(restore)
            except NotFoundInCluster as gone:
                await self._fail(
                    restore_id, Fault(Reason.JOB_GONE, gone.message, "Look at the target; restore again.")
                )
            except KronkeepError as fault:
                if fault.retryable and not self._late(restore):
                    raise  # the service's next look begins it again
                await self._fail(restore_id, Fault(type(fault).code, fault.message, fault.next_step))
        await self.release(restore_id)

    async def _to_its_end(self, restore: Restore) -> None:
        if self._late(restore):
            words = "The restore did not begin before its deadline."
            raise NotAllowedNow(words, next_step="Look at the pod's events; restore again.")
        if restore.backup_id is None:
            await self._fail(restore.id, Fault.of(Reason.NO_BACKUP))
            return
        wanted = await self._planner.wanted(restore.backup_id, _request(restore), None)
        if restore.status in (RestoreStatus.PENDING, RestoreStatus.PREPARING):
            restore = await self._prepare(restore, wanted)
        elif await self._lost(restore):
            raise NotFoundInCluster("The restore's Job went unseen; how it ended is not known.")
        await self._restore(restore, wanted)

    @staticmethod
    def _cluster_id(restore: Restore) -> str:
        """Return the id of the cluster in which the restore's Jobs run: its target's."""
        return (restore.target.cluster if restore.target else None) or restore.cluster

    def _late(self, restore: Restore) -> bool:
        return restore.deadline_at is not None and self._clock.now() > restore.deadline_at

    async def _lost(self, restore: Restore) -> bool:
        """Whether the Job ended and was removed while nobody watched."""
        began = restore.started_at or restore.created_at
        if (self._clock.now() - began).total_seconds() < SAFE_SECONDS:
            return False  # it cannot have gone by its TTL: at most it was never made
        return not await self._jobs.exists(
            self._cluster_id(restore), namespace_of(restore), restore.job or ""
        )

    async def _prepare(self, restore: Restore, wanted: ResolvedRequest) -> Restore:
        """The target is there, empty where it must be, and the CronJob rests where that was asked."""
        restore = await self._records.change(
            restore.id,
            status=RestoreStatus.PREPARING,
            started_at=restore.started_at or self._clock.now(),
            files_total=wanted.selection.files,
            bytes_total=wanted.selection.total_bytes,
        )
        if restore.purpose == "restore":
            await self._make_room(restore, wanted)
        return await self._records.change(
            restore.id, status=RestoreStatus.RESTORING, job=job_name(restore, restore.attempt)
        )

    async def _make_room(self, restore: Restore, wanted: ResolvedRequest) -> None:
        if restore.suspend:
            await self._suspend(restore)
        if wanted.target.kind == "in-place" and self._planner.going(wanted.backup):
            raise NotAllowedNow(
                "A run of the CronJob is going on.", next_step="Wait for its end, or cancel it."
            )
        if wanted.target.kind == "new-claim":
            await self._make_claim(restore, wanted)
        names = None if restore.overwrite else await self._planner.look(wanted, restore.id)
        listed = [] if names is None else [*names.files, *names.folders]
        if not path_mapping.holds_nothing(
            (p.removeprefix(path_mapping.TARGET) for p in listed), wanted.mounts
        ):
            raise InvalidRequest(
                "The target holds files.", next_step="Allow it with overwrite, or choose another."
            )

    async def _suspend(self, restore: Restore) -> None:
        """Stops new runs; that kronkeep did it is durable before it is done."""
        ref = self._home(restore)
        if not self._cronjobs.find(ref).spec.suspend:
            await self._records.change(restore.id, suspended=True)
            await self._cronjobs.suspend(ref)

    def _home(self, restore: Restore) -> CronJobRef:
        """The restore's CronJob, on the cluster that stands for the recorded one where that was lost."""
        cluster = self._cronjobs.clusters.of(restore.cluster)
        return CronJobRef(cluster.id, restore.namespace, restore.cronjob)

    async def release(self, restore_id: str) -> None:
        """Resumes a CronJob that was suspended for the restore."""
        restore = self._records.get(restore_id)
        if not restore.suspended:
            return
        try:
            await self._cronjobs.resume(self._home(restore))
        except KronkeepError as fault:
            if fault.retryable:
                raise
            log.warning("restore %s: the CronJob cannot be resumed: %s", restore.id, fault)
        await self._records.change(restore_id, suspended=False)

    async def _make_claim(self, restore: Restore, wanted: ResolvedRequest) -> None:
        namespace = wanted.target.namespace or ""
        name = wanted.target.claim or ""
        cluster = self._jobs.cluster(self._cluster_id(restore))
        size = wanted.target.size_bytes or size_of(wanted.selection)
        body = restore_manifests.claim(namespace, name, restore.id, size, wanted.target.storage_class)
        try:
            await cluster.create(paths.claims(namespace), body)
        except AlreadyExists as taken:
            found = await cluster.get(paths.claims(namespace, name))
            if (found["metadata"].get("labels") or {}).get(object_keys.RESTORE_LABEL) != restore.id:
                raise NameTaken(
                    f"There is a claim {namespace}/{name} already.", field="target.claim"
                ) from taken

    async def _restore(self, restore: Restore, wanted: ResolvedRequest) -> None:
        manifest = await asyncio.to_thread(self._sums.read, wanted.backup.id)
        while True:
            found = await self._attempt(restore, wanted, manifest)
            if found is not restore_outcome.INTERRUPTED or restore.attempt >= ATTEMPTS:
                break
            restore = await self._again(restore)
        if isinstance(found, Fault):
            await self._fail(restore.id, found)
        else:
            await self._complete(restore.id, files_verified=found.files, verified_against=found.against)

    async def _attempt(
        self, restore: Restore, wanted: ResolvedRequest, manifest: list[FileChecksum] | None
    ) -> "Fault | ComparedFiles":
        ears = RestoreLogParser(self._records, restore, self._clock)
        job = self._job(restore, wanted, sums=manifest is not None)
        where = self._snapshots.repository(wanted.backup)
        async with self._queues.hold_for_reading(where.id):
            ended = await self._jobs.run(self._cluster_id(restore), job, ears.hear, repository=where)
        if staged(restore):
            await self._clean(restore, wanted)
        ears.sums.end()
        await self._keep_logs(restore, ears, ended)
        return await self._compared(ended, ears, wanted, manifest)

    async def _again(self, restore: Restore) -> Restore:
        """The next attempt; what the last one had written is written once more."""
        await self._jobs.remove(self._cluster_id(restore), namespace_of(restore), restore.job or "")
        attempt = restore.attempt + 1
        return await self._records.change(
            restore.id,
            status=RestoreStatus.RESTORING,
            attempt=attempt,
            job=job_name(restore, attempt),
            progress=None,
        )

    async def _compared(
        self,
        ended: FinishedJob,
        ears: RestoreLogParser,
        wanted: ResolvedRequest,
        manifest: list[FileChecksum] | None,
    ) -> "Fault | ComparedFiles":
        """What the files were found to be: by restic itself, by the manifest where there is one."""
        fault = restore_outcome.fault(ended)
        if fault is not None:
            return fault
        gone = await self._missing(wanted, ears)
        if gone:
            return restic_restore.different_files(gone)
        if manifest is None or ears.sums.too_many:
            return ComparedFiles(restore_outcome.verified_files(ended), "restic")
        mine = [line for line in manifest if path_mapping.chosen(line.path, wanted.include)]
        files, wrong = await asyncio.to_thread(compare_checksums, mine, ears.snapshot_sums())
        return restic_restore.different_files(wrong) if wrong else ComparedFiles(files, "manifest")

    async def _clean(self, restore: Restore, wanted: ResolvedRequest) -> None:
        """Removes the stage from the target's claims, however the restore ended."""
        settings = self._settings()
        where = self._snapshots.repository(wanted.backup)
        namespace = namespace_of(restore)
        name = f"kronkeep-clean-{restore.id}"
        base = build_repository_job(
            name=name,
            namespace=namespace,
            steps=[("clean", [])],
            where=where,
            settings=settings.archive,
            deadline_seconds=CLEAN_SECONDS,
        )
        job = restore_manifests.clean_job(base, wanted.mounts, path_mapping.stage(restore.id))
        ended = await self._jobs.run(self._cluster_id(restore), job, lambda *_: None)
        if not ended.complete:
            words = f"The folder {path_mapping.stage(restore.id)} is left in the target; remove it by hand."
            await self._records.change(restore.id, warnings=(*self._records.get(restore.id).warnings, words))
        await self._jobs.remove(self._cluster_id(restore), namespace, name)

    def _job(self, restore: Restore, wanted: ResolvedRequest, *, sums: bool) -> JsonObject:
        settings = self._settings()
        repository = self._snapshots.repository(wanted.backup)
        assert restore.job is not None
        assert restore.deadline_at is not None
        left = (restore.deadline_at - self._clock.now()).total_seconds()
        where = wanted.mounts if restore.purpose == "restore" else []
        assert wanted.backup.result is not None
        stage = path_mapping.stage(restore.id) if staged(restore) else None
        calls = path_mapping.calls(wanted.backup.result, wanted.selection, where, wanted.include, stage)
        steps = restore_manifests.restore_steps(calls)
        namespace = namespace_of(restore)
        job = build_repository_job(
            name=restore.job,
            namespace=namespace,
            steps=steps,
            where=repository,
            settings=settings.archive,
            deadline_seconds=left,
        )
        job["metadata"]["labels"] |= {
            object_keys.RESTORE_LABEL: restore.id,
            object_keys.ROLE_LABEL: "restore",
        }
        return restore_manifests.restore_job(job, calls, where, sums=sums, check=self._check(restore))

    def _check(self, restore: Restore) -> DrillCheck | None:
        """The check command of the policy as it stands; only a drill runs it."""
        if restore.purpose != "drill":
            return None
        found = self._policies.policy_of(CronJobRef.of(restore))
        return found.drill.check if found is not None and found.drill is not None else None

    async def _missing(self, wanted: ResolvedRequest, ears: RestoreLogParser) -> list[str]:
        """The selection's paths that the target lacks; more than 200,000 are not held in memory."""
        if ears.names.more or wanted.selection.files + wanted.selection.folders > PRESENCE_FILES:
            return []
        there = ears.snapshot_names()
        roots = {f"{path_mapping.SOURCE}/{claim}" for claim in wanted.selection.claims}

        def missing() -> list[str]:
            return [
                f"{entry.path} (missing)"
                for entry in self._snapshots.entries(wanted.backup)
                if path_mapping.chosen(entry.path, wanted.include)
                and "�" not in entry.path  # a name that is no UTF-8 is told so by restic
                and entry.path not in there
                and entry.path not in roots
                and entry.path != path_mapping.SOURCE
                and (wanted.target.kind != "in-place" or path_mapping.claim_of(entry.path) is not None)
            ]

        return await asyncio.to_thread(missing)

    async def _keep_logs(self, restore: Restore, ears: RestoreLogParser, ended: FinishedJob) -> None:
        kept = []
        for name, capped in ears.logs.items():
            kept.append(await self._history.logs.save(restore.id, name, ended.pod, capped))
        await self._records.change(restore.id, logs=tuple(kept))

    async def _complete(self, restore_id: str, **fields: Any) -> None:
        restore = await self._records.end(restore_id, RestoreStatus.COMPLETED, **fields)
        if restore.include or restore.backup_id is None:
            return
        backup = self._backups.get(restore.backup_id)
        verified = msgspec.structs.replace(backup, verified_at=restore.ended_at, verified_by=restore.id)
        await self._backups.put(backup, verified)

    async def _fail(self, restore_id: str, fault: Fault) -> None:
        restore = self._records.get(restore_id)
        if restore.job is not None:
            await self._jobs.remove(self._cluster_id(restore), namespace_of(restore), restore.job)
        await self._records.end(
            restore_id,
            RestoreStatus.FAILED,
            reason=fault.reason,
            message=fault.message,
            next_step=fault.next_step,
        )

    async def cancel(self, restore_id: str) -> None:
        """Stops a restore whose task has ended; what it had written stays."""
        words = "The restore was cancelled by request; what it had written stays."
        await self._fail(restore_id, Fault(Reason.CANCELLED, words, "Restore again when it is needed."))
        await self.release(restore_id)


class ComparedFiles(NamedTuple):
    """How many files were found the same, and what they were compared with."""

    files: int
    against: str


def staged(restore: Restore) -> bool:
    """Whether it is restored beside what is there first, to take its place once it is compared."""
    return restore.purpose == "restore" and restore.overwrite


def job_name(restore: Restore, attempt: int) -> str:
    """The name that makes creating an attempt's Job twice an AlreadyExists."""
    return f"kronkeep-restore-{restore.id}-{attempt}"


def namespace_of(restore: Restore) -> str:
    """Where the restore's Job runs: with its target; a drill beside its CronJob."""
    target = restore.target
    return target.namespace if target is not None and target.namespace else restore.namespace


def _request(restore: Restore) -> RestoreRequest:
    target = restore.target or RestoreTarget()
    if target.kind == "in-place":
        target = RestoreTarget(kind="in-place")
    return RestoreRequest(target=target, include=restore.include)
