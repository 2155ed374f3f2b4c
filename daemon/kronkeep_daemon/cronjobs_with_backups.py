"""CronJobs together with their backups: both come to be or neither, both are triggered, status follows."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import msgspec

from kronkeep_common import object_keys
from kronkeep_common.compatibility.strategies import Settled
from kronkeep_common.errors import InvalidRequest, NotAllowedNow
from kronkeep_common.models import (
    BackupExecution,
    BackupPolicy,
    BackupPolicySpec,
    CronJob,
    CronJobCreate,
    CronJobExecution,
    EnvVar,
)
from kronkeep_common.states import BackupStatus, RestoreStatus
from kronkeep_common.text import clean
from kronkeep_daemon.backups import policy_annotations as policies
from kronkeep_daemon.backups.service import BackupService
from kronkeep_daemon.cronjobs import CronJobService, spec_patch
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.repositories.version_probe import VersionProbe
from kronkeep_daemon.schedule_service import ScheduleService
from kronkeep_daemon.storages.service import StorageService

Names = list[str]
SLICE = 16  # CronJobs between two turns of the event loop: about a millisecond
_POLICY_KEYS = (
    object_keys.POLICY,
    object_keys.POLICY_ID,
    object_keys.POLICY_ENABLED,
    object_keys.POLICY_REVISION,
)


class ExtendedService:
    """What people and scripts use: the base service with backups added to it."""

    def __init__(
        self,
        *,
        cronjobs: CronJobService,
        backups: BackupService,
        storages: StorageService,
        probe: VersionProbe,
        history: History,
        schedules: ScheduleService,
    ) -> None:
        self._cronjobs = cronjobs
        self._backups = backups
        self._storages = storages
        self._probe = probe
        self._history = history
        self._schedules = schedules

    async def each(self, namespace: str | None = None) -> AsyncIterator[CronJob]:
        """Every CronJob with its policy and last backup; other work goes on in between."""
        for number, (cluster, raw) in enumerate(self._cronjobs.raws(namespace), 1):
            yield self._with_policy(self._cronjobs.view(cluster, raw), raw)
            if number % SLICE == 0:
                await asyncio.sleep(0)

    def present(self, cluster_id: str, namespace: str, name: str) -> CronJob | None:
        """Return a CronJob as `each` does; None where that cluster has none of the name."""
        raw = self._cronjobs.raw_of(cluster_id, namespace, name)
        return self._with_policy(self._cronjobs.view(cluster_id, raw), raw) if raw else None

    def get(self, namespace: str, name: str) -> CronJob:
        """One CronJob with its policy and last backup; raises CronJobNotFound."""
        recorder, raw = self._cronjobs.find(namespace, name)
        return self._with_policy(self._cronjobs.view(recorder.cluster.id, raw), raw)

    def _with_policy(self, cronjob: CronJob, raw: JsonObject) -> CronJob:
        found = policies.read(raw)
        last = self._history.backups.newest(limit=1, cronjob_id=cronjob.id).items
        good = self._history.backups.newest(
            limit=1, cronjob_id=cronjob.id, status=BackupStatus.SUCCEEDED
        ).items
        good_at = good[0].ended_at if good else None
        return msgspec.structs.replace(
            cronjob,
            backup_overdue=found.policy is not None and self._backups.overdue(raw, found.policy, good_at),
            policy=found.policy,
            policy_fault=found.fault,
            policy_findings=self._schedules.findings(cronjob, found.policy),
            next_backup_at=self._schedules.next_backup(cronjob, found.policy),
            last_backup_id=last[0].id if last else None,
            last_verified_at=self._last_verified(cronjob.id),
            last_good_backup_at=good_at,
        )

    def _last_verified(self, cronjob_id: str) -> datetime | None:
        """When a backup of the CronJob was last restored as a whole and found the same."""
        restores = self._history.restores.newest(
            limit=20, cronjob_id=cronjob_id, status=RestoreStatus.COMPLETED
        )
        return next((restore.ended_at for restore in restores.items if not restore.include), None)

    async def create(self, spec: CronJobCreate, *, dry_run: bool = False) -> CronJob:
        """Creates a CronJob with its policy, or without one, in one request.

        Everything that can be refused is refused before it: StorageNotFound, NotAllowedNow, Denied,
        InvalidPolicy, ScheduleConflict, and what CronJobService.create raises.
        """
        self._cronjobs.check(spec)
        spec, resolution = await self.settled(spec)
        annotations: dict[str, str] = {}
        if spec.policy is not None:
            annotations = policies.annotations(policies.new(spec.policy))
        created = await self._cronjobs.create(spec, annotations=annotations, dry_run=dry_run)
        shown = created if dry_run else self.get(spec.namespace, spec.name)
        return msgspec.structs.replace(shown, resolution=resolution)

    def spec(self, namespace: str, name: str) -> CronJobCreate:
        """A CronJob as it would be written, to be changed and put back; raises NotAllowedNow."""
        raw = self._cronjobs.raw(namespace, name)
        return spec_patch.spec_of(raw, policies.read(raw).policy)

    async def replace(
        self, namespace: str, name: str, wanted: CronJobCreate, *, dry_run: bool = False
    ) -> CronJob:
        """Makes a CronJob and its policy as wanted, in one request; what `create` refuses is refused here.

        A policy that stays keeps its identity; `policy=None` takes it away.
        """
        if (wanted.namespace, wanted.name) != (namespace, name):
            raise InvalidRequest("A CronJob cannot be renamed or moved.", field="name")
        raw = self._cronjobs.raw(namespace, name)
        self._cronjobs.check(wanted)
        wanted, resolution = await self.settled(wanted)
        annotations: dict[str, str | None] = dict.fromkeys(_POLICY_KEYS)
        if wanted.policy is not None:
            old = policies.read(raw).policy
            annotations |= policies.annotations(policies.new(wanted.policy, old.id if old else None))
        body = spec_patch.patch(raw, wanted, annotations)
        changed = await self._cronjobs.patch(namespace, name, body, dry_run=dry_run)
        shown = changed if dry_run else self.get(namespace, name)
        return msgspec.structs.replace(shown, resolution=resolution)

    async def acceptable(
        self, namespace: str, name: str, schedule: str, zone: str | None, wanted: BackupPolicySpec
    ) -> Settled:
        """The policy as a CronJob of that schedule may carry it; raises what `create` raises for a policy."""
        cluster = self._cronjobs.home(namespace, name)
        self._storages.usable(wanted.storage_id, cluster, namespace)
        policies.check(wanted)
        await self._probe.require(cluster, wanted)
        return await self._schedules.settle(namespace, name, schedule, zone, wanted)

    async def settled(self, spec: CronJobCreate) -> tuple[CronJobCreate, str | None]:
        """The spec with its policy as it may be kept, and what its strategy did; raises as `create` does."""
        if spec.policy is None:
            return spec, None
        found = await self.acceptable(spec.namespace, spec.name, spec.schedule, spec.time_zone, spec.policy)
        return msgspec.structs.replace(spec, policy=found.policy), found.sentence or None

    async def set_policy(self, namespace: str, name: str, wanted: BackupPolicySpec) -> CronJob:
        """Gives the CronJob a policy or changes the one it has; its identity stays."""
        raw = self._cronjobs.raw(namespace, name)
        spec = raw["spec"]
        found = await self.acceptable(namespace, name, spec["schedule"], spec.get("timeZone"), wanted)
        old: BackupPolicy | None = policies.read(raw).policy
        policy = policies.new(found.policy, old.id if old else None)
        revision = {object_keys.POLICY_REVISION: policies.revision(policy)}
        body = {
            "metadata": {"annotations": policies.annotations(policy)},
            "spec": {"jobTemplate": {"metadata": {"annotations": revision}}},
        }
        await self._cronjobs.patch(namespace, name, body)
        return msgspec.structs.replace(self.get(namespace, name), resolution=found.sentence or None)

    async def remove_policy(self, namespace: str, name: str) -> CronJob:
        """Takes the policy away; its backups and their history stay."""
        template = {"metadata": {"annotations": {object_keys.POLICY_REVISION: None}}}
        body = {
            "metadata": {"annotations": dict.fromkeys(_POLICY_KEYS)},
            "spec": {"jobTemplate": template},
        }
        await self._cronjobs.patch(namespace, name, body)
        return self.get(namespace, name)

    async def trigger(
        self, namespace: str, name: str, env: Sequence[EnvVar] = (), *, key: str | None = None
    ) -> CronJobExecution:
        """Runs the CronJob now; its backup is recorded with it, linked, and waits for it."""
        run = await self._cronjobs.trigger(namespace, name, env=env, key=key)
        await self._backups.expect_now(run)
        return self._cronjobs.execution(run.id)

    async def suspend(self, namespace: str, name: str) -> CronJob:
        """Stops new runs."""
        await self._cronjobs.suspend(namespace, name)
        return self.get(namespace, name)

    async def resume(self, namespace: str, name: str) -> CronJob:
        """Allows new runs from the next slot on."""
        await self._cronjobs.resume(namespace, name)
        return self.get(namespace, name)

    async def delete(self, namespace: str, name: str, *, confirm: str | None) -> None:
        """Deletes the CronJob; its history and snapshots stay."""
        await self._cronjobs.delete(namespace, name, confirm=confirm)

    def storage_users(self, storage_id: str) -> Names:
        """The CronJobs whose policies use a storage; raises NotAllowedNow while a cluster is not listed."""
        if unknown := self._cronjobs.unknown():
            names = ", ".join(clean(self._cronjobs.clusters.of(one).name, 80) for one in sorted(unknown))
            words = f"The CronJobs of {names} have not been listed, so who uses the storage is not known."
            raise NotAllowedNow(words, next_step="Wait until the cluster answers: kronkeep doctor.")
        found = [policies.carrier(cluster, raw) for cluster, raw in self._cronjobs.raws()]
        return [
            self._cronjobs.clusters.title(one.cluster, f"{one.namespace}/{one.cronjob}")
            for one in found
            if one is not None and one.policy.storage_id == storage_id
        ]

    async def back_up_now(
        self, namespace: str, name: str, overrides: dict[str, str], *, key: str | None = None
    ) -> BackupExecution:
        """Archives what the CronJob's claims hold now, with what is changed for this once."""
        return await self._backups.back_up_now(namespace, name, overrides, key=key)
