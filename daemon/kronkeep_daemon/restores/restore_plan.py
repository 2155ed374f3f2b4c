"""What a restore would do, found out before anything is written."""

import asyncio
import secrets
from collections.abc import Callable
from itertools import islice
from typing import NamedTuple

import msgspec

from kronkeep_common.errors import Denied, InvalidRequest, NotFound, PathNotFound
from kronkeep_common.models import BackupExecution, RestorePlan, RestoreRequest, RestoreTarget
from kronkeep_common.states import EXECUTION_TRANSITIONS, BackupStatus, is_final
from kronkeep_common.text import clean
from kronkeep_daemon import storage_kinds
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.objects import CronJobRef
from kronkeep_daemon.repositories.job_manifests import build_repository_job
from kronkeep_daemon.repositories.job_names import short_hash
from kronkeep_daemon.restores import path_mapping, restore_manifests
from kronkeep_daemon.restores.checksums import FileListParser
from kronkeep_daemon.restores.path_mapping import Selection, TargetMount
from kronkeep_daemon.restores.snapshot_jobs import SnapshotJobs
from kronkeep_daemon.restores.snapshot_listing import SnapshotListings
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.storages.service import StorageService

EXAMPLES = 20
SMALLEST_CLAIM = 1024**3
LOOK_SECONDS = 600


class ResolvedRequest(NamedTuple):
    """A request with its defaults filled in, against a snapshot whose listing is there."""

    backup: BackupExecution
    target: RestoreTarget
    include: tuple[str, ...]
    selection: Selection
    mounts: list[TargetMount]


class RestorePlanner:
    """Checks requests and looks at their targets."""

    def __init__(
        self,
        *,
        cronjobs: CronJobService,
        storages: StorageService,
        snapshots: SnapshotListings,
        jobs: SnapshotJobs,
        settings: Callable[[], Settings],
    ) -> None:
        self._cronjobs = cronjobs
        self._storages = storages
        self._snapshots = snapshots
        self._jobs = jobs
        self._settings = settings

    async def wanted(
        self, backup_id: str, request: RestoreRequest, patience: float | None
    ) -> ResolvedRequest:
        """The request made whole; raises what cannot be carried out, and StillReading."""
        backup = self._snapshots.restorable(backup_id)
        include = path_mapping.include_of(request.include)
        target = self._target(backup, request.target)
        await self._snapshots.ready(backup, patience)
        found = await asyncio.to_thread(
            lambda: path_mapping.selection(self._snapshots.entries(backup), include)
        )
        await self._every_path_is_there(backup, include)
        if target.kind == "in-place" and not found.claims:
            raise InvalidRequest("Nothing of the selection came from a claim.", field="include")
        return ResolvedRequest(
            backup=backup,
            target=target,
            include=include,
            selection=found,
            mounts=path_mapping.mounts(target, found),
        )

    async def _every_path_is_there(self, backup: BackupExecution, include: tuple[str, ...]) -> None:
        if not include:
            return

        def missing() -> set[str]:
            left = set(include)
            for entry in self._snapshots.entries(backup):
                left.discard(entry.path)
                if not left:
                    break
            return left

        gone = await asyncio.to_thread(missing)
        if gone:
            raise PathNotFound(f"The snapshot has no {clean(repr(min(gone)), 300)}.", field="include")

    def _target(self, backup: BackupExecution, target: RestoreTarget) -> RestoreTarget:
        """The target with its defaults; raises InvalidRequest, Denied."""
        if ".." in target.path.split("/") or "\0" in target.path:
            raise InvalidRequest("The target's path must stay below its claim.", field="target.path")
        if target.kind == "in-place":
            if target != RestoreTarget(kind="in-place"):
                words = "In place has no cluster, claim, namespace or path of its own."
                raise InvalidRequest(words, field="target")
            home = self._cronjobs.clusters.of(backup.cluster).id
            return msgspec.structs.replace(target, cluster=home, namespace=backup.namespace)
        if target.kind == "claim":
            if target.claim is None:
                raise InvalidRequest("The claim to restore to is not named.", field="target.claim")
            if target.size_bytes is not None or target.storage_class is not None:
                raise InvalidRequest("Only a new claim has a size and a class.", field="target")
        clusters = self._cronjobs.clusters
        cluster = clusters.by_name(target.cluster) if target.cluster else clusters.of(backup.cluster)
        namespace = target.namespace or backup.namespace
        self._check_place(backup, cluster, namespace)
        claim = target.claim or f"{backup.cronjob[:40]}-restored-{backup.id[:6]}"
        return msgspec.structs.replace(target, cluster=cluster.id, namespace=namespace, claim=claim)

    def _check_place(self, backup: BackupExecution, cluster: Cluster, namespace: str) -> None:
        allow = self._settings().allow
        storage = self._storages.get(backup.storage_id)
        self._storages.require_reachable(storage, cluster)
        if allow.namespaces and namespace not in allow.namespaces:
            raise Denied(f"Nothing may be restored to namespace {clean(namespace, 63)}.", field="namespace")
        if storage.namespaces and namespace not in storage.namespaces:
            words = f"The storage {storage.id} may not be used from {clean(namespace, 63)}."
            raise Denied(words, field="namespace")
        only = storage_kinds.own_namespace(storage)
        if only and namespace != only:
            words = f"Only pods of the namespace {only} reach the storage {storage.id}."
            raise InvalidRequest(words, field="namespace")

    async def plan(self, backup_id: str, request: RestoreRequest, patience: float | None) -> RestorePlan:
        """What the request would do; nothing is written."""
        wanted = await self.wanted(backup_id, request, patience)
        plan = self._counted(wanted)
        if wanted.target.kind == "new-claim":
            plan = await self._into_new(plan, wanted)
        else:
            plan = await self._compared(plan, wanted, await self.look(wanted, secrets.token_hex(6)))
        return msgspec.structs.replace(plan, refusal=self.refusal(wanted, request, plan))

    def _counted(self, wanted: ResolvedRequest) -> RestorePlan:
        assert wanted.backup.result is not None
        warnings = []
        if wanted.backup.status is BackupStatus.PARTIAL:
            warnings.append("The backup is partial: files that could not be read are not in it.")
        if wanted.target.kind == "in-place" and wanted.selection.others:
            warnings.append("Only what came from claims is restored in place.")
        if wanted.target.kind == "in-place" and self.going(wanted.backup):
            warnings.append("A run of the CronJob is going on.")
        return RestorePlan(
            backup_id=wanted.backup.id,
            snapshot_id=wanted.backup.result.snapshot_id,
            target=wanted.target,
            files=wanted.selection.files,
            folders=wanted.selection.folders,
            total_bytes=wanted.selection.total_bytes,
            written=wanted.selection.files,
            confirm=wanted.backup.cronjob if wanted.target.kind == "in-place" else None,
            warnings=tuple(warnings),
        )

    async def _into_new(self, plan: RestorePlan, wanted: ResolvedRequest) -> RestorePlan:
        size = wanted.target.size_bytes or size_of(wanted.selection)
        body = restore_manifests.claim(
            wanted.target.namespace or "",
            wanted.target.claim or "",
            "plan",
            size,
            wanted.target.storage_class,
        )
        cluster = self._jobs.cluster(self._cluster_id(wanted))
        await cluster.create(paths.claims(wanted.target.namespace), body, dry_run=True)
        return msgspec.structs.replace(plan, new_claim_bytes=size)

    @staticmethod
    def _cluster_id(wanted: ResolvedRequest) -> str:
        """Return the id of the cluster in which the request's target is."""
        return wanted.target.cluster or wanted.backup.cluster

    async def look(self, wanted: ResolvedRequest, key: str) -> FileListParser:
        """What the target's claims hold now; raises NotFoundInCluster for a claim that is not there."""
        settings = self._settings()
        storage = self._snapshots.repository(wanted.backup)
        namespace = wanted.target.namespace or ""
        cluster_id = self._cluster_id(wanted)
        cluster = self._jobs.cluster(cluster_id)
        for mount in wanted.mounts:
            await cluster.get(paths.claims(namespace, mount.claim))
        name = f"kronkeep-look-{short_hash(key, *[m.claim for m in wanted.mounts], namespace)}"
        base = build_repository_job(
            name=name,
            namespace=namespace,
            steps=[("names", [])],
            where=storage,
            settings=settings.archive,
            deadline_seconds=LOOK_SECONDS,
        )
        job = restore_manifests.look_job(name, namespace, wanted.mounts, base)
        names = FileListParser()
        try:
            ended = await self._jobs.run(cluster_id, job, lambda _, line: names.hear(line))
        finally:
            await self._jobs.remove(cluster_id, namespace, name)
        if not ended.complete:
            raise InvalidRequest(
                f"The target could not be looked at: {clean(ended.message or ended.reason, 300)}",
                next_step="Look at the claim and its pod with kubectl describe.",
                field="target",
            )
        return names

    async def _compared(
        self, plan: RestorePlan, wanted: ResolvedRequest, names: FileListParser
    ) -> RestorePlan:
        there = {path.removeprefix(path_mapping.TARGET) for path in names.files}

        def compare() -> RestorePlan:
            hit: list[str] = []
            size = 0
            for entry in self._snapshots.entries(wanted.backup):
                if (
                    entry.kind != "dir"
                    and entry.path in there
                    and path_mapping.chosen(entry.path, wanted.include)
                ):
                    there.discard(entry.path)
                    hit.append(entry.path)
                    size += entry.size
            return msgspec.structs.replace(
                plan,
                written=plan.files - len(hit),
                overwritten=len(hit),
                overwritten_bytes=size,
                overwritten_examples=tuple(clean(p, 500) for p in hit[:EXAMPLES]),
                left=len(there) + names.more,
                left_examples=tuple(clean(p, 500) for p in islice(sorted(there), EXAMPLES)),
            )

        return await asyncio.to_thread(compare)

    def refusal(self, wanted: ResolvedRequest, request: RestoreRequest, plan: RestorePlan) -> str | None:
        """Why the request, as it stands, would not be begun."""
        if wanted.target.kind == "in-place" and request.confirm != wanted.backup.cronjob:
            return f"In place needs the CronJob's name as confirmation: {wanted.backup.cronjob}."
        if wanted.target.kind == "in-place" and self.going(wanted.backup):
            return "A run of the CronJob is going on: wait for its end, or cancel it."
        if (plan.overwritten or plan.left) and not request.overwrite:
            return "The target holds files: allow it with overwrite."
        return None

    def going(self, backup: BackupExecution) -> bool:
        """Whether a run of the backup's CronJob has not ended."""
        try:
            self._cronjobs.find(CronJobRef.of(backup))
        except NotFound:
            return False
        recent = self._cronjobs.recent_runs(backup.cronjob_id)
        return any(not is_final(EXECUTION_TRANSITIONS, run.status) for run in recent)


def size_of(found: Selection) -> int:
    """A new claim's size in bytes: a fifth more than what comes into it, rounded up to MiB."""
    wanted = max(SMALLEST_CLAIM, found.total_bytes * 6 // 5 + found.files * 4096)
    return -(-wanted // 1024**2) * 1024**2
