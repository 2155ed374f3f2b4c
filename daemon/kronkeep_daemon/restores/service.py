"""The service of restores: planned, started, continued after a restart of the daemon, cancelled."""

import asyncio
import logging
from datetime import timedelta
from functools import partial
from typing import Literal, NamedTuple

from kronkeep_common import subject_names
from kronkeep_common.clock import Clock
from kronkeep_common.errors import (
    ConfirmationMissing,
    InvalidRequest,
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
from kronkeep_daemon.history.record_ids import derive_id, new_id
from kronkeep_daemon.kube.objects import CronJobRef
from kronkeep_daemon.restores.backup_places import BackupInCopy
from kronkeep_daemon.restores.checksum_jobs import ChecksumJobs
from kronkeep_daemon.restores.drills import Drills
from kronkeep_daemon.restores.restore_plan import ResolvedRequest, RestorePlanner
from kronkeep_daemon.restores.restore_records import (
    RestoreRecords,
    cluster_id_of,
    namespace_of,
    new_restore,
)
from kronkeep_daemon.restores.restore_runner import RestoreRunner
from kronkeep_daemon.restores.snapshot_listing import WAIT_SECONDS, SnapshotListings
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
ROUND_SECONDS = 15.0
LONGEST_PLAN = 25.0  # seconds; clients wait 30 s for an answer
RECENT_BACKUPS = 50


class RestoreService:
    """The restores, drills and verifications of backups, each in its target's cluster."""

    def __init__(
        self,
        *,
        cronjobs: CronJobService,
        history: History,
        records: RestoreRecords,
        snapshots: SnapshotListings,
        planner: RestorePlanner,
        restore_runner: RestoreRunner,
        drills: Drills,
        checksum_jobs: ChecksumJobs,
        bus: Bus,
        clock: Clock,
        supervisor: Supervisor,
    ) -> None:
        self._cronjobs = cronjobs
        self._history = history
        self._records = records
        self._snapshots = snapshots
        self._planner = planner
        self._restore_runner = restore_runner
        self._drills = drills
        self._checksum_jobs = checksum_jobs
        self._clock = clock
        self._supervisor = supervisor
        self._ended: dict[str, asyncio.Event] = {}
        self._being_cancelled: set[str] = set()
        self._cleaned_places: dict[str, frozenset[RestorePlace]] = {}  # by the cancelled restore's id
        bus.subscribe(RestoreChanged, self._on_restore_changed)

    def start(self) -> None:
        """Continue what a stop of the daemon interrupted, and look for work every 15 s."""
        self._supervisor.start("restores", self._run_forever, death="restart")

    async def _run_forever(self) -> None:
        await self._cronjobs.wait_until_one_synced()
        while True:
            try:
                await self._drills.record_due()
            except KronkeepError as fault:
                log.warning("drills: %s", fault)
            for restore in self._records.active_restores():
                self.start_restore(restore)
            for backup in self._history.backups.newest(limit=RECENT_BACKUPS).items:
                self._checksum_jobs.start_if_due(backup)
            await self._clock.sleep(ROUND_SECONDS)

    def _on_restore_changed(self, change: RestoreChanged) -> None:
        if change.new.ended_at is not None and change.new.id in self._ended:
            self._ended[change.new.id].set()

    async def drill(
        self, ref: CronJobRef, from_copy: str | None = None, *, key: str | None = None
    ) -> Restore:
        """Start a drill of a CronJob's policy; raise CronJobNotFound, PolicyNotFound, CopyNotFound.

        from_copy: the storage of the policy's copy that is drilled; without it, the policy's own.
        key: the same key is the same drill.
        """
        restore = await self._drills.record_now(ref, from_copy, key)
        self.start_restore(restore)
        return restore

    async def verify(self, backup_id: str, from_copy: str | None = None) -> Restore:
        """Restore a backup to scratch space, compare it, and return when that has ended.

        from_copy: the storage of the copy that is verified; without it, the backup's own.

        Raises NotAllowedNow without a snapshot, VerificationFailed with the reason.
        """
        restore = await self._drills.record_verification(self.require_place(backup_id, from_copy))
        self._ended[restore.id] = asyncio.Event()
        self.start_restore(restore)
        try:
            await self._ended[restore.id].wait()
        finally:
            del self._ended[restore.id]
        restore = self._records.get(restore.id)
        if restore.status is RestoreStatus.FAILED:
            raise VerificationFailed(
                restore.message or "It failed.", next_step=restore.next_step, reason=restore.reason
            )
        return restore

    def require_place(self, backup_id: str, from_copy: str | None) -> BackupExecution:
        """Return a backup as it is in a copy, or in its own storage; raise as `verify` does."""
        own = self._history.backups.get(backup_id)
        place = from_copy or (own.storage_id if own is not None else None)
        return self._snapshots.require_restorable(backup_id, place)

    def start_restore(self, restore: Restore) -> None:
        """Start the task of a restore, unless it runs already or is being cancelled."""
        name = f"restore {restore.id}"
        if restore.id not in self._being_cancelled and not self._supervisor.running(name):
            self._supervisor.start(name, partial(self._restore_runner.run, restore.id), death="quiet")

    async def plan(self, backup_id: str, request: RestoreRequest) -> RestorePlan:
        """Return what a restore would do; raise StillReading, and why it cannot be carried out at all."""
        try:
            async with asyncio.timeout(LONGEST_PLAN):
                return await self._planner.plan(backup_id, request, WAIT_SECONDS)
        except TimeoutError as slow:
            raise StillReading("The target is being listed.") from slow

    async def restore(self, backup_id: str, request: RestoreRequest, *, key: str | None = None) -> Restore:
        """Start a restore; raise ConfirmationMissing, NotAllowedNow, and what `plan` raises.

        key: the same key is the same restore.
        """
        resolved = await self._planner.resolve(backup_id, request, WAIT_SECONDS)
        if resolved.is_in_place:
            self._require_confirmation(resolved.backup, request)
        restore_id = derive_id("restore request", key) if key else new_id()
        if resolved.target.kind == "new-claim" and not self._records.has(restore_id):
            await self._planner.check_new_claim(resolved)
        restore = self._new_restore(resolved, request, restore_id)
        self._require_free_target(restore)
        restore = await self._records.add(restore)
        self.start_restore(restore)
        return restore

    def _require_confirmation(self, backup: BackupExecution, request: RestoreRequest) -> None:
        """Raise ConfirmationMissing or NotAllowedNow for a restore in place that may not be started."""
        if request.confirm != backup.cronjob:
            raise ConfirmationMissing(
                f"In place needs the name as confirmation: {backup.cronjob}.", field="confirm"
            )
        if request.suspend and subject_names.claim_of(backup.cronjob) is not None:
            raise InvalidRequest(
                "A claim has no runs to suspend.",
                next_step="Scale down what uses the claim, and leave suspend out.",
                field="suspend",
            )
        if not request.overwrite:
            raise ConfirmationMissing(
                "Restoring in place overwrites what is there: that needs overwrite.", field="overwrite"
            )
        if self._planner.has_active_run(backup):
            raise NotAllowedNow(
                "A run of the CronJob has not ended.", next_step="Wait for its end, or cancel it."
            )

    def _new_restore(self, resolved: ResolvedRequest, request: RestoreRequest, restore_id: str) -> Restore:
        now = self._clock.now()
        warnings = ["The backup is partial."] if resolved.backup.status is BackupStatus.PARTIAL else []
        if isinstance(resolved.backup, BackupInCopy) and request.from_copy is None:
            place = resolved.backup
            warnings.append(f"The storage {place.first_storage_id} is away: {place.storage_id} is read.")
        return new_restore(
            resolved.backup,
            restore_id,
            now,
            include=resolved.include,
            target=resolved.target,
            claims=tuple(dict.fromkeys(mount.claim for mount in resolved.mounts)),
            overwrite=request.overwrite,
            suspend=request.suspend,
            from_copy=request.from_copy,
            deadline_at=now + timedelta(seconds=request.deadline_seconds),
            newer_backup_id=resolved.newer.id if resolved.newer is not None else None,
            newer_snapshot_at=resolved.newer.created_at if resolved.newer is not None else None,
            warnings=tuple(warnings),
        )

    def _require_free_target(self, restore: Restore) -> None:
        """Raise NotAllowedNow while another restore writes to the same place: their files would mix."""
        places = _places_of(restore)
        for other in self._records.active_restores():
            if other.id != restore.id and other.ended_at is None and places & _places_of(other):
                raise NotAllowedNow(
                    f"The restore {other.id} has the same target and has not ended.",
                    next_step="Wait for its end, or cancel it.",
                )
        if any(places & cleaned for cleaned in self._cleaned_places.values()):
            raise NotAllowedNow(
                "The target is being cleaned after a restore that was cancelled.",
                next_step="Try again in a minute.",
            )

    async def cancel(self, restore_id: str, user: str) -> Restore:
        """Stop a restore and delete its Job, for a user; raise RestoreNotFound, NotAllowedNow."""
        restore = self._records.get(restore_id)
        if restore.ended_at is not None:
            raise NotAllowedNow(
                f"The restore has ended already: {restore.status}.", next_step="Nothing is left to stop."
            )
        if restore_id in self._being_cancelled:
            raise NotAllowedNow("The restore is being cancelled.", next_step="Nothing is left to stop.")
        self._being_cancelled.add(restore_id)
        try:
            await self._supervisor.stop(f"restore {restore.id}")
            await self._restore_runner.cancel(restore_id, user)
        finally:
            self._being_cancelled.remove(restore_id)
        self._cleaned_places[restore.id] = _places_of(restore)
        name = f"cleaning after restore {restore_id}"
        self._supervisor.start(name, partial(self._clean_target, restore), death="quiet")
        return self._records.get(restore_id)

    async def _clean_target(self, restore: Restore) -> None:
        """Clean the target of a cancelled restore, which no other restore gets meanwhile."""
        try:
            await self._restore_runner.clean_target(restore.id)
        finally:
            del self._cleaned_places[restore.id]


class RestorePlace(NamedTuple):
    """What one restore has at a time: a claim, or in place the CronJob, by its name."""

    namespace: tuple[str, str]  # of the cluster with that id
    kind: Literal["claim", "cronjob"]
    name: str


def _places_of(restore: Restore) -> frozenset[RestorePlace]:
    """Return what no other restore may have meanwhile.

    Drills and verifications have scratch space of their own.
    """
    target = restore.target
    if target is None:
        return frozenset()
    namespace = (cluster_id_of(restore), namespace_of(restore))
    claims = restore.claims or tuple(filter(None, [target.claim]))
    places = [RestorePlace(namespace, "claim", claim) for claim in claims]
    if target.kind == "in-place":
        places.append(RestorePlace(namespace, "cronjob", restore.cronjob))
    return frozenset(places)
