"""Removal of what a restore leaves in its target: its stage, and the journal of a move that was cut off."""

from collections.abc import Callable

from kronkeep_common.models import Restore
from kronkeep_daemon.jobs.outcome import FinishedJob
from kronkeep_daemon.repositories.job_manifests import build_repository_job
from kronkeep_daemon.restores import move_script, restore_manifests, snapshot_paths
from kronkeep_daemon.restores.restore_plan import ResolvedRequest
from kronkeep_daemon.restores.restore_records import RestoreRecords, cluster_id_of, namespace_of
from kronkeep_daemon.restores.snapshot_jobs import SnapshotJobs
from kronkeep_daemon.restores.snapshot_listing import SnapshotListings
from kronkeep_daemon.settings import Settings

DEADLINE_SECONDS = 3600


class TargetCleanup:
    """The Jobs that finish or undo a move that was cut off, and remove stages and journals."""

    def __init__(
        self,
        *,
        records: RestoreRecords,
        snapshots: SnapshotListings,
        jobs: SnapshotJobs,
        settings: Callable[[], Settings],
    ) -> None:
        self._records = records
        self._snapshots = snapshots
        self._jobs = jobs
        self._settings = settings

    async def clean(self, restore: Restore, resolved: ResolvedRequest) -> None:
        """Clean the target's claims; what is left becomes a warning of the restore.

        No Job of the restore may be running any more. Raises what `SnapshotJobs.run` raises.
        """
        rest = _describe_rest(restore, await self._run_job(restore, resolved))
        if rest:
            await self._records.warn(restore.id, rest)
        else:
            warnings = tuple(w for w in self._warnings(restore) if w != _describe_folders(restore))
            await self._records.change(restore.id, warnings=warnings)

    async def warn_of_rest(self, restore: Restore) -> None:
        """Record that the target is not clean; a later `clean` takes it back."""
        await self._records.warn(restore.id, _describe_folders(restore))

    def _warnings(self, restore: Restore) -> tuple[str, ...]:
        return self._records.get(restore.id).warnings

    async def _run_job(self, restore: Restore, resolved: ResolvedRequest) -> FinishedJob:
        cluster_id = cluster_id_of(restore)
        namespace = namespace_of(restore)
        name = f"kronkeep-clean-{restore.id}"
        base = build_repository_job(
            name=name,
            namespace=namespace,
            steps=[("clean", [])],
            repository=self._snapshots.repository_of(resolved.backup),
            settings=self._settings().archive,
            deadline_seconds=DEADLINE_SECONDS,
        )
        manifest = restore_manifests.build_cleanup_job(base, resolved.mounts, restore.id)
        try:
            return await self._jobs.run(cluster_id, manifest, None)
        finally:
            await self._jobs.remove(cluster_id, namespace, name)


def _describe_rest(restore: Restore, finished: FinishedJob) -> str:
    """Return what a cleaning Job has left in the target, as a sentence; empty where nothing is left."""
    if finished.complete:
        return ""
    failed = finished.first_failure
    if failed is not None and failed.exit_code == move_script.NOT_PUT_BACK:
        return (
            "What the restore was to replace could not be put back: it is in the folder "
            f"{snapshot_paths.old_folder(restore.id)}/replaced of the target. Move it back by hand."
        )
    return _describe_folders(restore)


def _describe_folders(restore: Restore) -> str:
    stage = snapshot_paths.stage_folder(restore.id)
    old = snapshot_paths.old_folder(restore.id)
    return (
        f"The folders {stage} and {old} may be left in the target. What was replaced is in {old}/replaced "
        "where it is there; look at it, then remove both by hand."
    )
