"""Restores as people ask for them: planned, begun once, gone on with after a restart, cancelled."""

import asyncio
import logging
import uuid
from datetime import timedelta

from kronkeep_common.clock import Clock
from kronkeep_common.errors import (
    ConfirmationMissing,
    KronkeepError,
    NotAllowedNow,
    StillReading,
    VerificationFailed,
)
from kronkeep_common.models import BackupExecution, Restore, RestorePlan, RestoreRequest
from kronkeep_common.states import BackupStatus, RestoreStatus
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.events import Bus, RestoreChanged
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.objects import CronJobRef
from kronkeep_daemon.restores.checksum_jobs import ChecksumJobs
from kronkeep_daemon.restores.drills import Drills
from kronkeep_daemon.restores.file_download import FileDownloads
from kronkeep_daemon.restores.restore_plan import ResolvedRequest, RestorePlanner
from kronkeep_daemon.restores.restore_records import RestoreRecords, of_backup
from kronkeep_daemon.restores.restore_runner import RestoreRunner
from kronkeep_daemon.restores.snapshot_listing import PATIENCE, SnapshotListings
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
TICK_SECONDS = 15.0
LONGEST_PLAN = 25.0  # clients wait 30 s for an answer


class RestoreService:
    """Restores of backups, each on its target's cluster."""

    def __init__(
        self,
        *,
        cronjobs: CronJobService,
        history: History,
        records: RestoreRecords,
        snapshots: SnapshotListings,
        planner: RestorePlanner,
        restorer: RestoreRunner,
        drills: Drills,
        checksum_jobs: ChecksumJobs,
        downloads: FileDownloads,
        bus: Bus,
        clock: Clock,
        supervisor: Supervisor,
    ) -> None:
        self._cronjobs = cronjobs
        self._history = history
        self.records = records
        self.snapshots = snapshots
        self.planner = planner
        self._restorer = restorer
        self._drills = drills
        self._checksum_jobs = checksum_jobs
        self.downloads = downloads
        self._clock = clock
        self._supervisor = supervisor
        self._ended: dict[str, asyncio.Event] = {}
        bus.subscribe(RestoreChanged, self._heard)

    def start(self) -> None:
        """Goes on with what a stop of the daemon cut off, and looks again every 15 s."""
        self._supervisor.start("restores", self._look_forever, death="restart")

    async def _look_forever(self) -> None:
        await self._cronjobs.wait_until_one_synced()
        while True:
            try:
                await self._drills.due()
            except KronkeepError as fault:
                log.warning("drills: %s", fault)
            for restore in self.records.under_way():
                self.begin(restore)
            for backup in self._history.backups.newest(limit=50).items:
                self._checksum_jobs.consider(backup)
            await self._clock.sleep(TICK_SECONDS)

    def _heard(self, change: RestoreChanged) -> None:
        if change.new.ended_at is not None and change.new.id in self._ended:
            self._ended[change.new.id].set()

    async def drill(self, ref: CronJobRef, *, key: str | None = None) -> Restore:
        """Begins a drill now; raises CronJobNotFound, PolicyNotFound."""
        restore = await self._drills.now(ref, key)
        self.begin(restore)
        return restore

    async def verify(self, backup_id: str) -> Restore:
        """Restores one backup to scratch, compares it, and answers when that has ended.

        Raises NotAllowedNow without a snapshot, VerificationFailed with the reason.
        """
        restore = await self._drills.verify(self.snapshots.restorable(backup_id))
        self._ended[restore.id] = asyncio.Event()
        self.begin(restore)
        try:
            await self._ended[restore.id].wait()
        finally:
            del self._ended[restore.id]
        restore = self.records.get(restore.id)
        if restore.status is RestoreStatus.FAILED:
            raise VerificationFailed(
                restore.message or "It failed.", next_step=restore.next_step, reason=restore.reason
            )
        return restore

    def begin(self, restore: Restore) -> None:
        """Runs a restore's task, where it does not run already."""
        name = f"restore {restore.id}"
        if not self._supervisor.running(name):
            self._supervisor.start(name, lambda: self._restorer.run(restore.id), death="quiet")

    async def plan(self, backup_id: str, request: RestoreRequest) -> RestorePlan:
        """What a restore would do; raises what cannot be carried out at all, and StillReading."""
        try:
            async with asyncio.timeout(LONGEST_PLAN):
                return await self.planner.plan(backup_id, request, PATIENCE)
        except TimeoutError as slow:
            raise StillReading("The target is being looked at.") from slow

    async def restore(self, backup_id: str, request: RestoreRequest, *, key: str | None = None) -> Restore:
        """Begins a restore; raises ConfirmationMissing, NotAllowedNow, StillReading and what a plan raises.

        The same `key` is the same restore.
        """
        wanted = await self.planner.wanted(backup_id, request, PATIENCE)
        if wanted.target.kind == "in-place":
            self._confirmed(wanted.backup, request)
        restore = self._new(wanted, request, key[:12] if key else uuid.uuid4().hex[:12])
        self._alone_there(restore)
        restore = await self.records.add(restore)
        self.begin(restore)
        return restore

    def _confirmed(self, backup: BackupExecution, request: RestoreRequest) -> None:
        """In place needs its confirmations; raises ConfirmationMissing, NotAllowedNow."""
        if request.confirm != backup.cronjob:
            words = f"In place needs the CronJob's name as confirmation: {backup.cronjob}."
            raise ConfirmationMissing(words, field="confirm")
        if not request.overwrite:
            words = "Restoring in place overwrites what is there: that needs overwrite."
            raise ConfirmationMissing(words, field="overwrite")
        if self.planner.going(backup):
            words = "A run of the CronJob is going on."
            raise NotAllowedNow(words, next_step="Wait for its end, or cancel it.")

    def _new(self, wanted: ResolvedRequest, request: RestoreRequest, restore_id: str) -> Restore:
        backup = wanted.backup
        now = self._clock.now()
        return of_backup(
            backup,
            restore_id,
            now,
            include=wanted.include,
            target=wanted.target,
            overwrite=request.overwrite,
            suspend=request.suspend,
            deadline_at=now + timedelta(seconds=request.deadline_seconds),
            warnings=("The backup is partial.",) if backup.status is BackupStatus.PARTIAL else (),
        )

    def _alone_there(self, restore: Restore) -> None:
        """Two restores at once into one place would mix; raises NotAllowedNow."""
        for other in self.records.under_way():
            if other.id != restore.id and other.ended_at is None and _place(other) == _place(restore):
                words = f"The restore {other.id} goes to the same place and has not ended."
                raise NotAllowedNow(words, next_step="Wait for its end, or cancel it.")

    async def cancel(self, restore_id: str) -> Restore:
        """Stops a restore that has not ended; its Job is deleted. Raises RestoreNotFound, NotAllowedNow."""
        restore = self.records.get(restore_id)
        if restore.ended_at is not None:
            raise NotAllowedNow(f"The restore has ended already: {restore.status}.")
        await self._supervisor.stop(f"restore {restore.id}")
        await self._restorer.cancel(restore_id)
        return self.records.get(restore_id)


def _place(restore: Restore) -> tuple[str | None, ...]:
    """What tells two targets apart: the claim, or the CronJob in whose claims it is; a drill has its own."""
    target = restore.target
    if target is None:
        return (restore.id,)
    if target.kind == "in-place":
        return (restore.cronjob_id,)
    return target.cluster or restore.cluster, target.namespace or restore.namespace, target.claim
