"""The reporter of policies that nothing can be done with, by a Kubernetes Event (`kubectl describe cronjob`).

There is one Event for each CronJob and kind of fault, whose count goes up with each other text of the
annotation or fault, every fifteen seconds at most: a person who mends an annotation waits for the answer.
Its name is derived from CronJob and kind, and it has a hash of what was reported, so that neither a restart
nor a second daemon counts anything twice.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from kronkeep_common import archive_contents, object_keys
from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import BackupPolicy
from kronkeep_common.reasons import Reason
from kronkeep_daemon.backups import policy_annotations
from kronkeep_daemon.backups.cronjob_events import CronJobEvent, write_event
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.cronjobs.pod_volumes import list_mounted_volumes
from kronkeep_daemon.events import Bus, ClaimChanged, CronJobChanged, StorageChanged
from kronkeep_daemon.history.record_ids import derive_id
from kronkeep_daemon.kube.objects import CronJobObject
from kronkeep_daemon.kube.subjects import PolicySubject
from kronkeep_daemon.storages.service import StorageService
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
RETRY_SECONDS = 600.0
PAUSE_SECONDS = 15.0  # between two reports on one CronJob


class PolicyFault(NamedTuple):
    """What is wrong with a policy: the reason of the Event, its message, and what tells it from others.

    The message may name times of today; `identity` is then what does not change with the day.
    """

    reason: str
    message: str
    identity: str = ""


FindConflict = Callable[[PolicySubject, BackupPolicy], Awaitable[str | None]]


def find_fault(cronjob: PolicySubject, storages: StorageService) -> PolicyFault | None:
    """Return why the CronJob's policy cannot be read, or why a policy in force has nothing to archive, or may
    not use its storage.
    """
    parsed = policy_annotations.read_policy(cronjob)
    if parsed.fault is not None:
        return PolicyFault("InvalidBackupPolicy", parsed.fault)
    if parsed.policy is None or not parsed.policy.enabled:
        return None
    nothing = archive_contents.explain_nothing(parsed.policy, list_mounted_volumes(cronjob))
    if nothing is not None:
        return PolicyFault(Reason.NOTHING_TO_ARCHIVE, nothing)
    refusal = storages.find_refusal(parsed.policy.storage_id, cronjob.cluster, cronjob.namespace)
    return PolicyFault(AlertCode.STORAGE_NOT_USABLE, refusal.sentence) if refusal is not None else None


class _Report(NamedTuple):
    """What was last reported of a CronJob: a hash of fault and text, and when, in monotonic time."""

    text_hash: str
    at: float


class PolicyFaultReporter:
    """Reporter of the faults of policies, on the clusters where this daemon acts.

    `_reported` has what was reported by the uid of its CronJob.
    """

    def __init__(
        self,
        *,
        cronjobs: CronJobService,
        storages: StorageService,
        find_conflict: FindConflict,
        bus: Bus,
        clock: Clock,
        supervisor: Supervisor,
    ) -> None:
        self._find_conflict = find_conflict
        self._cronjobs = cronjobs
        self._storages = storages
        self._clock = clock
        self._supervisor = supervisor
        self._reported: dict[str, _Report] = {}
        self._wake = asyncio.Event()
        bus.trigger(self._wake, CronJobChanged, ClaimChanged)
        bus.trigger(self._wake, StorageChanged)

    def start(self) -> None:
        """Start reporting after every change of a CronJob."""
        self._supervisor.start("policy faults", self._report_forever, death="restart")

    async def _report_forever(self) -> None:
        await self._cronjobs.wait_until_one_synced()
        while True:
            await self._cronjobs.leads.wait_until_leading()
            self._wake.clear()
            is_complete = await self.report_faults()
            try:
                async with asyncio.timeout(RETRY_SECONDS if is_complete else PAUSE_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def report_faults(self) -> bool:
        """Create the Events of faults that have none yet; the next pass tries again what failed.

        Return whether none is left for later because its CronJob had one within PAUSE_SECONDS.
        """
        reported: dict[str, _Report] = {}
        is_complete = True
        async for cronjob in self._cronjobs.carriers_led_here():
            now = self._clock.monotonic()
            last = self._reported.get(cronjob.uid)
            fault = find_fault(cronjob, self._storages) or await self._find_schedule_fault(cronjob)
            text_hash = _hash_of(cronjob, fault) if fault is not None else ""
            if last is not None and (now - last.at < PAUSE_SECONDS or last.text_hash == text_hash):
                reported[cronjob.uid] = last
                is_complete = is_complete and (fault is None or last.text_hash == text_hash)
            elif fault is not None and await self._create_event(cronjob, fault, text_hash):
                reported[cronjob.uid] = _Report(text_hash, now)
        self._reported = reported
        return is_complete

    async def _find_schedule_fault(self, cronjob: PolicySubject) -> PolicyFault | None:
        """Return how a policy's schedule no longer fits the CronJob's, as after a change by kubectl."""
        policy = policy_annotations.read_policy(cronjob).policy
        conflict = await self._find_conflict(cronjob, policy) if policy and policy.enabled else None
        if conflict is None:
            return None
        own = str(cronjob.spec.schedule) if isinstance(cronjob, CronJobObject) else ""
        code = conflict.partition(":")[0]
        message = (
            f"The backup's schedule no longer fits the CronJob's. {conflict} Shift the backup's schedule, or "
            "let it follow each run."
        )
        return PolicyFault(AlertCode.SCHEDULE_CONFLICT, message, identity=f"{code} {own}")

    async def _create_event(self, cronjob: PolicySubject, fault: PolicyFault, text_hash: str) -> bool:
        """Create the Event, or count the report on the one of its name; return whether that worked."""
        event = CronJobEvent(
            ref=cronjob.ref,
            uid=cronjob.uid,
            kind="policy fault",
            reason=str(fault.reason),
            message=fault.message,
            type="Warning",
            report=text_hash,
            at=self._clock.now(),
        )
        try:
            await write_event(self._cronjobs.clusters.of(cronjob.cluster), event)
        except KronkeepError as refusal:
            log.warning("the Event about the policy of %s could not be written: %s", cronjob.ref, refusal)
            return False
        return True


def _hash_of(cronjob: PolicySubject, fault: PolicyFault) -> str:
    """Return what tells the report of this fault of this text from others on the CronJob."""
    text = cronjob.annotations[object_keys.POLICY]
    return derive_id("policy fault", cronjob.uid, text, fault.identity or fault.message)
