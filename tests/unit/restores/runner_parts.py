"""A service of restores over a real history, queue and store of checksums, whose Jobs run nowhere."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from tests.records import make_backup, vault

from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import BackupExecution, BackupResult, Restore, RestoreTarget, SnapshotFile
from kronkeep_common.states import RestoreStatus
from kronkeep_daemon.copies.copy_records import CopyRecords
from kronkeep_daemon.events import Bus
from kronkeep_daemon.history import History
from kronkeep_daemon.jobs.outcome import ContainerResult, FinishedJob
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.restic.version import UNKNOWN
from kronkeep_daemon.restores import snapshot_paths
from kronkeep_daemon.restores.checksums import ChecksumStore
from kronkeep_daemon.restores.restore_plan import ResolvedRequest
from kronkeep_daemon.restores.restore_records import RestoreRecords, new_restore
from kronkeep_daemon.restores.restore_runner import RestoreRunner
from kronkeep_daemon.restores.service import RestoreService
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.supervisor import Supervisor
from kronkeep_daemon.testing import FakeClock

SUMMARY = b'{"message_type":"summary","total_files":1,"files_restored":1,"files_skipped":0}\n'
COMPLETED = FinishedJob(
    complete=True,
    reason="",
    message="",
    containers=(ContainerResult(name="restore-0", exit_code=0, log=SUMMARY),),
    pod="p",
)
BACKUP = make_backup(storage_id="vault", result=BackupResult(snapshot_id="5" * 64))
IN_PLACE = RestoreTarget(kind="in-place", cluster="c", namespace="n")


def file(path: str, kind: str = "file") -> SnapshotFile:
    """Return an entry of a snapshot."""
    return SnapshotFile(name=path.rpartition("/")[2], path=path, kind=kind)


class Parts:
    """What runner and service need of others: a backup, CronJobs, a planner, Jobs that end as they are told.

    lines: what the Jobs' containers print.
    may_end: whether the Jobs end.
    while_removing: is awaited in the removal of a Job.
    refused: what the removal of a Job or a resumption raises.
    """

    def __init__(self, entries: Iterable[SnapshotFile] = ()) -> None:
        self.backup = BACKUP
        self.entries = list(entries)
        self.lines: list[tuple[str, bytes]] = [("names", b"")]
        self.finished = COMPLETED
        self.refused: KronkeepError | None = None
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.has_begun = asyncio.Event()
        self.began: list[str] = []
        self.while_removing: Callable[[], Awaitable[None]] | None = None
        self.clusters = self
        self.id = "c"

    # CronJobs and their clusters

    def of(self, _: str) -> "Parts":
        return self

    async def resume(self, _: Any) -> None:
        if self.refused is not None:
            raise self.refused

    # Backups

    def get(self, _: str) -> BackupExecution:
        return self.backup

    async def put(self, *_: BackupExecution) -> None:
        return None

    # The planner and the listings

    async def resolve(self, _backup_id: str, request: Any, _seconds: float | None) -> ResolvedRequest:
        selection = snapshot_paths.summarize_selection(self.entries, request.include)
        target = msgspec.structs.replace(request.target, cluster="c", namespace="n")
        return ResolvedRequest(
            backup=self.backup,
            target=target,
            include=request.include,
            selection=selection,
            mounts=snapshot_paths.target_mounts(target, selection),
        )

    def has_active_run(self, _: BackupExecution) -> bool:
        return False

    def repository_of(self, _: BackupExecution) -> Repository:
        return Repository(storage=vault(settings={"path": "/backups", "node": "a"}))

    def read_entries(self, _: BackupExecution) -> Iterable[SnapshotFile]:
        return iter(self.entries)

    async def explain_fault_of(self, _: Restore, fault: Any) -> Any:
        return fault

    def other_places(self, _: BackupExecution) -> list[BackupExecution]:
        return []

    # Jobs, and the cleaning of targets

    def cluster(self, _: str) -> None:
        return None

    async def find_version(self, _: Any) -> Any:
        return UNKNOWN

    async def run(self, _cluster: str, manifest: Any, on_line: Any, **_others: Any) -> FinishedJob:
        self.began.append(manifest["metadata"]["name"])
        self.has_begun.set()
        for container, line in self.lines:
            on_line(container, line)
        await self.may_end.wait()
        return self.finished

    async def exists(self, *_: str) -> bool:
        return False

    async def remove(self, *_: str) -> None:
        if self.while_removing is not None:
            await self.while_removing()
        if self.refused is not None:
            raise self.refused

    async def remove_with_pods(self, cluster: str, namespace: str, name: str) -> None:
        await self.remove(cluster, namespace, name)

    async def clean(self, *_: Any) -> None:
        return None

    async def warn_of_rest(self, _: Restore) -> None:
        return None


class Site:
    """A runner and a service with their parts."""

    def __init__(self, history: History, clock: FakeClock, folder: Path, parts: Parts) -> None:
        self.parts = parts
        others: Any = parts  # it stands for each collaborator
        self.clock = clock
        self.history = history
        self.bus = Bus()
        self.records = RestoreRecords(history, self.bus, clock)
        self.checksums = ChecksumStore(folder / "checksums")
        self.queues = RepositoryQueues(clock=clock, settings=Settings)
        self.runner = RestoreRunner(
            cronjobs=others,
            backups=others,
            copies=CopyRecords(history, Bus(), clock),
            policies=others,
            queues=self.queues,
            records=self.records,
            snapshots=others,
            planner=others,
            jobs=others,
            checksums=self.checksums,
            cleanup=others,
            version_probe=others,
            history=history,
            clock=clock,
            settings=Settings,
        )
        self.supervisor = Supervisor(clock)
        self.service = RestoreService(
            cronjobs=others,
            history=history,
            records=self.records,
            snapshots=others,
            planner=others,
            restore_runner=self.runner,
            drills=others,
            checksum_jobs=others,
            bus=self.bus,
            clock=clock,
            supervisor=self.supervisor,
        )

    async def add(self, **fields: Any) -> Restore:
        """Record a restore that a daemon has prepared and whose Job is not begun."""
        target = RestoreTarget(kind="claim", cluster="c", namespace="n", claim="target")
        prepared = {
            "target": target,
            "overwrite": True,
            "started_at": self.clock.now(),
            "deadline_at": self.clock.now() + timedelta(days=1),
            "job": "kronkeep-restore-r-1",
        }
        restore = new_restore(BACKUP, "r", self.clock.now(), **(prepared | fields))
        await self.records.add(restore)
        await self.records.change("r", status=RestoreStatus.PREPARING)
        return await self.records.change("r", status=RestoreStatus.RESTORING)


@asynccontextmanager
async def open_site(folder: Path, parts: Parts) -> AsyncIterator[Site]:
    """Give a runner and its service over a history in the folder."""
    clock = FakeClock()
    history = await History.open(folder / "history", clock=clock)
    site = Site(history, clock, folder, parts)
    try:
        yield site
    finally:
        await site.supervisor.close()
        await history.close()
