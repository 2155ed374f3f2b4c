"""Carries retention out: forgets by explicit ids what no rule keeps, and prunes on a schedule of its own.

`restic forget` frees no space, `restic prune` does and holds the repository alone for long; so forgetting
follows each backup, and pruning the settings' schedule (or a person's word), where something was forgotten.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby

import msgspec

from kronkeep_common import object_keys
from kronkeep_common.clock import Clock
from kronkeep_common.errors import (
    Conflict,
    KronkeepError,
    NotAllowedNow,
    PolicyNotFound,
    PreconditionFailed,
)
from kronkeep_common.models import BackupExecution, Retention, RetentionPlan
from kronkeep_common.schedule import Schedule
from kronkeep_common.states import StorageStatus
from kronkeep_common.text import clean
from kronkeep_daemon.backups import policy_annotations as policies
from kronkeep_daemon.backups import retention_rules
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.policy_annotations import Carrier
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.kube.chosen import chosen
from kronkeep_daemon.repositories import repository as repositories
from kronkeep_daemon.repositories.queue import Queues
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_index import KnownRepositories
from kronkeep_daemon.repositories.repository_jobs import Steps
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.storages.storage_service import StorageService

log = logging.getLogger(__name__)
IDS_AT_ONCE = 200  # snapshot ids in one command line
FORGET_SECONDS = 3600.0
PRUNE_SECONDS = 86400.0
LOOK_SECONDS = 30.0
_PRUNE: Steps = [("prune", ["restic", "prune"])]


class Retaining:
    """Retention of the policies of the clusters on which this daemon acts."""

    def __init__(
        self,
        *,
        cronjobs: CronJobService,
        records: BackupRecords,
        known: KnownRepositories,
        storages: StorageService,
        queues: Queues,
        clock: Clock,
        settings: Callable[[], Settings],
        measure: Callable[[str], Awaitable[object]],
    ) -> None:
        self._cronjobs = cronjobs
        self._records = records
        self._known = known
        self._storages = storages
        self._queues = queues
        self._clock = clock
        self._settings = settings
        self._measure = measure
        self._began = clock.now()
        self._applied: dict[tuple[str, ...], datetime] = {}

    def carrier(self, policy_id: str) -> Carrier:
        """The policy of that id with its CronJob; raises PolicyNotFound, Conflict where several carry it."""
        clusters = self._cronjobs.clusters
        wanted = chosen()
        only = clusters.named(wanted).id if wanted else None
        found = [
            carrier
            for cluster, raw in self._cronjobs.raws()
            if only in (None, cluster)
            and (carrier := policies.carrier(cluster, raw)) is not None
            and carrier.policy.id == policy_id
        ]
        if not found:
            raise PolicyNotFound(f"There is no policy {clean(policy_id, 80)}.")
        if len(found) > 1:
            names = ", ".join(clusters.title(c.cluster, f"{c.namespace}/{c.cronjob}") for c in found[:5])
            raise Conflict(
                f"The policy id {clean(policy_id, 80)} is carried by {names}.",
                next_step=f"Name a cluster, or remove the id in the annotation {object_keys.POLICY}.",
            )
        return found[0]

    def preview(self, carrier: Carrier, rules: Retention | None = None) -> RetentionPlan:
        """What the policy's rules, or others, would do now."""
        backups = self._records.with_snapshot(carrier)
        policy = carrier.policy
        return retention_rules.plan(policy.id, backups, rules or policy.retention, self._clock.now())

    def preview_of(self, namespace: str, cronjob: str, rules: Retention) -> RetentionPlan:
        """What the rules would do to a CronJob's snapshots; raises CronJobNotFound, PolicyNotFound."""
        recorder, raw = self._cronjobs.find(namespace, cronjob)
        found = policies.carrier(recorder.cluster.id, raw)
        if found is None:
            raise PolicyNotFound(policies.read(raw).fault or f"{namespace}/{cronjob} has no backup policy.")
        return self.preview(found, rules)

    def check_apply(self, carrier: Carrier) -> RetentionPlan:
        """The plan that `apply` carries out; raises NotAllowedNow where it needs approval."""
        plan = self.preview(carrier)
        if plan.blocked_by is not None:
            raise NotAllowedNow(
                plan.blocked_by, next_step="Look at the preview, then approve it with its token."
            )
        return plan

    async def apply(self, carrier: Carrier) -> None:
        """Removes what no rule keeps; raises what `check_apply` raises, and StorageFailed."""
        await self._remove(self.check_apply(carrier))

    def check_approval(self, carrier: Carrier, token: str) -> RetentionPlan:
        """The plan that the token names; raises PreconditionFailed where it has changed."""
        plan = self.preview(carrier)
        if plan.token != token:
            raise PreconditionFailed(
                "What would go has changed since the preview.", next_step="Look at the preview again."
            )
        return plan

    async def approve(self, carrier: Carrier, token: str) -> None:
        """Removes exactly what the person has seen; raises PreconditionFailed, StorageFailed."""
        await self._remove(self.check_approval(carrier, token))

    async def after_backup(self, backup: BackupExecution) -> None:
        """Applies retention to the policy of a new backup, as its CronJob carries it now."""
        try:
            raw = self._cronjobs.raw(backup.namespace, backup.cronjob, backup.cluster)
        except KronkeepError:
            return  # the CronJob went meanwhile
        found = policies.carrier(backup.cluster, raw)
        if found is not None and self._cronjobs.leads.leads(backup.cluster):
            await self._retain(found)

    async def _retain(self, carrier: Carrier) -> None:
        """Applies retention where nobody need approve it; a fault is logged, the next time is soon."""
        self._applied[_key(carrier)] = self._clock.now()
        try:
            plan = self.preview(carrier)
            if plan.blocked_by is None:
                await self._remove(plan)
            else:
                log.warning("retention of policy %s waits: %s", carrier.policy.id, plan.blocked_by)
        except KronkeepError as fault:
            log.warning("retention of policy %s: %s", carrier.policy.id, fault)

    async def _remove(self, plan: RetentionPlan) -> None:
        """Forgets the plan's removals, repository by repository."""
        going = [self._records.get(verdict.backup_id) for verdict in plan.remove]
        for repository, backups in self._by_repository(going):
            for start in range(0, len(backups), IDS_AT_ONCE):
                await self._forget(repository, backups[start : start + IDS_AT_ONCE])

    def _by_repository(
        self, going: Iterable[BackupExecution]
    ) -> list[tuple[Repository, list[BackupExecution]]]:
        found = [
            (repositories.of_backup(backup, self._storages.get(backup.storage_id)), backup)
            for backup in going
        ]
        found.sort(key=lambda pair: pair[0].id)
        return [
            (pairs[0][0], [backup for _, backup in pairs])
            for _, group in groupby(found, key=lambda pair: pair[0].id)
            if (pairs := list(group))
        ]

    async def _forget(self, repository: Repository, backups: Sequence[BackupExecution]) -> None:
        """Forgets snapshots by their ids; pinned meanwhile means that nothing goes. Raises StorageFailed."""
        async with self._queues.alone(repository.id):
            fresh = [self._records.get(backup.id) for backup in backups]
            going = [b for b in fresh if b.snapshot_removed_at is None and not b.pinned]
            if not going:
                return
            steps: Steps = [("forget", ["restic", "forget", *_ids(going)])]
            await self._storages.maintenance.run("forget", steps, repository, FORGET_SECONDS)
            for backup in going:
                gone = msgspec.structs.replace(backup, snapshot_removed_at=self._clock.now())
                await self._records.put(backup, gone)
            await self._known.note(repository, forgotten_at=self._clock.now())

    async def prune(self, storage_id: str) -> None:
        """Gives back the space of what was forgotten, in each of its repositories; raises StorageFailed."""
        storage = self._storages.active(storage_id)
        for repository in self._known.of_storage(storage):
            async with self._queues.alone(repository.id):
                await self._storages.maintenance.run("prune", _PRUNE, repository, PRUNE_SECONDS)
                await self._known.note(repository, pruned_at=self._clock.now())
        await self._measure(storage_id)

    async def forever(self) -> None:
        """At each slot of the settings' schedule: retention of every policy, then what is to be pruned."""
        await self._cronjobs.some_synced()
        while True:
            await self._cronjobs.leads.acting()
            slot = self._slot()
            if slot is not None:
                await self._daily(slot)
            await self._clock.sleep(LOOK_SECONDS)

    def _slot(self) -> datetime | None:
        settings = self._settings()
        schedule = Schedule.parse(settings.archive.prune_schedule, controller_zone=settings.controller_zone)
        return schedule.previous(self._clock.now() + timedelta(seconds=1))

    async def _daily(self, slot: datetime) -> None:
        for cluster, raw in self._cronjobs.acting():
            found = policies.carrier(cluster, raw)
            if found is not None and self._applied.get(_key(found), self._began) < slot:
                await self._retain(found)
        for storage in self._storages.list():
            acts = storage.status is StorageStatus.ACTIVE and self._cronjobs.leads.leads(storage.cluster)
            if acts and self._known.to_prune(storage.id, slot):
                try:
                    await self.prune(storage.id)
                except KronkeepError as fault:
                    log.warning("pruning storage %s: %s", storage.id, fault)


def _key(carrier: Carrier) -> tuple[str, ...]:
    return (carrier.cluster, carrier.namespace, carrier.cronjob, carrier.policy.id)


def _ids(backups: Iterable[BackupExecution]) -> list[str]:
    """Every snapshot id of the backups."""
    results = [backup.result for backup in backups if backup.result is not None]
    both = [(result.snapshot_id, result.database_snapshot_id) for result in results]
    return [found for pair in both for found in pair if found]
