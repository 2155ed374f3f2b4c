"""The copy planner: records the copies that are due, and moves those that have not ended.

A pass reads the present state and decides by `copy_rules`; it may be repeated at any time, because the id of
a copy is derived from its backup and its storage. A policy is looked at again after a change of it, of its
backups or copies, and when time alone may have made something due.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError, NotAllowedNow
from kronkeep_common.models import BackupCopy, PolicyCopy
from kronkeep_common.reasons import Reason
from kronkeep_common.states import ENDED_COPIES, CopyStatus
from kronkeep_daemon.backups import policy_annotations
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.policy_annotations import PolicyCarrier
from kronkeep_daemon.copies import copy_rules
from kronkeep_daemon.copies.copier import Copier
from kronkeep_daemon.copies.copy_records import CopyRecords, new_copy
from kronkeep_daemon.copies.copy_rules import DueCopy
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.events import ActingChanged, BackupChanged, Bus, CronJobChanged
from kronkeep_daemon.history import History
from kronkeep_daemon.history.facts import copy_seen_key
from kronkeep_daemon.kube.subjects import PolicySubject
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
TICK_SECONDS = 15.0
RESTS = 10  # times as long as a pass took, before the next one
LONGEST_REST = timedelta(minutes=10)  # after which a policy is looked at again in any case


class _Settled(NamedTuple):
    """The versions of what was planned when nothing was due, and until when that holds."""

    versions: tuple[object, ...]
    until: datetime


class CopyPlanner:
    """Planner of the copies of all policies, on the clusters where this daemon acts."""

    def __init__(
        self,
        *,
        cronjobs: CronJobService,
        records: CopyRecords,
        backups: BackupRecords,
        copier: Copier,
        history: History,
        bus: Bus,
        clock: Clock,
        settings: Callable[[], Settings],
        supervisor: Supervisor,
    ) -> None:
        self._cronjobs = cronjobs
        self._records = records
        self._backups = backups
        self._copier = copier
        self._history = history
        self._clock = clock
        self._settings = settings
        self._supervisor = supervisor
        self._settled: dict[tuple[str, str], _Settled] = {}
        self._wake = asyncio.Event()
        bus.trigger(self._wake, BackupChanged, CronJobChanged, ActingChanged)

    def start(self) -> None:
        """Start planning; the first pass continues what a stop of the daemon interrupted."""
        self._supervisor.start("copy planner", self._plan_forever, death="restart")

    async def _plan_forever(self) -> None:
        await self._cronjobs.wait_until_one_synced()
        while True:
            self._wake.clear()
            began = self._clock.monotonic()
            try:
                await self.plan()
            except KronkeepError as fault:
                log.warning("planning copies: %s", fault)
            # A pass looks at every policy, and each change of a backup asks for one.
            await self._clock.sleep(RESTS * (self._clock.monotonic() - began))
            try:
                async with asyncio.timeout(TICK_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def plan(self) -> None:
        """Record the copies that are due, then start those that have not ended."""
        now = self._clock.now()
        present: set[tuple[str, str]] = set()
        async for cronjob in self._cronjobs.carriers_led_here():
            carrier = policy_annotations.carrier_of(cronjob)
            if carrier is None or not carrier.policy.enabled:
                continue
            for spec in carrier.policy.copies:
                present.add((cronjob.uid, spec.storage_id))
                await self._plan_copy(cronjob, carrier, spec, now)
                await asyncio.sleep(0)
        self._settled = {key: settled for key, settled in self._settled.items() if key in present}
        for copy in list(self._records.iterate_unfinished()):
            if copy.trigger == "manual" or self._cronjobs.leads.leads(copy.cluster):
                self.start_copy(copy)

    async def _plan_copy(
        self, cronjob: PolicySubject, carrier: PolicyCarrier, spec: PolicyCopy, now: datetime
    ) -> None:
        key = (cronjob.uid, spec.storage_id)
        versions = self._versions_of(cronjob, carrier)
        settled = self._settled.get(key)
        if settled is not None and settled.versions == versions and now < settled.until:
            return
        for due in self._choose_due(cronjob, carrier, spec, now):
            await self._record(due, spec.storage_id)
        until = now + LONGEST_REST
        slot = copy_rules.next_slot(spec, now, self._settings().controller_zone)
        if slot is not None:
            until = min(until, slot)
        self._settled[key] = _Settled(self._versions_of(cronjob, carrier), until)

    def _versions_of(self, cronjob: PolicySubject, carrier: PolicyCarrier) -> tuple[object, ...]:
        backups = self._history.backups.version_of(cronjob.uid)
        return carrier.policy, backups, self._records.version_of(cronjob.uid)

    def _choose_due(
        self, cronjob: PolicySubject, carrier: PolicyCarrier, spec: PolicyCopy, now: datetime
    ) -> list[DueCopy]:
        # Recorded only here, where this daemon acts: what a copy that was just added lacks is not late.
        first_seen = self._history.facts.first_seen(
            copy_seen_key(cronjob.uid, carrier.policy.id, spec.storage_id), now
        )
        return copy_rules.choose_due(
            spec,
            copy_rules.retention_of(spec, carrier.policy),
            self._backups.with_snapshot(carrier),
            copy_rules.by_backup(self._records.of_policy(carrier.policy, spec.storage_id)),
            now=now,
            slot=copy_rules.newest_slot(spec, now, self._settings().controller_zone),
            first_seen=first_seen,
        )

    async def _record(self, due: DueCopy, storage_id: str) -> BackupCopy:
        """Record that a backup is to be copied, once or again."""
        made = self._records.find(due.backup.id, storage_id)
        if made is not None:
            return await self._records.begin_again(made, due.trigger, due.due_at)
        copy = new_copy(due.backup, storage_id, due.trigger, self._clock.now(), due.due_at)
        await self._records.put(None, copy)
        return copy

    async def copy_now(self, backup_id: str, storage_id: str) -> BackupCopy:
        """Copy a backup to a storage now, whatever its policy says, or again where that failed.

        One that is there, or is being made, is returned as it is. Raises BackupNotFound, StorageNotFound,
        NamespaceNotServed, NotAllowedNow, StorageFailed.
        """
        backup = self._backups.get(backup_id)
        if backup.storage_id == storage_id:
            raise NotAllowedNow(
                f"The storage {storage_id} has the backup itself.", next_step="Name another storage."
            )
        self._copier.resolve(new_copy(backup, storage_id, "manual", self._clock.now()))
        made = self._records.find(backup_id, storage_id)
        if made is None or (made.status in ENDED_COPIES and not made.is_present):
            made = await self._record(DueCopy(backup, "manual"), storage_id)
        if made.status not in ENDED_COPIES:
            self.start_copy(made)
        return made

    def start_copy(self, copy: BackupCopy) -> None:
        """Start the task that makes a copy, unless it is running."""
        name = _copy_task(copy.id)
        if not self._supervisor.running(name):
            self._supervisor.start(name, partial(self._copier.run, copy.id), death="quiet")

    async def cancel(self, copy_id: str, user: str) -> BackupCopy:
        """Stop a copy that has not ended and delete its Job, for a user.

        Raises CopyNotFound, NotAllowedNow.
        """
        copy = self._records.get(copy_id)
        if copy.status in ENDED_COPIES:
            raise NotAllowedNow(
                f"The copy has ended already: {copy.status}.", next_step="Nothing is left to stop."
            )
        await self._supervisor.stop(_copy_task(copy_id))
        await self._copier.remove_job(self._records.get(copy_id))
        return await self._records.end(
            copy_id,
            CopyStatus.CANCELLED,
            reason=Reason.CANCELLED,
            message=f"The copy was cancelled by {user}.",
            next_step=f"Copy it when it is needed: kronkeep copy {copy.backup_id} --to {copy.storage_id}.",
        )


def _copy_task(copy_id: str) -> str:
    return f"copy {copy_id}"
