"""The Jobs that compute the checksums of backups whose policies have drills, right after the archive.

The Job reads the claims once more; a file that changed since the archive gets no checksum. The backup stays
as it is where its checksums cannot be computed: a drill then relies on restic's own comparison.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import msgspec

from kronkeep_common import path_text
from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import BackupExecution, BackupPolicy
from kronkeep_common.text import clean
from kronkeep_daemon.backups import archive_manifests
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.policy_lookup import PolicyLookup
from kronkeep_daemon.events import BackupChanged, Bus
from kronkeep_daemon.kube.objects import CronJobRef, JsonObject
from kronkeep_daemon.repositories.job_manifests import build_repository_job
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.restic import backup as restic_backup
from kronkeep_daemon.restores import restore_manifests, snapshot_paths
from kronkeep_daemon.restores.checksums import ChecksumStore, build_checksums
from kronkeep_daemon.restores.log_parser import MOST_FILES, ChecksumParser
from kronkeep_daemon.restores.snapshot_jobs import SnapshotJobs
from kronkeep_daemon.restores.snapshot_listing import SnapshotListings
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
DEADLINE_SECONDS = 6 * 3600.0
LONGEST_AGE = timedelta(hours=1)  # of a backup; later than this most of the source may have changed


class ChecksumJobs:
    """The checksums of each backup: computed once, and removed with its snapshot."""

    def __init__(
        self,
        *,
        backups: BackupRecords,
        policies: PolicyLookup,
        queues: RepositoryQueues,
        snapshots: SnapshotListings,
        jobs: SnapshotJobs,
        store: ChecksumStore,
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
        self._store = store
        self._clock = clock
        self._settings = settings
        self._supervisor = supervisor
        bus.subscribe(BackupChanged, self._on_backup_changed)

    def _on_backup_changed(self, change: BackupChanged) -> None:
        self.start_if_due(change.new)

    def start_if_due(self, backup: BackupExecution) -> None:
        """Start to compute the checksums of a backup that needs them; remove those of a removed snapshot."""
        name = f"checksums of {backup.id}"
        if backup.snapshot_removed_at is not None:
            self._store.remove(backup.id)
        elif self._is_due(backup) and not self._supervisor.running(name):
            self._supervisor.start(name, partial(self._run, backup.id), death="quiet")

    def _is_due(self, backup: BackupExecution) -> bool:
        if backup.result is None or backup.ended_at is None or backup.checksummed_files is not None:
            return False
        policy = self._policy_of(backup)
        is_young = self._clock.now() - backup.ended_at < LONGEST_AGE
        return is_young and policy is not None and policy.drill is not None

    def _policy_of(self, backup: BackupExecution) -> BackupPolicy | None:
        return backup.policy or self._policies.policy_of(CronJobRef.of(backup))

    async def _run(self, backup_id: str) -> None:
        backup = self._backups.get(backup_id)
        policy = self._policy_of(backup)
        if policy is None:
            return
        warnings: tuple[str, ...] = ()
        try:
            count = await self._compute_checksums(backup, policy)
        except KronkeepError as fault:
            if fault.retryable:
                return  # the next round of the service starts it again, for an hour
            count = 0
            warnings = (clean(f"No checksums could be computed: {fault.message}", 500),)
        backup = self._backups.get(backup_id)
        await self._backups.put(
            backup,
            msgspec.structs.replace(backup, checksummed_files=count, warnings=(*backup.warnings, *warnings)),
        )

    async def _compute_checksums(self, backup: BackupExecution, policy: BackupPolicy) -> int:
        """Store the checksums of a backup; return how many files have one."""
        await self._snapshots.wait_until_ready(backup, None)
        selection = await asyncio.to_thread(
            snapshot_paths.summarize_selection, self._snapshots.read_entries(backup), ()
        )
        manifest = self._build_job(backup, policy, selection.claims)
        checksums = ChecksumParser()
        unchanged = restic_backup.UnchangedFilesParser(MOST_FILES)

        def on_line(container: str, line: bytes) -> None:
            if container == "sums":
                checksums.add_line(line)
            else:
                unchanged.add_line(line)

        repository = self._snapshots.repository_of(backup)
        async with self._queues.hold_for_reading(repository.id, "checksums"):
            try:
                finished = await self._jobs.run(backup.cluster, manifest, on_line, repository=repository)
            finally:
                await self._jobs.remove(backup.cluster, backup.namespace, manifest["metadata"]["name"])
        if not finished.complete:
            reason = finished.message or finished.reason
            log.info("some files of backup %s have no checksum: %s", backup.id, reason)
        checksums.close()
        return await asyncio.to_thread(self._store_checksums, backup, checksums.sha256_of, unchanged.paths)

    def _store_checksums(
        self, backup: BackupExecution, sha256_of: dict[str, str], unchanged: set[str]
    ) -> int:
        entries = self._snapshots.read_entries(backup)
        files = ((entry.path, entry.size) for entry in entries if entry.kind == "file" and entry.exact)
        checksums = build_checksums(
            files,
            {path_text.escape(path): sha256 for path, sha256 in sha256_of.items()},
            {path_text.escape(path) for path in unchanged},
        )
        self._store.write(backup.id, checksums)
        return sum(checksum.sha256 is not None for checksum in checksums)

    def _build_job(
        self, backup: BackupExecution, policy: BackupPolicy, claims: tuple[str, ...]
    ) -> JsonObject:
        """Return a Job that hashes the sources, then asks restic which are as the snapshot has them."""
        assert backup.result is not None
        repository = self._snapshots.repository_of(backup)
        paths = archive_manifests.source_paths(policy, claims, [])
        argv = restic_backup.dry_run_argv(
            host=repository.snapshot_host(backup), parent=backup.result.snapshot_id, paths=paths
        )
        job = build_repository_job(
            name=f"kronkeep-checksums-{backup.id}",
            namespace=backup.namespace,
            steps=[("changes", argv)],
            repository=repository,
            settings=self._settings().archive,
            deadline_seconds=DEADLINE_SECONDS,
        )
        pod = job["spec"]["template"]["spec"]
        volumes, mounts = restore_manifests.source_mounts(claims)
        pod["volumes"] += volumes
        compare = pod["containers"][0]
        compare["volumeMounts"] = [*compare["volumeMounts"], *mounts]
        hash_files = restore_manifests.checksums_argv(paths)
        pod["initContainers"] = [restore_manifests.plain_container(compare, "sums", hash_files, mounts)]
        return job
