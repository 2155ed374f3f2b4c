"""The reporter of policies that nothing can be done with, by a Kubernetes Event (`kubectl describe cronjob`).

There is one Event for each fault of each text of the annotation, and one a minute at most for a CronJob whose
annotation changes all the time. Its name is derived from fault and text, so that neither a restart nor a
second daemon creates it twice.
"""

import asyncio
import logging
from typing import NamedTuple

from kronkeep_common import archive_contents, object_keys
from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean
from kronkeep_daemon.backups import policy_annotations
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.cronjobs.pod_volumes import mounted_volumes
from kronkeep_daemon.events import Bus, CronJobChanged
from kronkeep_daemon.history.record_ids import derive_id
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.errors import AlreadyExists
from kronkeep_daemon.kube.objects import CronJobObject
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
RETRY_SECONDS = 600.0
PAUSE_SECONDS = 60.0  # between two Events on one CronJob


class PolicyFault(NamedTuple):
    """What is wrong with a policy: the reason of the Event, and its message."""

    reason: str
    message: str


def find_fault(cronjob: CronJobObject) -> PolicyFault | None:
    """Return why the CronJob's policy cannot be read, or why a policy in force has nothing to archive."""
    parsed = policy_annotations.read_policy(cronjob)
    if parsed.fault is not None:
        return PolicyFault("InvalidBackupPolicy", parsed.fault)
    if parsed.policy is None or not parsed.policy.enabled:
        return None
    nothing = archive_contents.explain_nothing(parsed.policy, mounted_volumes(cronjob))
    return PolicyFault(Reason.NOTHING_TO_ARCHIVE, nothing) if nothing is not None else None


class _Report(NamedTuple):
    """What was last reported of a CronJob: a hash of fault and text, and when, in monotonic time."""

    text_hash: str
    at: float


class PolicyFaultReporter:
    """Reporter of the faults of policies, on the clusters where this daemon acts.

    `_reported` has what was reported by the uid of its CronJob.
    """

    def __init__(self, *, cronjobs: CronJobService, bus: Bus, clock: Clock, supervisor: Supervisor) -> None:
        self._cronjobs = cronjobs
        self._clock = clock
        self._supervisor = supervisor
        self._reported: dict[str, _Report] = {}
        self._wake = asyncio.Event()
        bus.trigger(self._wake, CronJobChanged)

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
        for cronjob in self._cronjobs.cronjobs_led_here():
            now = self._clock.monotonic()
            last = self._reported.get(cronjob.uid)
            fault = find_fault(cronjob)
            text_hash = _hash_of(cronjob, fault) if fault is not None else ""
            if last is not None and (now - last.at < PAUSE_SECONDS or last.text_hash == text_hash):
                reported[cronjob.uid] = last
                is_complete = is_complete and (fault is None or last.text_hash == text_hash)
            elif fault is not None and await self._create_event(cronjob, fault, text_hash):
                reported[cronjob.uid] = _Report(text_hash, now)
        self._reported = reported
        return is_complete

    async def _create_event(self, cronjob: CronJobObject, fault: PolicyFault, text_hash: str) -> bool:
        """Create the Event; return whether it exists now."""
        now = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        cronjob_reference = {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "namespace": cronjob.namespace,
            "name": cronjob.name,
            "uid": cronjob.uid,
        }
        body = {
            "metadata": {"name": f"{cronjob.name[:200]}.{text_hash}", "namespace": cronjob.namespace},
            "involvedObject": cronjob_reference,
            "reason": str(fault.reason),
            "message": clean(fault.message, 1000),
            "source": {"component": "kronkeep"},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": "Warning",
        }
        try:
            await self._cronjobs.clusters.of(cronjob.cluster).create(paths.events(cronjob.namespace), body)
        except AlreadyExists:
            return True
        except KronkeepError as refusal:
            log.warning("the Event about the policy of %s could not be created: %s", cronjob.ref, refusal)
            return False
        return True


def _hash_of(cronjob: CronJobObject, fault: PolicyFault) -> str:
    """Return what tells the Event of this fault of this text from others on the CronJob."""
    text = cronjob.annotations[object_keys.POLICY]
    return derive_id("policy fault", cronjob.uid, text, fault.message)
