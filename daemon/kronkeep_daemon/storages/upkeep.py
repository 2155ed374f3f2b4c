"""What is done with active storages from time to time or when asked: connect, measure, check, tidy up."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError, StorageFailed
from kronkeep_common.models import BackupStorage, StorageUsage
from kronkeep_common.reasons import Reason
from kronkeep_common.states import StorageStatus
from kronkeep_daemon import storage_kinds
from kronkeep_daemon.events import BackupChanged, Bus
from kronkeep_daemon.history import History, Records
from kronkeep_daemon.jobs.outcome import ContainerResult, FinishedJob
from kronkeep_daemon.kube.lease import Leaderships
from kronkeep_daemon.repositories.maintenance import RepositoryMaintenance
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_creation import opening_steps
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs, Steps, known_keys
from kronkeep_daemon.restic import check, output, stats
from kronkeep_daemon.settings import Settings, StorageSettings
from kronkeep_daemon.storage_kinds.access import MOUNT
from kronkeep_daemon.storages import usage_growth
from kronkeep_daemon.storages.provisioner import StorageProvisioner
from kronkeep_daemon.storages.service import StorageService
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
LOOK_SECONDS = 30.0
QUIET = timedelta(seconds=60)  # a burst of backups is measured once, when it is over
AGAIN = timedelta(minutes=15)  # between two measures after changes, and after one that failed
AT_ONCE = 2  # works on storages that nobody asked for
SECONDS = {"test": 180.0, "usage": 3600.0, "check": 86400.0}
_STATS: Steps = [("stats", stats.argv())]


class UsageRecord(StorageUsage, frozen=True, kw_only=True):
    """A kept figure of a storage; `created_at` is `measured_at`, by which pages are sorted."""

    id: str
    storage_id: str
    created_at: datetime


class StorageUpkeep:
    """Looks after the storages of the clusters on which this daemon acts."""

    def __init__(
        self,
        *,
        storages: StorageService,
        index: RepositoryIndex,
        jobs: RepositoryJobs,
        maintenance: RepositoryMaintenance,
        provisioner: StorageProvisioner,
        history: History,
        bus: Bus,
        clock: Clock,
        settings: Callable[[], Settings],
        supervisor: Supervisor,
        leads: Leaderships,
    ) -> None:
        self._storages = storages
        self._leads = leads
        self._index = index
        self._jobs = jobs
        self._maintenance = maintenance
        self._provisioner = provisioner
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._history = history
        self._figures: Records[UsageRecord] = Records(history.table("usages"), UsageRecord)
        self._clock = clock
        self._settings = settings
        self._supervisor = supervisor
        self._changed: dict[str, datetime] = {}
        self._tried: dict[str, datetime] = {}
        bus.subscribe(BackupChanged, self._heard)

    def start(self) -> None:
        """Begins to look after the storages."""
        self._supervisor.start("storages' upkeep", self._forever, death="restart")

    def _heard(self, change: BackupChanged) -> None:
        """Notes that a backup added to its storage, or retention took from it."""
        had = change.old.snapshot_removed_at if change.old else None
        added = change.new.result is not None and (change.old is None or change.old.result is None)
        if added or change.new.snapshot_removed_at != had:
            self._changed[change.new.storage_id] = self._clock.now()

    async def _forever(self) -> None:
        while True:
            await self._leads.acting()
            try:
                await self._jobs.sweep()
            except KronkeepError as fault:
                log.warning("copies of credentials are swept later: %s", fault)
            for storage in self._storages.list():
                if self._leads.leads(storage.cluster):
                    self._look(storage)
            await self._clock.sleep(LOOK_SECONDS)

    def _look(self, storage: BackupStorage) -> None:
        now = self._clock.now()
        name = f"upkeep of {storage.id}"
        changed = self._changed.get(storage.id)
        tried = self._tried.get(storage.id)
        if (tried is not None and now - tried < AGAIN) or self._supervisor.running(name):
            return
        what = due(storage, changed, now, self._settings().storages)
        if what is None:
            return
        self._tried[storage.id] = now

        async def once() -> None:
            await self._try(what, storage.id)

        self._supervisor.start(name, once, death="quiet")

    async def _try(self, what: str, name: str) -> None:
        try:
            async with self._slots:
                await (self.check(name) if what == "check" else self.measure(name))
        except KronkeepError as fault:
            log.warning("%s of storage %s: %s", what, name, fault)

    async def test(self, name: str) -> BackupStorage:
        """Opens the repository from a Job, with what its Secret holds now; raises StorageFailed."""
        storage = self._storages.active(name)
        found = known_keys(storage.kind, await self._jobs.credentials(storage))
        if found != storage.credential_keys:
            storage = await self._storages.put(
                storage, msgspec.structs.replace(storage, credential_keys=found)
            )
        await self._asked(storage)
        await self._done("test", opening_steps(Repository(storage=storage)), Repository(storage=storage))
        return self._storages.get(name)

    async def check(self, name: str) -> BackupStorage:
        """Runs `restic check` on each repository's structure; raises StorageFailed for what it finds."""
        storage = self._storages.active(name)
        try:
            for repository in self._index.repositories_of(storage):
                await self._done("check", [("check", check.argv())], repository)
        except StorageFailed as fault:
            if not _inconclusive(fault):
                await self._update(name, checked_at=self._clock.now(), check_ok=False)
            raise
        data = self._storages.get(name).data_check
        whole = data is None or data.ok  # the structure may be whole and the data not
        return await self._update(name, checked_at=self._clock.now(), check_ok=whole)

    async def measure(self, name: str) -> BackupStorage:
        """Measures what the repository takes and what is left; raises StorageFailed.

        On a volume that is what its files take (du) and the file system's own figures, elsewhere what
        `restic stats --mode raw-data` counts, of the storage's own repository and those of policies below it,
        and what the server tells.
        """
        storage = self._storages.active(name)
        began = self._clock.monotonic()
        changed = self._changed.get(name)
        space = await self._asked(storage)
        own, *below = self._index.repositories_of(storage)
        ended = [await self._done("usage", _steps(storage), own)]
        ended += [await self._done("usage", _STATS, repository) for repository in below]
        usage = _usage(ended, space, self._clock.now(), self._clock.monotonic() - began)
        storage = self._storages.get(name)
        usage = usage_growth.with_limit(usage, storage.capacity_bytes)
        usage = usage_growth.with_growth(usage, self.figures(name))
        self._keep(storage, usage)
        if self._changed.get(name) == changed:
            self._changed.pop(name, None)
        return await self._update(name, usage=usage)

    def figures(self, name: str) -> list[StorageUsage]:
        """The kept figures of a storage, newest first; raises StorageNotFound."""
        self._storages.get(name)
        return list(self._figures.newest(limit=1000, storage_id=name).items)

    def _keep(self, storage: BackupStorage, usage: StorageUsage) -> None:
        """Adds a figure and drops those that are too close together for their age."""
        old: Sequence[UsageRecord] = self._figures.newest(limit=1000, storage_id=storage.id).items
        staying = {point.measured_at for point in usage_growth.kept([*old, usage], usage.measured_at)}
        for figure in old:
            if figure.measured_at not in staying:
                self._figures.remove(figure.id)
        stamp = usage.measured_at.isoformat()
        fields = {field: getattr(usage, field) for field in StorageUsage.__struct_fields__}
        self._figures.put(
            UsageRecord(
                id=f"{storage.id}/{stamp}", storage_id=storage.id, created_at=usage.measured_at, **fields
            )
        )

    async def _asked(self, storage: BackupStorage) -> storage_kinds.StorageSpace | None:
        try:
            return await self._provisioner.fetch_space(storage)
        except StorageFailed as fault:
            await self._failed(storage.id, fault)
            raise

    async def _done(self, what: str, steps: Steps, repository: Repository) -> FinishedJob:
        """A Job on the repository that succeeded; how it ended is on the storage's record."""
        storage = repository.storage
        try:
            ended = await self._maintenance.run_exclusively(what, steps, repository, SECONDS[what])
        except StorageFailed as fault:
            await self._failed(storage.id, fault)
            raise
        await self._update(
            storage.id, reached_at=self._clock.now(), reason=None, message=None, next_step=None
        )
        return ended

    async def _failed(self, name: str, fault: StorageFailed) -> None:
        if _inconclusive(fault):
            return
        reason = str(fault.details.get("reason", fault.code))
        await self._update(name, reason=reason, message=fault.message, next_step=fault.next_step)

    async def _update(self, name: str, **fields: object) -> BackupStorage:
        old = self._storages.get(name)
        if old.status is not StorageStatus.ACTIVE:
            return old
        return await self._storages.put(old, msgspec.structs.replace(old, **fields))


def _inconclusive(fault: StorageFailed) -> bool:
    """Whether the fault says nothing about the repository."""
    reason = Reason.parse(fault.details.get("reason"))
    return reason is not None and reason.inconclusive


def due(
    storage: BackupStorage, changed: datetime | None, now: datetime, settings: StorageSettings
) -> str | None:
    """`usage` or `check` where one is due, else None; `changed` is the last change since it was measured."""
    if storage.status is not StorageStatus.ACTIVE:
        return None
    checked = storage.checked_at or storage.created_at
    if now - checked >= timedelta(seconds=settings.check_every_seconds):
        return "check"
    measured = storage.usage.measured_at if storage.usage else None
    if changed is not None and now - changed >= QUIET and (measured is None or now - measured >= AGAIN):
        return "usage"
    if measured is None:
        return "usage" if now - storage.created_at >= QUIET else None
    return "usage" if now - measured >= timedelta(seconds=settings.measure_every_seconds) else None


def _steps(storage: BackupStorage) -> Steps:
    space: Steps = [
        ("space", ["stat", "-f", "-c", "%S %b %a", MOUNT]),
        ("files", ["du", "-s", "-k", MOUNT]),
    ]
    return [*space, *_STATS] if storage_kinds.access_of(storage).volume is not None else _STATS


def _usage(
    ended: list[FinishedJob], space: storage_kinds.StorageSpace | None, now: datetime, seconds: float
) -> StorageUsage:
    """What the Jobs' steps and the server said, the storage's own repository first."""
    found = [_stats(job) for job in ended]
    words = _numbers(ended[0].container("files"))
    told = space or _file_system(ended[0])
    used = words[0] * 1024 if words else sum(figures.total_size for figures in found)
    return StorageUsage(
        measured_at=now,
        used_bytes=used,
        total_bytes=told.total_bytes if told else None,
        free_bytes=told.free_bytes if told else None,
        snapshots=sum(figures.snapshots_count for figures in found),
        duration_seconds=round(seconds, 3),
    )


def _stats(ended: FinishedJob) -> stats.RepositoryStats:
    step = ended.container("stats")
    figures = stats.parse(step.log) if step else None
    if figures is None:
        raise StorageFailed("restic stats printed no figures.", reason=Reason.NO_FIGURES)
    return figures


def _file_system(ended: FinishedJob) -> storage_kinds.StorageSpace | None:
    """What `stat -f` said: block size, blocks in all, blocks that are free to others than root."""
    words = _numbers(ended.container("space"))
    return storage_kinds.StorageSpace(words[0] * words[1], words[0] * words[2]) if len(words) == 3 else None


def _numbers(step: ContainerResult | None) -> list[int]:
    """The numbers that a step's first line begins with."""
    lines = output.split_lines(step.log) if step else []
    words = lines[0].split() if lines else []
    return [int(word) for word in words if word.isdigit()]
