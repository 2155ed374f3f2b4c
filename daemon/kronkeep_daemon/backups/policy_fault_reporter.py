"""The reporter of policies that nothing can be done with, by a Kubernetes Event (`kubectl describe cronjob`).

There is one Event for each fault of each text of the annotation. Its name is derived from both, so that
neither a restart nor a second daemon creates it twice.
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


class PolicyFaultReporter:
    """Reporter of the faults of policies, on the clusters where this daemon acts.

    `_reported` has the hash of what was reported by the uid of its CronJob.
    """

    def __init__(self, *, cronjobs: CronJobService, bus: Bus, clock: Clock, supervisor: Supervisor) -> None:
        self._cronjobs = cronjobs
        self._clock = clock
        self._supervisor = supervisor
        self._reported: dict[str, str] = {}
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
            await self.report_faults()
            try:
                async with asyncio.timeout(RETRY_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def report_faults(self) -> None:
        """Create the Events of faults that have none yet; the next pass tries again what failed."""
        reported: dict[str, str] = {}
        for cronjob in self._cronjobs.cronjobs_led_here():
            fault = find_fault(cronjob)
            if fault is None:
                continue
            text = cronjob.annotations[object_keys.POLICY]
            text_hash = derive_id("policy fault", cronjob.uid, text, fault.message)
            is_reported = self._reported.get(cronjob.uid) == text_hash
            if is_reported or await self._create_event(cronjob, fault, text_hash):
                reported[cronjob.uid] = text_hash
        self._reported = reported

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
