"""Makes the manifest of a backup whose policy has a drill: right after the archive, by a Job of its own.

Its Job reads the claims once more; a file that changed since the archive is in the manifest without a hash. A
backup stays what it is when its manifest cannot be made: the drill then compares with restic's own hashes.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from datetime import timedelta

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import BackupExecution, BackupPolicy
from kronkeep_common.text import clean
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.policy_lookup import PolicyLookup
from kronkeep_daemon.events import BackupChanged, Bus
from kronkeep_daemon.kube.objects import CronJobRef, JsonObject
from kronkeep_daemon.repositories.job_manifests import build_repository_job
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.restic import backup as restic_backup
from kronkeep_daemon.restores import path_mapping, restore_manifests
from kronkeep_daemon.restores.checksums import (
    ChecksumParser,
    ChecksumStore,
    UnchangedFilesParser,
    build_checksums,
)
from kronkeep_daemon.restores.snapshot_jobs import SnapshotJobs
from kronkeep_daemon.restores.snapshot_listing import SnapshotListings
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
SECONDS = 6 * 3600.0
YOUNG = timedelta(hours=1)  # later than this most of the source may have changed


class ChecksumJobs:
    """Makes manifests, each once, and forgets those whose snapshot is gone."""

    def __init__(
        self,
        *,
        backups: BackupRecords,
        policies: PolicyLookup,
        queues: RepositoryQueues,
        snapshots: SnapshotListings,
        jobs: SnapshotJobs,
        kept: ChecksumStore,
        bus: Bus,
        clock: Clock,
        settings: Callable[[], Settings],
        supervisor: Supervisor,
    ) -> None:
        self._backups = backups
        self._policies = policies
        self._queues = queues
        self._snapshots = snapshots
        self._jobs = jobs
        self._kept = kept
        self._clock = clock
        self._settings = settings
        self._supervisor = supervisor
        bus.subscribe(BackupChanged, lambda change: self.consider(change.new))

    def consider(self, backup: BackupExecution) -> None:
        """Begins to make the manifest where one is wanted; forgets the one of a removed snapshot."""
        name = f"manifest of {backup.id}"
        if backup.snapshot_removed_at is not None:
            self._kept.remove(backup.id)
        elif self._wanted(backup) and not self._supervisor.running(name):
            self._supervisor.start(name, lambda: self._make(backup.id), death="quiet")

    def _wanted(self, backup: BackupExecution) -> bool:
        if backup.result is None or backup.ended_at is None or backup.manifest_files is not None:
            return False
        policy = self._policy(backup)
        return self._clock.now() - backup.ended_at < YOUNG and policy is not None and policy.drill is not None

    def _policy(self, backup: BackupExecution) -> BackupPolicy | None:
        return backup.policy or self._policies.policy_of(CronJobRef.of(backup))

    async def _make(self, backup_id: str) -> None:
        backup = self._backups.get(backup_id)
        warning: tuple[str, ...] = ()
        try:
            files = await self._hashed(backup)
        except KronkeepError as fault:
            if fault.retryable:
                return  # the next look begins it again, for an hour
            files = 0
            warning = (clean(f"No manifest could be made: {fault.message}", 500),)
        now = self._backups.get(backup_id)
        made = msgspec.structs.replace(now, manifest_files=files, warnings=(*now.warnings, *warning))
        await self._backups.put(now, made)

    async def _hashed(self, backup: BackupExecution) -> int:
        """Keeps the manifest and answers how many of its files have a hash."""
        await self._snapshots.ready(backup, None)
        entries = self._snapshots.entries
        found = await asyncio.to_thread(lambda: path_mapping.selection(entries(backup), ()))
        sums = ChecksumParser()
        changes = UnchangedFilesParser()
        job = self._job(backup, found.claims)
        where = self._snapshots.repository(backup)

        def hear(container: str, line: bytes) -> None:
            (sums if container == "sums" else changes).hear(line)

        async with self._queues.hold_for_reading(where.id):
            try:
                ended = await self._jobs.run(backup.cluster, job, hear, repository=where)
            finally:
                await self._jobs.remove(backup.cluster, backup.namespace, job["metadata"]["name"])
        if not ended.complete:
            log.info("the manifest of backup %s is not whole: %s", backup.id, ended.message or ended.reason)
        sums.end()
        return await asyncio.to_thread(self._keep, backup, sums, changes)

    def _keep(self, backup: BackupExecution, sums: ChecksumParser, changes: UnchangedFilesParser) -> int:
        made = build_checksums(_files(self._snapshots, backup), sums, changes)
        self._kept.write(backup.id, made)
        return sum(line.sha256 is not None for line in made)

    def _job(self, backup: BackupExecution, claims: tuple[str, ...]) -> JsonObject:
        """Hashes the sources, then asks restic what of them is as the snapshot has it."""
        assert backup.result is not None
        settings = self._settings()
        where = self._snapshots.repository(backup)
        roots = _roots(self._policy(backup), claims)
        argv = restic_backup.dry_run_argv(
            host=where.snapshot_host(backup.cluster), parent=backup.result.snapshot_id, paths=roots
        )
        name = f"kronkeep-manifest-{backup.id}"
        job = build_repository_job(
            name=name,
            namespace=backup.namespace,
            steps=[("changes", argv)],
            where=where,
            settings=settings.archive,
            deadline_seconds=SECONDS,
        )
        pod = job["spec"]["template"]["spec"]
        volumes, mounts = restore_manifests.source_mounts(claims)
        pod["volumes"] += volumes
        compare = pod["containers"][0]
        compare["volumeMounts"] = [*compare["volumeMounts"], *mounts]
        pod["initContainers"] = [
            restore_manifests.plain(compare, "sums", restore_manifests.sums_argv(roots), mounts)
        ]
        return job


def _roots(policy: BackupPolicy | None, claims: tuple[str, ...]) -> list[str]:
    """The archived paths as the pod sees them."""
    chosen = {source.claim: source.paths for source in policy.source.claims} if policy else {}
    return [
        path
        for claim in claims
        for path in [f"{path_mapping.SOURCE}/{claim}/{p}" for p in chosen.get(claim, ())]
        or [f"{path_mapping.SOURCE}/{claim}"]
    ]


def _files(snapshots: SnapshotListings, backup: BackupExecution) -> Iterator[tuple[str, int]]:
    """(path, size) of the snapshot's regular files."""
    return ((e.path, e.size) for e in snapshots.entries(backup) if e.kind == "file")
