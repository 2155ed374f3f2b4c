"""What a restore would do: requests are checked and their targets listed before anything is written."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import msgspec

from kronkeep_common import name_rules, subject_names
from kronkeep_common.errors import InvalidRequest, NameTaken, NotFound, PathNotFound
from kronkeep_common.models import (
    BackupExecution,
    RestorePlan,
    RestoreRequest,
    RestoreTarget,
    SnapshotFile,
)
from kronkeep_common.restore_names import new_claim_name
from kronkeep_common.states import EXECUTION_TRANSITIONS, BackupStatus, is_final
from kronkeep_common.text import clean, shorten_middle
from kronkeep_daemon import storage_kinds
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.history.record_ids import derive_id, new_id
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import AlreadyExists
from kronkeep_daemon.kube.objects import CronJobRef, JsonObject
from kronkeep_daemon.repositories.job_manifests import build_repository_job
from kronkeep_daemon.repositories.repository_jobs import require_serving
from kronkeep_daemon.restores import claim_sizes, restore_manifests, snapshot_paths, unkept
from kronkeep_daemon.restores.backup_places import BackupInCopy
from kronkeep_daemon.restores.claim_sizes import size_of_new_claim
from kronkeep_daemon.restores.duration_prediction import BackupSize, RestorePredictor
from kronkeep_daemon.restores.log_parser import FileListParser
from kronkeep_daemon.restores.restorable_backups import RestorableBackups
from kronkeep_daemon.restores.snapshot_jobs import SnapshotJobs
from kronkeep_daemon.restores.snapshot_listing import SnapshotListings
from kronkeep_daemon.restores.snapshot_paths import SnapshotSelection, TargetMount
from kronkeep_daemon.restores.target_comparison import compare_with_target
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.storages.service import StorageService

LISTING_SECONDS = 600


class ResolvedRequest(NamedTuple):
    """A request with its defaults filled in, for a snapshot whose listing is there.

    archived_bytes: what the claims of the selection have now, for a new claim without a size of its own.
    newer: the newest good backup of the CronJob, where it was made later.
    """

    backup: BackupExecution
    target: RestoreTarget
    include: tuple[str, ...]
    selection: SnapshotSelection
    mounts: list[TargetMount]
    archived_bytes: int | None = None
    newer: BackupExecution | None = None

    @property
    def is_in_place(self) -> bool:
        """Whether it restores into the claims of the CronJob itself."""
        return self.target.kind == "in-place"

    @property
    def cluster_id(self) -> str:
        """The id of the target's cluster."""
        return self.target.cluster or self.backup.cluster

    @property
    def namespace(self) -> str:
        """The namespace of the target's claims and Jobs."""
        return self.target.namespace or self.backup.namespace

    def brings_back(self, path: str) -> bool:
        """Whether a path of the snapshot is restored: in place gets nothing that came from no claim."""
        is_selected = snapshot_paths.is_included(path, self.include)
        return is_selected and (not self.is_in_place or snapshot_paths.claim_of_path(path) is not None)

    @property
    def claim_size(self) -> int:
        """The size of a new claim in bytes: as requested, as what was archived, or as the selection needs."""
        if self.target.size_bytes is not None:
            return self.target.size_bytes
        return size_of_new_claim(self.selection, self.archived_bytes, is_whole=not self.include)

    def new_claim(self, restore_id: str) -> JsonObject:
        """Return the manifest of the target's new claim, marked as the restore's."""
        return restore_manifests.build_claim(
            self.namespace, self.target.claim or "", restore_id, self.claim_size, self.target.storage_class
        )


class RestorePlanner:
    """The checks of restore requests, and the plans of what they would do."""

    def __init__(
        self,
        *,
        cronjobs: CronJobService,
        storages: StorageService,
        snapshots: SnapshotListings,
        jobs: SnapshotJobs,
        restorable: RestorableBackups,
        predictor: RestorePredictor,
        settings: Callable[[], Settings],
    ) -> None:
        self._predictor = predictor
        self._restorable = restorable
        self._cronjobs = cronjobs
        self._storages = storages
        self._snapshots = snapshots
        self._jobs = jobs
        self._settings = settings

    async def resolve(
        self, backup_id: str, request: RestoreRequest, listing_seconds: float | None
    ) -> ResolvedRequest:
        """Return a request with its defaults; raise why it cannot be carried out.

        listing_seconds: how long the snapshot's listing is waited for before StillReading is raised; None
            waits for ever.
        """
        include = snapshot_paths.normalize_include(request.include)
        self._resolve_target(self._snapshots.require_restorable(backup_id, request.from_copy), request.target)
        backup = await self._snapshots.open(backup_id, request.from_copy, listing_seconds)
        target = self._resolve_target(backup, request.target)
        selection = await asyncio.to_thread(
            snapshot_paths.summarize_selection, self._snapshots.read_entries(backup), include
        )
        await self._require_every_path(backup, include)
        if target.kind == "in-place" and not selection.claims:
            raise InvalidRequest("Nothing of the selection came from a claim.", field="include")
        return ResolvedRequest(
            backup=backup,
            target=target,
            include=include,
            selection=selection,
            mounts=snapshot_paths.target_mounts(target, selection),
            archived_bytes=await self._read_archived_size(backup, target, selection),
            newer=await self._restorable.find_newer(backup),
        )

    async def _read_archived_size(
        self, backup: BackupExecution, target: RestoreTarget, selection: SnapshotSelection
    ) -> int | None:
        """Return what the archived claims have, for a new claim in their own cluster; None if not known."""
        is_sized = target.kind != "new-claim" or target.size_bytes is not None
        if is_sized or target.cluster != backup.cluster:
            return None  # another cluster may be wanted because the first one is lost
        cluster = self._jobs.cluster(backup.cluster)
        return await claim_sizes.read_claims_size(cluster, backup.namespace, selection.claims)

    async def _require_every_path(self, backup: BackupExecution, include: tuple[str, ...]) -> None:
        if not include:
            return
        entries = self._snapshots.read_entries(backup)
        missing = await asyncio.to_thread(_missing_paths, entries, include)
        if missing:
            raise PathNotFound(f"The snapshot has no {shorten_middle(min(missing), 300)}", field="include")

    def _resolve_target(self, backup: BackupExecution, target: RestoreTarget) -> RestoreTarget:
        """Return the target with its defaults; raise InvalidRequest, Denied."""
        _require_valid_target(target)
        clusters = self._cronjobs.clusters
        if target.kind == "in-place":
            cluster_id = clusters.of(backup.cluster).id
            require_serving(self._storages.get(backup.storage_id), backup.namespace, field="target")
            return msgspec.structs.replace(target, cluster=cluster_id, namespace=backup.namespace)
        cluster = clusters.by_name(target.cluster) if target.cluster else clusters.of(backup.cluster)
        namespace = target.namespace or backup.namespace
        self._require_allowed_place(backup, cluster, namespace)
        claim = target.claim or new_claim_name(backup)
        return msgspec.structs.replace(target, cluster=cluster.id, namespace=namespace, claim=claim)

    def _require_allowed_place(self, backup: BackupExecution, cluster: Cluster, namespace: str) -> None:
        storage = self._storages.get(backup.storage_id)
        self._storages.require_reachable(storage, cluster)
        self._cronjobs.check_namespace(namespace)
        require_serving(storage, namespace, field="namespace")
        only = storage_kinds.own_namespace(storage)
        if only and namespace != only:
            raise InvalidRequest(
                f"Only pods of the namespace {only} reach the storage {storage.id}.", field="namespace"
            )

    async def plan(
        self, backup_id: str, request: RestoreRequest, listing_seconds: float | None
    ) -> RestorePlan:
        """Return what a request would do, without writing anything; raise as `resolve` does."""
        resolved = await self.resolve(backup_id, request, listing_seconds)
        plan = self._count(resolved, request)
        if resolved.target.kind == "new-claim":
            plan = await self._plan_new_claim(plan, resolved)
        else:
            plan = await self._plan_overwriting(plan, resolved)
        return self._with_refusal(plan, resolved, request)

    def _count(self, resolved: ResolvedRequest, request: RestoreRequest) -> RestorePlan:
        """Return a plan with what the snapshot alone says."""
        assert resolved.backup.result is not None
        copy = resolved.backup if isinstance(resolved.backup, BackupInCopy) else None
        selection = resolved.selection
        return RestorePlan(
            backup_id=resolved.backup.id,
            snapshot_id=resolved.backup.result.snapshot_id,
            snapshot_at=resolved.backup.created_at,
            newer_backup_id=resolved.newer.id if resolved.newer is not None else None,
            newer_snapshot_at=resolved.newer.created_at if resolved.newer is not None else None,
            storage_id=resolved.backup.storage_id,
            copy_of=copy.first_storage_id if copy is not None else None,
            target=resolved.target,
            files=selection.files,
            folders=selection.folders,
            total_bytes=selection.total_bytes,
            written=selection.files,
            expected_seconds=self.predict(resolved),
            confirm=resolved.backup.cronjob if resolved.is_in_place else None,
            warnings=self._warnings(resolved, request),
        )

    def predict(self, resolved: ResolvedRequest) -> float | None:
        """Return how long the files of a request will take by earlier restores; None without any."""
        backup = resolved.backup
        selection = resolved.selection
        size = BackupSize(backup.storage_id, selection.files, selection.total_bytes)
        return self._predictor.predict(backup.cronjob_id, size)

    def _warnings(self, resolved: ResolvedRequest, request: RestoreRequest) -> tuple[str, ...]:
        warnings = []
        backup = resolved.backup
        if isinstance(backup, BackupInCopy):
            is_chosen = request.from_copy is not None
            why = "" if is_chosen else f"The snapshot in {backup.first_storage_id} cannot be read now. "
            warnings.append(f"{why}The copy in {backup.storage_id} is read.")
        user = self._settings().archive.run_as_user
        if backup.status is BackupStatus.PARTIAL:
            why = backup.message or "Files that could not be read are not in it."
            warnings.append(f"The backup is partial. {why}")
        if backup.status is BackupStatus.UNKNOWN:
            warnings.append("How the archive ended is not known: files may be missing in it.")
        if backup.snapshot_missing_at is not None:
            warnings.append(
                f"The repository lacked the snapshot at {backup.snapshot_missing_at:%Y-%m-%d %H:%M} UTC."
            )
        if resolved.is_in_place and resolved.selection.has_others:
            warnings.append("Only what came from claims is restored in place.")
        if resolved.is_in_place and self.has_active_run(resolved.backup):
            warnings.append("A run of the CronJob has not ended.")
        claim = subject_names.claim_of(backup.cronjob)
        if resolved.is_in_place and claim is not None:
            warnings.append(f"Nothing stops the pods that use the claim {claim}: scale them down before.")
        warnings += self._storages.describe_limits([resolved.backup.storage_id])
        warnings += unkept.describe_counts(resolved.selection.unkept)
        warnings += unkept.describe_user(user)
        if resolved.target.kind != "new-claim":
            warnings += unkept.describe_rights(user, has_stage=request.overwrite)
        return tuple(warnings)

    async def _plan_new_claim(self, plan: RestorePlan, resolved: ResolvedRequest) -> RestorePlan:
        await self.check_new_claim(resolved)
        too_small = claim_sizes.explain_too_small(resolved.selection, resolved.claim_size)
        warnings = (*plan.warnings, too_small) if too_small else plan.warnings
        return msgspec.structs.replace(plan, new_claim_bytes=resolved.claim_size, warnings=warnings)

    async def check_new_claim(self, resolved: ResolvedRequest) -> None:
        """Let the cluster check the claim without creating it; raise NameTaken, or what the cluster says."""
        cluster = self._jobs.cluster(resolved.cluster_id)
        try:
            await cluster.create(paths.claims(resolved.namespace), resolved.new_claim("plan"), dry_run=True)
        except AlreadyExists as fault:
            name = f"{resolved.namespace}/{resolved.target.claim}"
            raise NameTaken(
                f"There is a claim {name} already.",
                next_step="Choose another name, or restore into that claim: its kind is then claim.",
                field="target.claim",
            ) from fault

    async def _plan_overwriting(self, plan: RestorePlan, resolved: ResolvedRequest) -> RestorePlan:
        target_files = await self.list_target(resolved, new_id())
        entries = self._snapshots.read_entries(resolved.backup)
        target = {
            snapshot_paths.snapshot_path(path): file_type for path, file_type in target_files.type_of.items()
        }
        compared_plan = await asyncio.to_thread(
            compare_with_target,
            plan,
            resolved.include,
            entries,
            target,
            left_out=target_files.left_out,
        )
        return _with_paths_in_claims(compared_plan, resolved.mounts)

    async def list_target(self, resolved: ResolvedRequest, key: str) -> FileListParser:
        """Return what the target's claims contain now.

        key: makes the name of the Job that lists them; the same key finds the same Job again.

        Raises NotFoundInCluster for a claim that is not there, InvalidRequest where they cannot be listed.
        """
        cluster_id = resolved.cluster_id
        namespace = resolved.namespace
        claims = [mount.claim for mount in resolved.mounts]
        for claim in claims:
            await self._jobs.cluster(cluster_id).get(paths.claims(namespace, claim))
        name = "kronkeep-look-" + derive_id("look", key, namespace, *claims)
        base = build_repository_job(
            name=name,
            namespace=namespace,
            steps=[("names", [])],
            repository=self._snapshots.repository_of(resolved.backup),
            settings=self._settings().archive,
            deadline_seconds=LISTING_SECONDS,
        )
        manifest = restore_manifests.build_listing_job(base, resolved.mounts)
        files = FileListParser()

        def on_line(_: str, line: bytes) -> None:
            files.add_line(line)

        try:
            finished = await self._jobs.run(cluster_id, manifest, on_line)
        finally:
            await self._jobs.remove(cluster_id, namespace, name)
        if not finished.complete:
            raise InvalidRequest(
                f"The target could not be listed: {clean(finished.message or finished.reason, 300)}",
                next_step="Look at the claim and its pod with kubectl describe.",
                field="target",
            )
        return files

    def _with_refusal(
        self, plan: RestorePlan, resolved: ResolvedRequest, request: RestoreRequest
    ) -> RestorePlan:
        """Return the plan with every reason why the request would be refused as it stands."""
        reasons: list[str] = []
        needs: list[Literal["confirm", "overwrite"]] = []
        if resolved.is_in_place and request.confirm != resolved.backup.cronjob:
            reasons.append(f"In place needs the name as confirmation: {resolved.backup.cronjob}.")
            needs.append("confirm")
        if resolved.is_in_place and self.has_active_run(resolved.backup):
            reasons.append("A run of the CronJob has not ended: wait for its end, or cancel it.")
        holds_files = bool(plan.overwritten or plan.type_changes or plan.left)
        if (holds_files or resolved.is_in_place) and not request.overwrite:
            holds = "The target holds files" if holds_files else "In place overwrites what is there"
            reasons.append(f"{holds}: allow it with overwrite.")
            needs.append("overwrite")
        return msgspec.structs.replace(plan, refusal=" ".join(reasons) or None, needs=tuple(needs))

    def has_active_run(self, backup: BackupExecution) -> bool:
        """Whether a run has not ended of the backup's CronJob, or of another that has its name now."""
        try:
            subject = self._cronjobs.find_subject(CronJobRef.of(backup))
        except NotFound:
            return False
        recent = [
            run
            for cronjob_id in {backup.cronjob_id, subject.uid}
            for run in self._cronjobs.recent_runs(cronjob_id)
        ]
        return any(not is_final(EXECUTION_TRANSITIONS, run.status) for run in recent)


def _with_paths_in_claims(plan: RestorePlan, mounts: list[TargetMount]) -> RestorePlan:
    """Return the plan with its examples as paths in the target's claims."""
    fields = ("overwritten_examples", "type_change_examples", "removed_examples", "left_examples")
    examples = {
        field: tuple(snapshot_paths.path_in_claim(path, mounts) for path in getattr(plan, field))
        for field in fields
    }
    return msgspec.structs.replace(plan, **examples)


def _require_valid_target(target: RestoreTarget) -> None:
    if ".." in target.path.split("/") or "\0" in target.path:
        raise InvalidRequest("The target's path must stay below its claim.", field="target.path")
    if target.kind == "in-place" and target != RestoreTarget(kind="in-place"):
        raise InvalidRequest("In place has no cluster, claim, namespace or path of its own.", field="target")
    if target.claim is not None:
        name_rules.check_claim_name(target.claim)
    if target.kind == "claim" and target.claim is None:
        raise InvalidRequest("The claim to restore to is not named.", field="target.claim")
    if target.kind == "claim" and (target.size_bytes is not None or target.storage_class is not None):
        raise InvalidRequest("Only a new claim has a size and a class.", field="target")


def _missing_paths(entries: Iterable[SnapshotFile], include: tuple[str, ...]) -> set[str]:
    """Return the included paths that are not among the entries; raise InvalidRequest for an inexact name."""
    missing = set(include)
    for entry in entries:
        if not entry.exact and entry.path in missing:
            raise snapshot_paths.inexact_name(entry.path, "include")
        missing.discard(entry.path)
        if not missing:
            break
    return missing
