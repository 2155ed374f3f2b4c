"""CronJobs together with their backups: both come to be or neither, both are triggered, status follows."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta

import msgspec

from kronkeep_common import compatibility, keys
from kronkeep_common.clock import Clock
from kronkeep_common.errors import InvalidRequest, ScheduleConflict
from kronkeep_common.models import (
    BackupExecution,
    BackupPolicy,
    BackupPolicySpec,
    CronJob,
    CronJobCreate,
    CronJobExecution,
    EnvVar,
    ScheduleCheckRequest,
    ScheduleVerdict,
)
from kronkeep_common.schedule import Schedule
from kronkeep_common.states import BackupStatus
from kronkeep_daemon.backups import policy as policies
from kronkeep_daemon.backups.service import BackupService
from kronkeep_daemon.cronjobs import CronJobService, editing
from kronkeep_daemon.history import History
from kronkeep_daemon.settings import Settings

CronJobs = list[CronJob]
Names = list[str]
_POLICY_KEYS = (keys.POLICY, keys.POLICY_ID, keys.POLICY_ENABLED, keys.POLICY_REVISION)
DEFAULT_DURATION = timedelta(minutes=10)


class ExtendedService:
    """What people and scripts use: the base service with backups added to it."""

    def __init__(
        self,
        cronjobs: CronJobService,
        backups: BackupService,
        history: History,
        clock: Clock,
        settings: Callable[[], Settings],
    ) -> None:
        self._cronjobs = cronjobs
        self._backups = backups
        self._history = history
        self._clock = clock
        self._settings = settings

    def list(self, namespace: str | None = None) -> CronJobs:
        """Every CronJob with its policy and last backup."""
        return [self._with_policy(cronjob) for cronjob in self._cronjobs.list(namespace)]

    def get(self, namespace: str, name: str) -> CronJob:
        """One CronJob with its policy and last backup; raises CronJobNotFound."""
        return self._with_policy(self._cronjobs.get(namespace, name))

    def _with_policy(self, cronjob: CronJob) -> CronJob:
        found = policies.read(self._cronjobs.raw(cronjob.namespace, cronjob.name))
        last = self._history.backups.newest(limit=1, cronjob_id=cronjob.id).items
        good = self._history.backups.newest(
            limit=1, cronjob_id=cronjob.id, status=BackupStatus.SUCCEEDED
        ).items
        return msgspec.structs.replace(
            cronjob,
            policy=found.policy,
            policy_fault=found.fault,
            last_backup_id=last[0].id if last else None,
            last_good_backup_at=good[0].ended_at if good else None,
        )

    async def create(self, spec: CronJobCreate, *, dry_run: bool = False) -> CronJob:
        """Creates a CronJob with its policy, or without one, in one request.

        Everything that can be refused is refused before it: StorageNotFound, NotAllowedNow, Denied,
        InvalidPolicy, ScheduleConflict, and what CronJobService.create raises.
        """
        self._cronjobs.check(spec)
        annotations: dict[str, str] = {}
        if spec.policy is not None:
            policy = policies.new(self._acceptable(spec, spec.policy))
            annotations = policies.annotations(policy)
        created = await self._cronjobs.create(spec, annotations=annotations, dry_run=dry_run)
        return created if dry_run else self.get(spec.namespace, spec.name)

    def spec(self, namespace: str, name: str) -> CronJobCreate:
        """A CronJob as it would be written, to be changed and put back; raises NotAllowedNow."""
        raw = self._cronjobs.raw(namespace, name)
        return editing.spec_of(raw, policies.read(raw).policy)

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
        annotations: dict[str, str | None] = dict.fromkeys(_POLICY_KEYS)
        if wanted.policy is not None:
            old = policies.read(raw).policy
            policy = policies.new(self._acceptable(wanted, wanted.policy), old.id if old else None)
            annotations |= policies.annotations(policy)
        body = editing.patch(raw, wanted, annotations)
        changed = await self._cronjobs.patch(namespace, name, body, dry_run=dry_run)
        return changed if dry_run else self.get(namespace, name)

    def _acceptable(self, spec: CronJobCreate, wanted: BackupPolicySpec) -> BackupPolicySpec:
        return self.acceptable(spec.namespace, spec.schedule, spec.time_zone, wanted)

    def acceptable(
        self, namespace: str, schedule: str, zone: str | None, wanted: BackupPolicySpec
    ) -> BackupPolicySpec:
        """The policy as a CronJob of that schedule may carry it; raises what `create` raises for a policy."""
        self._backups.storages.usable(wanted.storage_id, namespace)
        policies.check(wanted)
        return self._compatible(schedule, zone, wanted)

    def _compatible(self, schedule: str, zone: str | None, wanted: BackupPolicySpec) -> BackupPolicySpec:
        """The policy as it may be kept; raises ScheduleConflict where no strategy was chosen."""
        if wanted.schedule is None or wanted.on_conflict == "accept":
            return wanted
        duration = wanted.expected_duration_seconds
        request = ScheduleCheckRequest(
            cronjob_schedule=schedule,
            cronjob_time_zone=zone,
            backup_schedule=wanted.schedule,
            backup_time_zone=wanted.time_zone,
            expected_duration_seconds=DEFAULT_DURATION.total_seconds() if duration is None else duration,
        )
        verdict = self.check_schedules(request)
        if verdict.verdict != "conflict":
            return wanted
        if wanted.on_conflict == "after-run":
            return msgspec.structs.replace(wanted, schedule=None, time_zone=None)
        finding = next(f for f in verdict.findings if f.severity == "conflict")
        raise ScheduleConflict(finding.message, finding=finding.code, field="policy.schedule")

    def check_schedules(self, request: ScheduleCheckRequest) -> ScheduleVerdict:
        """The compatibility of two schedules; raises InvalidSchedule, InvalidTimeZone."""
        zone = self._settings().controller_zone
        cronjob = Schedule.parse(request.cronjob_schedule, request.cronjob_time_zone, controller_zone=zone)
        backup = Schedule.parse(request.backup_schedule, request.backup_time_zone, controller_zone=zone)
        expected = timedelta(seconds=request.expected_duration_seconds)
        horizon = timedelta(days=min(request.horizon_days, 800))
        return compatibility.check(cronjob, backup, expected, self._clock.now(), horizon)

    async def check_schedules_async(self, request: ScheduleCheckRequest) -> ScheduleVerdict:
        """`check_schedules` in a thread: schedules of every minute take a second."""
        return await asyncio.to_thread(self.check_schedules, request)

    async def set_policy(self, namespace: str, name: str, wanted: BackupPolicySpec) -> CronJob:
        """Gives the CronJob a policy or changes the one it has; its identity stays."""
        raw = self._cronjobs.raw(namespace, name)
        spec = raw["spec"]
        accepted = self.acceptable(namespace, spec["schedule"], spec.get("timeZone"), wanted)
        old: BackupPolicy | None = policies.read(raw).policy
        policy = policies.new(accepted, old.id if old else None)
        revision = {keys.POLICY_REVISION: policies.revision(policy)}
        body = {
            "metadata": {"annotations": policies.annotations(policy)},
            "spec": {"jobTemplate": {"metadata": {"annotations": revision}}},
        }
        await self._cronjobs.patch(namespace, name, body)
        return self.get(namespace, name)

    async def remove_policy(self, namespace: str, name: str) -> CronJob:
        """Takes the policy away; its backups and their history stay."""
        body = {"metadata": {"annotations": dict.fromkeys(_POLICY_KEYS)}}
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
        """The CronJobs whose policies use a storage."""
        users = []
        for _, raw in self._cronjobs.raws():
            policy = policies.read(raw).policy
            if policy is not None and policy.storage_id == storage_id:
                users.append(f"{raw['metadata']['namespace']}/{raw['metadata']['name']}")
        return users

    async def back_up_now(
        self, namespace: str, name: str, backup_type: str | None = None, *, key: str | None = None
    ) -> BackupExecution:
        """Archives what the CronJob's claims hold now."""
        return await self._backups.back_up_now(namespace, name, backup_type=backup_type, key=key)
