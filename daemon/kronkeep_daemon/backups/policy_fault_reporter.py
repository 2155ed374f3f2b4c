"""Says on the CronJob itself, as a Kubernetes Event, that its backup policy cannot be acted on.

One Event for each text of the annotation: its name is made from that, so that neither a restart nor a second
daemon says it twice; `kubectl describe cronjob` shows it.
"""

import asyncio
import logging

from kronkeep_common import object_keys
from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_common.text import clean
from kronkeep_daemon.backups import policy_annotations
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.events import Bus, CronJobChanged
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.errors import AlreadyExists
from kronkeep_daemon.kube.objects import CronJobObject
from kronkeep_daemon.repositories import job_names
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
AGAIN_SECONDS = 600.0


class PolicyFaults:
    """Reports the policies that cannot be read, on the clusters where this daemon acts."""

    def __init__(self, *, cronjobs: CronJobService, bus: Bus, clock: Clock, supervisor: Supervisor) -> None:
        self._cronjobs = cronjobs
        self._clock = clock
        self._supervisor = supervisor
        self._told: dict[str, str] = {}
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
            await self._look()
            try:
                async with asyncio.timeout(AGAIN_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _look(self) -> None:
        faulty: dict[str, str] = {}
        for cronjob in self._cronjobs.led_objects():
            found = policy_annotations.read(cronjob)
            if found.fault is None:
                continue
            text = job_names.short_hash(cronjob.uid, cronjob.annotations[object_keys.POLICY])
            if self._told.get(cronjob.uid) == text or await self._tell(cronjob, found.fault, text):
                faulty[cronjob.uid] = text
        self._told = faulty

    async def _tell(self, cronjob: CronJobObject, fault: str, text: str) -> bool:
        """Whether the Event is there."""
        now = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        about = {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "namespace": cronjob.namespace,
            "name": cronjob.name,
            "uid": cronjob.uid,
        }
        body = {
            "metadata": {"name": f"{cronjob.name[:200]}.{text}", "namespace": cronjob.namespace},
            "involvedObject": about,
            "reason": "InvalidBackupPolicy",
            "message": clean(fault, 1000),
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
            log.warning("the fault of %s could not be told: %s", cronjob.ref, refusal)
            return False
        return True
