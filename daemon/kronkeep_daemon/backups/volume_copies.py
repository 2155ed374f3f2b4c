"""Volumes that are made from claims for one archive: created before its Job, removed after it, swept.

Their names come from the backup and the attempt, and each carries a token that only this daemon can compute.
So a daemon that was killed adopts what it had made and removes it after the archive. What is left all the
same (the cluster did not answer at the end, the history is an older one) the sweep finds by kronkeep's label,
and removes by the token once its backup has ended; where the CronJob is deleted, Kubernetes removes them.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager

from kronkeep_common import object_keys
from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError, VolumeCopyFailed
from kronkeep_common.models import BackupExecution, Cause
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean
from kronkeep_daemon.backups import volume_copy_checks, volume_copy_manifests, volume_copy_rules
from kronkeep_daemon.backups.archive_inputs import ArchiveInputs
from kronkeep_daemon.backups.volume_copy_manifests import copy_name
from kronkeep_daemon.backups.volume_copy_rules import VolumeCopyPlan
from kronkeep_daemon.jobs.owned_objects import OwnedObjects
from kronkeep_daemon.jobs.runner import JobRunners
from kronkeep_daemon.jobs.start_watch import OnWaiting
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import Forbidden, NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.repositories import job_manifests
from kronkeep_daemon.settings import Settings

log = logging.getLogger(__name__)
POLL_SECONDS = 0.5
LABEL = {
    "labelSelector": f"{object_keys.MANAGED_BY_LABEL}={object_keys.MANAGED_BY},"
    f"{object_keys.ROLE_LABEL}={object_keys.VOLUME_COPY_ROLE}"
}


class VolumeCopies:
    """The volumes made for archives, in all clusters."""

    def __init__(self, *, runners: JobRunners, clock: Clock, settings: Callable[[], Settings]) -> None:
        self._runners = runners
        self._clock = clock
        self._settings = settings

    @asynccontextmanager
    async def provide(
        self, backup: BackupExecution, inputs: ArchiveInputs, on_waiting: OnWaiting
    ) -> AsyncIterator[Mapping[str, str]]:
        """Give the claims that are read instead, by claim; remove them at the end of the block.

        A block that is cancelled, or fails with a retryable error, leaves them: the Job may still run and
        need them. The next attempt adopts them, or `sweep` removes them once the backup has ended.

        Raises InvalidPolicy, VolumeCopyFailed, NameTaken.
        """
        if inputs.policy.source.consistency == "live":
            yield {}
            return
        try:
            yield await self._create(backup, inputs, on_waiting)
        except BaseException as fault:
            if not isinstance(fault, asyncio.CancelledError) and not getattr(fault, "retryable", False):
                await self.remove(backup, inputs.claims)
            raise
        await self.remove(backup, inputs.claims)

    async def _create(
        self, backup: BackupExecution, inputs: ArchiveInputs, on_waiting: OnWaiting
    ) -> dict[str, str]:
        cluster = inputs.cluster
        plans = await volume_copy_checks.plan_copies(
            cluster, backup.namespace, inputs.claims, inputs.policy.source
        )
        objects = self._runners.on(cluster.id).objects
        owner = job_manifests.owner_reference(inputs.cronjob)
        # The snapshots of all claims are asked for before any is waited for, so that they are of one time.
        for number, plan in enumerate(plans):
            if plan.snapshot_class:
                manifest = volume_copy_manifests.build_snapshot(backup, number, plan, owner)
                await objects.create(paths.volume_snapshots(backup.namespace), manifest)
        for number, plan in enumerate(plans):
            sized = await self._wait_for_snapshot(cluster, backup, number, plan, on_waiting=on_waiting)
            manifest = volume_copy_manifests.build_claim(backup, number, sized, owner)
            await objects.create(paths.claims(backup.namespace), manifest)
        await on_waiting(None)
        return {plan.claim: copy_name(backup, number) for number, plan in enumerate(plans)}

    async def _wait_for_snapshot(
        self,
        cluster: Cluster,
        backup: BackupExecution,
        number: int,
        plan: VolumeCopyPlan,
        *,
        on_waiting: OnWaiting,
    ) -> VolumeCopyPlan:
        """Return the plan with the size that the snapshot needs, once that can be used."""
        if not plan.snapshot_class:
            return plan
        path = paths.volume_snapshots(backup.namespace, copy_name(backup, number))
        end = self._clock.monotonic() + self._settings().archive.start_seconds
        told = ""
        while True:
            try:
                status = (await cluster.get(path)).get("status") or {}
            except NotFoundInCluster as gone:
                raise VolumeCopyFailed(
                    f"The VolumeSnapshot of the claim {clean(plan.claim, 253)} was deleted too early.",
                    reason=Reason.VOLUME_COPY_FAILED,
                ) from gone
            if status.get("readyToUse"):
                return plan._replace(size=volume_copy_rules.larger_size(plan.size, status.get("restoreSize")))
            words = _describe_wait(plan, status)
            if self._clock.monotonic() >= end:
                raise VolumeCopyFailed(words, reason=Reason.VOLUME_COPY_FAILED)
            if words != told:
                pending = Reason.VOLUME_COPY_PENDING
                await on_waiting(Cause(reason=pending, message=words, next_step=pending.next_step))
                told = words
            await self._clock.sleep(POLL_SECONDS)

    async def remove(self, backup: BackupExecution, claims: tuple[str, ...]) -> None:
        """Remove what was made for the backup's current attempt; what cannot be removed now is swept later.

        claims: those that are archived.
        """
        policy = backup.policy
        if policy is not None and policy.source.consistency == "live":
            return
        objects = self._runners.on(backup.cluster).objects
        for number, _ in enumerate(claims):
            name = copy_name(backup, number)
            await _remove_quietly(objects, paths.claims(backup.namespace, name))
            await _remove_quietly(objects, paths.volume_snapshots(backup.namespace, name))

    async def sweep(
        self, cluster: Cluster, namespaces: Iterable[str | None], is_at_work: Callable[[str], bool]
    ) -> None:
        """Remove what is left in a cluster of backups that have ended.

        namespaces: those to look in; None for all of them.
        is_at_work: whether the backup of that id has not ended.
        """
        objects = self._runners.on(cluster.id).objects
        for namespace in namespaces:
            for collection_of in (paths.claims, paths.volume_snapshots):
                for item in await _list_ours(cluster, collection_of(namespace)):
                    meta = item["metadata"]
                    if not is_at_work((meta.get("labels") or {}).get(object_keys.BACKUP_LABEL, "")):
                        await _remove_quietly(objects, collection_of(meta["namespace"], meta["name"]))


async def _list_ours(cluster: Cluster, path: str) -> list[JsonObject]:
    """Return the objects with our labels; none where the cluster has no such kind, or hides it."""
    try:
        items, _ = await cluster.list(path, **LABEL)
    except (NotFoundInCluster, Forbidden):
        return []
    return items


async def _remove_quietly(objects: OwnedObjects, path: str) -> None:
    try:
        await objects.remove(path)
    except KronkeepError as fault:
        log.warning("%s is removed later: %s", path, fault)


def _describe_wait(plan: VolumeCopyPlan, status: JsonObject) -> str:
    error = clean(str((status.get("error") or {}).get("message") or ""), 300)
    words = f"The VolumeSnapshot of the claim {clean(plan.claim, 253)} is not ready"
    return f"{words}: {error}" if error else f"{words}."
