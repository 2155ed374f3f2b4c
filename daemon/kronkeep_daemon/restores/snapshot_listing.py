"""What a snapshot holds: read once by a Job (`restic ls --json`), kept as a file, answered folder by folder.

The daemon has no repository of its own to look into. A snapshot never changes, so its listing is read once;
the newest 200 listings are kept below the state folder, and a lost one is read again.
"""

import asyncio
import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import (
    InvalidRequest,
    KronkeepError,
    NotAllowedNow,
    PathNotFound,
    StillReading,
    StorageFailed,
)
from kronkeep_common.models import BackupExecution, SnapshotFile, SnapshotFolder
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.repositories.job_manifests import build_repository_job
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository, repository_of_backup
from kronkeep_daemon.repositories.repository_jobs import failed
from kronkeep_daemon.restic import ls
from kronkeep_daemon.restores import path_mapping
from kronkeep_daemon.restores.snapshot_jobs import SnapshotJobs
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.storages.service import StorageService
from kronkeep_daemon.supervisor import Supervisor

KEPT = 200
MOST_ENTRIES = 1_000_000
READ_SECONDS = 3600.0
PATIENCE = 20.0  # below the clients' 30 s
_ENTRY = msgspec.json.Decoder(SnapshotFile)


class SnapshotListings:
    """Listings of the snapshots of backups."""

    def __init__(
        self,
        *,
        jobs: SnapshotJobs,
        backups: BackupRecords,
        storages: StorageService,
        queues: RepositoryQueues,
        clock: Clock,
        settings: Callable[[], Settings],
        supervisor: Supervisor,
    ) -> None:
        self._jobs = jobs
        self._backups = backups
        self._storages = storages
        self._queues = queues
        self._clock = clock
        self._settings = settings
        self._supervisor = supervisor
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._faults: dict[str, KronkeepError] = {}

    def restorable(self, backup_id: str) -> BackupExecution:
        """The backup with a snapshot that is there; raises BackupNotFound, NotAllowedNow."""
        backup = self._backups.get(backup_id)
        if backup.result is None:
            words = f"The backup {backup.id} is {backup.status}; it has no snapshot."
            raise NotAllowedNow(words, next_step="Choose a backup that succeeded.")
        if backup.snapshot_removed_at is not None:
            words = f"The snapshot of backup {backup.id} was removed by its retention."
            raise NotAllowedNow(words, next_step="Choose a later backup.")
        return backup

    def repository(self, backup: BackupExecution) -> Repository:
        """Where the backup's snapshot is, and what opens it; raises StorageNotFound."""
        return repository_of_backup(backup, self._storages.get(backup.storage_id))

    async def folder(self, backup_id: str, path: str, limit: int, cursor: str | None) -> SnapshotFolder:
        """A page of a folder; raises PathNotFound, StillReading, StorageFailed."""
        backup = self.restorable(backup_id)
        await self.ready(backup, PATIENCE)
        return await asyncio.to_thread(_folder, backup, self.path(backup.id), path, limit, cursor)

    async def entry(self, backup_id: str, path: str) -> SnapshotFile:
        """One entry; raises PathNotFound, StillReading, StorageFailed."""
        backup = self.restorable(backup_id)
        await self.ready(backup, PATIENCE)
        found = await asyncio.to_thread(_find, self.path(backup.id), path)
        if found is None:
            raise PathNotFound(f"The snapshot has no {clean(repr(path), 300)}.", field="path")
        return found

    async def ready(self, backup: BackupExecution, patience: float | None) -> None:
        """Returns once the listing is there; raises StillReading after `patience` seconds."""
        if await asyncio.to_thread(self.path(backup.id).exists):
            return
        task = self._tasks.get(backup.id)
        if task is None:
            task = self._supervisor.start(
                f"listing of {backup.id}", lambda: self._read(backup), death="quiet"
            )
            self._tasks[backup.id] = task
            task.add_done_callback(lambda _: self._tasks.pop(backup.id, None))
        await asyncio.wait([task], timeout=patience)
        if not task.done():
            raise StillReading(f"The listing of backup {backup.id} is being read.")
        fault = self._faults.pop(backup.id, None)
        if fault is not None:
            raise fault
        if not await asyncio.to_thread(self.path(backup.id).exists):
            raise StillReading(f"The listing of backup {backup.id} could not be read this time.")

    def entries(self, backup: BackupExecution) -> Iterator[SnapshotFile]:
        """Every entry of a listing that is ready; reads the file, so run it in a thread."""
        return _entries(self.path(backup.id))

    def path(self, backup_id: str) -> Path:
        """The file of a listing."""
        return Path(self._settings().state) / "listings" / f"{backup_id}.jsonl.gz"

    async def _read(self, backup: BackupExecution) -> None:
        try:
            await self._read_once(backup)
        except KronkeepError as fault:
            self._faults[backup.id] = fault

    async def _read_once(self, backup: BackupExecution) -> None:
        assert backup.result is not None
        where = self.repository(backup)
        settings = self._settings()
        ids = [found for found, _ in path_mapping.parts(backup.result, (), None)]
        steps = [(f"ls-{n}", ls.argv(found)) for n, found in enumerate(ids)]
        name = f"kronkeep-files-{backup.id}"
        cluster_id, namespace = self._jobs.place_of(where)
        job = build_repository_job(
            name=name,
            namespace=namespace,
            steps=steps,
            where=where,
            settings=settings.archive,
            deadline_seconds=READ_SECONDS,
        )
        path = self.path(backup.id)
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        with ListingWriter(path) as listing:
            async with self._queues.hold_for_reading(where.id):
                try:
                    ended = await self._jobs.run(cluster_id, job, listing.hear, repository=where)
                except NotFoundInCluster as gone:
                    raise StorageFailed(
                        "The Job that read the listing went.", reason=Reason.JOB_GONE
                    ) from gone
                finally:
                    await self._jobs.remove(cluster_id, namespace, name)
            if (fault := failed(ended)) is not None:
                raise fault
            await asyncio.to_thread(listing.keep)
        await asyncio.to_thread(_drop_old, path.parent)


class ListingWriter:
    """Writes entries as they are heard; the file has its name once it is whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._count = 0

    def __enter__(self) -> "ListingWriter":
        self._file = gzip.open(self._part, "wb", 3)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)

    def hear(self, _: str, line: bytes) -> None:
        """Takes one line of restic; raises InvalidRequest for a snapshot too large to be browsed."""
        entry = ls.parse_entry(line)
        if entry is None:
            return
        self._count += 1
        if self._count > MOST_ENTRIES:
            words = f"The snapshot has more than {MOST_ENTRIES:,} entries; it cannot be browsed."
            raise InvalidRequest(words, next_step="Use restic itself: restic ls, restic restore.")
        self._file.write(msgspec.json.encode(entry) + b"\n")

    def keep(self) -> None:
        """Gives the file its name."""
        self._file.close()
        self._part.rename(self._path)


def _entries(path: Path) -> Iterator[SnapshotFile]:
    with gzip.open(path, "rb") as file:
        for line in file:
            yield _ENTRY.decode(line)


def _find(path: Path, wanted: str) -> SnapshotFile | None:
    return next((entry for entry in _entries(path) if entry.path == wanted), None)


def _folder(
    backup: BackupExecution, path: Path, folder: str, limit: int, cursor: str | None
) -> SnapshotFolder:
    """The page, from one pass over the listing; only the folder's own entries are held."""
    base = folder.rstrip("/")
    prefix = f"{base}/"
    found: dict[str, SnapshotFile] = {}
    sums: dict[str, list[int]] = {}
    known = base == ""
    for entry in _entries(path):
        known = known or (entry.path == base and entry.kind == "dir")
        if not entry.path.startswith(prefix):
            continue
        child, deeper, _ = entry.path[len(prefix) :].partition("/")
        if not deeper:
            found[child] = entry
        elif entry.kind != "dir":
            below = sums.setdefault(child, [0, 0])
            below[0] += entry.size
            below[1] += 1
    if not known:
        raise PathNotFound(f"The snapshot has no folder {clean(repr(folder), 300)}.", field="path")
    return _page(backup=backup, folder=base or "/", found=found, sums=sums, limit=limit, cursor=cursor)


def _page(
    backup: BackupExecution,
    folder: str,
    found: dict[str, SnapshotFile],
    sums: dict[str, list[int]],
    limit: int,
    cursor: str | None,
) -> SnapshotFolder:
    assert backup.result is not None
    items = [
        msgspec.structs.replace(entry, size=sums[name][0], files=sums[name][1]) if name in sums else entry
        for name, entry in found.items()
    ]
    items.sort(key=lambda entry: (entry.kind != "dir", entry.name))
    begin = int(cursor) if cursor and cursor.isdecimal() and len(cursor) < 19 else 0
    end = begin + limit
    return SnapshotFolder(
        backup_id=backup.id,
        snapshot_id=backup.result.snapshot_id,
        path=folder,
        items=items[begin:end],
        total=len(items),
        size=sum(entry.size for entry in items),
        next_cursor=str(end) if end < len(items) else None,
    )


def _drop_old(folder: Path) -> None:
    files = sorted(folder.glob("*.jsonl.gz"), key=lambda file: file.stat().st_mtime)
    for file in files[:-KEPT]:
        file.unlink(missing_ok=True)
