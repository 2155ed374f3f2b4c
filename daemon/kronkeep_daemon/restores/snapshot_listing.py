"""Listings of snapshots: read once with `restic ls` in a Job, kept as files, answered folder by folder.

The daemon itself has no access to a repository. A snapshot never changes, so its listing is read once. The
newest 200 are kept below the state folder; one that was removed is read again.
"""

import asyncio
import gzip
import logging
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Self

import msgspec

from kronkeep_common.errors import (
    InvalidRequest,
    KronkeepError,
    NotAllowedNow,
    NotFound,
    PathNotFound,
    StillReading,
    StorageFailed,
    StorageNotFound,
)
from kronkeep_common.models import BackupExecution, BackupResult, Restore, SnapshotFile, SnapshotFolder
from kronkeep_common.reasons import Reason
from kronkeep_common.text import shorten_middle
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.snapshot_reconciliation import SnapshotReconciliation
from kronkeep_daemon.jobs.logs import OnLine
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.repositories.job_manifests import Steps, build_repository_job
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_jobs import storage_failure
from kronkeep_daemon.restic import ls
from kronkeep_daemon.restic.faults import Fault
from kronkeep_daemon.restores import backup_places, snapshot_paths
from kronkeep_daemon.restores.backup_places import BackupPlaces, is_away
from kronkeep_daemon.restores.folder_chain import FolderChain
from kronkeep_daemon.restores.listing_names import UNKNOWN, NameParser
from kronkeep_daemon.restores.listing_queue import ListingQueue
from kronkeep_daemon.restores.snapshot_jobs import SnapshotJobs
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.storages.service import StorageService
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
MOST_LISTINGS = 200
MOST_ENTRIES = 10_000_000
WRITTEN_AT_ONCE = 64 * 1024  # bytes of a listing, before they are compressed
DEADLINE_SECONDS = 3600.0  # of the Job that reads a listing
WAIT_SECONDS = 20.0  # for a listing; clients wait 30 s for an answer
_CURSOR = re.compile(r"[0-9]{1,18}[.][0-9]{1,18}")
_ENTRY_DECODER = msgspec.json.Decoder(SnapshotFile)


class SnapshotListings:
    """Listings of the snapshots of backups, read when they are first needed."""

    def __init__(
        self,
        *,
        jobs: SnapshotJobs,
        backups: BackupRecords,
        places: BackupPlaces,
        storages: StorageService,
        queues: RepositoryQueues,
        reconciliation: SnapshotReconciliation,
        settings: Callable[[], Settings],
        supervisor: Supervisor,
    ) -> None:
        self._jobs = jobs
        self._backups = backups
        self._places = places
        self._storages = storages
        self._queues = queues
        self._reconciliation = reconciliation
        self._settings = settings
        self._supervisor = supervisor
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._faults: dict[str, KronkeepError] = {}
        self._queue = ListingQueue()

    def require_restorable(self, backup_id: str, from_copy: str | None = None) -> BackupExecution:
        """Return a backup as it is in the place that is read first.

        from_copy: the storage of the only place. Raises BackupNotFound, CopyNotFound, NotAllowedNow.
        """
        return self._places.list_places(backup_id, from_copy)[0]

    async def open(
        self, backup_id: str, from_copy: str | None, seconds: float | None, uid: int | None = None
    ) -> BackupExecution:
        """Return a backup in the first place that can be read, once its listing is there.

        from_copy: the storage of the only place. Raises as `require_restorable` and `wait_until_ready` do.
        """
        *others, last = self._places.list_places(backup_id, from_copy)
        for backup in others:
            try:
                await self.wait_until_ready(backup, seconds, uid)
            except (StorageFailed, StorageNotFound) as fault:
                if not is_away(fault):
                    raise
                log.warning("backup %s is read elsewhere than in %s: %s", backup.id, backup.storage_id, fault)
                continue
            return backup
        await self.wait_until_ready(last, seconds, uid)
        return last

    def other_places(self, backup: BackupExecution) -> list[BackupExecution]:
        """Return the other places of a backup."""
        return [
            place for place in self._places.list_places(backup.id) if place.storage_id != backup.storage_id
        ]

    def repository_of(self, backup: BackupExecution) -> Repository:
        """Return the repository of a backup's snapshot; raise StorageNotFound."""
        return backup_places.repository_of(backup, self._storages.get(backup.storage_id))

    async def needs_job(self, backup_id: str) -> bool:
        """Return whether the next question about a listing starts a Job; raise BackupNotFound.

        Only the id of a backup that there is may become a part of a path.
        """
        self._backups.get(backup_id)
        return backup_id not in self._tasks and not await asyncio.to_thread(self._path(backup_id).exists)

    async def fetch_folder(
        self, backup_id: str, path: str, limit: int, cursor: str | None, uid: int | None = None
    ) -> SnapshotFolder:
        """Return a page of a folder; raise PathNotFound, StillReading, StorageFailed, TooMany.

        uid: the user for whom it is read.
        """
        backup = await self.open(backup_id, None, WAIT_SECONDS, uid)
        folder = snapshot_paths.normalize_path(path)
        return await asyncio.to_thread(
            _read_folder, backup, self._path(backup.id), folder=folder, limit=limit, cursor=cursor
        )

    async def fetch_entry(self, backup: BackupExecution, path: str) -> SnapshotFile:
        """Return one file or folder of a listing that is ready; raise PathNotFound."""
        path = snapshot_paths.normalize_path(path)
        entry = await asyncio.to_thread(_find_entry, self._path(backup.id), path)
        if entry is None:
            raise PathNotFound(f"The snapshot has no {shorten_middle(path, 300)}", field="path")
        return entry

    async def wait_until_ready(
        self, backup: BackupExecution, seconds: float | None, uid: int | None = None
    ) -> None:
        """Return once the listing is there, reading it where it is not; all who ask share one Job.

        Raises StillReading after `seconds` (None waits for ever), TooMany where very many are being read for
        the user, and why the listing cannot be read.
        """
        if await self._exists(backup):
            return
        task = self._tasks.get(backup.id) or self._start_to_read(backup, uid)
        await asyncio.wait([task], timeout=seconds)
        if not task.done():
            raise StillReading(f"The listing of backup {backup.id} is being read.")
        fault = self._faults.pop(backup.id, None)
        if fault is not None:
            raise fault
        if not await self._exists(backup):
            raise StillReading(f"The listing of backup {backup.id} could not be read; it is read again.")

    async def explain_gone(self, backup: BackupExecution, fault: KronkeepError) -> KronkeepError:
        """Return the fault, or that another repository is in the place of the snapshot's own.

        Where the fault is that restic does not find the snapshot, and the repository lacks it, it is recorded
        as missing.
        """
        if fault.details.get("reason") != Reason.SNAPSHOT_GONE:
            return fault
        return await self._reconciliation.find_other_repository(self.repository_of(backup)) or fault

    async def explain_fault_of(self, restore: Restore, fault: Fault) -> Fault:
        """Do what `explain_gone` does for a restore, which reads the backup's own storage or a copy."""
        if restore.backup_id is None:
            return fault
        try:
            backup = self.require_restorable(restore.backup_id, restore.storage_id)
        except (NotFound, NotAllowedNow):
            return fault
        error = StorageFailed(fault.message, next_step=fault.next_step, reason=fault.reason)
        explained = await self.explain_gone(backup, error)
        return Fault(str(explained.details["reason"]), explained.message, explained.next_step)

    def read_entries(self, backup: BackupExecution) -> Iterator[SnapshotFile]:
        """Yield every entry of a listing that is ready. Reads a file: iterate in a thread."""
        return _read_entries(self._path(backup.id))

    def read_kept(self, backup_id: str) -> Iterator[SnapshotFile] | None:
        """Return the entries of a listing that is kept, a folder before its content; None without one."""
        path = self._path(backup_id)
        return _read_entries(path) if path.exists() else None

    def _path(self, backup_id: str) -> Path:
        return Path(self._settings().state) / "listings" / f"{backup_id}.jsonl.gz"

    async def _exists(self, backup: BackupExecution) -> bool:
        return await asyncio.to_thread(self._path(backup.id).exists)

    def _start_to_read(self, backup: BackupExecution, uid: int | None) -> asyncio.Task[None]:
        self._queue.enter(uid)
        task = self._supervisor.start(
            f"listing of {backup.id}", partial(self._try_to_read, backup, uid), death="quiet"
        )
        self._tasks[backup.id] = task
        task.add_done_callback(partial(self._forget_task, backup.id, uid))
        return task

    def _forget_task(self, backup_id: str, uid: int | None, _: asyncio.Task[None]) -> None:
        self._tasks.pop(backup_id, None)
        self._queue.leave(uid)

    async def _try_to_read(self, backup: BackupExecution, uid: int | None) -> None:
        try:
            async with self._queue.hold_slot(uid):
                if not await self._exists(backup):  # it may have been read since somebody looked
                    await self._read(backup)
        except KronkeepError as fault:
            self._faults[backup.id] = await self.explain_gone(backup, fault)

    async def _read(self, backup: BackupExecution) -> None:
        path = self._path(backup.id)
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        shares = snapshot_paths.split_by_snapshot(_result_of(backup), (), None)
        with ListingWriter(path) as writer:
            steps = [(f"ls-{n}", ls.argv(snapshot_id)) for n, (snapshot_id, _) in enumerate(shares)]
            await self._run_job(backup, f"kronkeep-files-{backup.id}", steps, writer.add_line)
            writer.require_snapshots(len(shares))
            if writer.has_unknown_names:
                await self._read_names(backup, writer)
            else:
                await asyncio.to_thread(writer.publish)
        await asyncio.to_thread(_remove_oldest, path.parent)

    async def _read_names(self, backup: BackupExecution, listing: "ListingWriter") -> None:
        """Publish the listing with the exact names of the snapshot of files; a dump has a plain name."""
        with ListingWriter(self._path(backup.id), "names") as writer:
            parser = NameParser(listing.read_back(), writer.write)

            def on_line(_: str, line: bytes) -> None:
                parser.add_line(line)

            steps = [("names", ls.names_argv(_result_of(backup).snapshot_id))]
            await self._run_job(backup, f"kronkeep-names-{backup.id}", steps, on_line)
            await asyncio.to_thread(parser.close)
            await asyncio.to_thread(writer.publish)

    async def _run_job(self, backup: BackupExecution, name: str, steps: Steps, on_line: OnLine) -> None:
        """Run a Job that only reads the repository; raise why it failed."""
        repository = self.repository_of(backup)
        cluster_id, namespace = self._jobs.place_of(repository)
        manifest = build_repository_job(
            name=name,
            namespace=namespace,
            steps=steps,
            repository=repository,
            settings=self._settings().archive,
            deadline_seconds=DEADLINE_SECONDS,
        )
        async with self._queues.hold_for_reading(repository.id, "listing"):
            try:
                finished = await self._jobs.run(cluster_id, manifest, on_line, repository=repository)
            except NotFoundInCluster as deleted:
                raise StorageFailed(
                    "The Job that read the listing was deleted.", reason=Reason.JOB_GONE
                ) from deleted
            finally:
                await self._jobs.remove(cluster_id, namespace, name)
        if (fault := storage_failure(finished)) is not None:
            raise fault


def _result_of(backup: BackupExecution) -> BackupResult:
    assert backup.result is not None
    return backup.result


class ListingWriter:
    """A listing being written; it gets its name once it is complete, so that no half of one is ever read."""

    def __init__(self, path: Path, part: str = "part") -> None:
        self.has_unknown_names = False
        self._path = path
        self._part = path.with_name(f"{path.name}.{part}")
        self._count = 0
        self._snapshots: set[str] = set()
        self._pending = bytearray()

    def __enter__(self) -> Self:
        self._file = gzip.open(self._part, "wb", 3)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)

    def add_line(self, container: str, line: bytes) -> None:
        """Take a line of `restic ls`; raise InvalidRequest for a snapshot with too many entries."""
        if container not in self._snapshots and ls.is_snapshot(line):
            self._snapshots.add(container)
        entry = ls.parse_entry(line)
        if entry is None:
            return
        self.has_unknown_names = self.has_unknown_names or UNKNOWN in entry.path
        self.write(entry)

    def write(self, entry: SnapshotFile) -> None:
        """Add an entry; raise InvalidRequest where there are too many."""
        self._count += 1
        if self._count > MOST_ENTRIES:
            raise InvalidRequest(
                f"The snapshot has more than {MOST_ENTRIES:,} entries; it cannot be browsed.",
                next_step="Use restic itself: restic ls, restic restore.",
            )
        self._pending += msgspec.json.encode(entry) + b"\n"
        if len(self._pending) >= WRITTEN_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        self._file.write(self._pending)
        self._pending.clear()

    def read_back(self) -> Iterator[SnapshotFile]:
        """End the writing, and yield the entries."""
        self._flush()
        self._file.close()
        return _read_entries(self._part)

    def require_snapshots(self, count: int) -> None:
        """Raise StorageFailed where fewer containers than `count` have listed a snapshot."""
        if len(self._snapshots) < count:
            gone = Reason.SNAPSHOT_GONE
            raise StorageFailed(gone.meaning, next_step=gone.next_step, reason=gone)

    def publish(self) -> None:
        """Give the file its name."""
        self._flush()
        self._file.close()
        self._part.rename(self._path)


class _FolderPage:
    """What one folder directly contains, from `begin` on: its folders, then its files, as they are listed.

    Only the entries of the page are held, however many the folder has. restic lists a folder before all that
    is in it, and its entries by name.

    folders: how many folders it has, where a page before has counted them.
    """

    def __init__(self, begin: int, limit: int, folders: int | None) -> None:
        self.folders = 0
        self.files = 0
        self.bytes = 0
        self._begin = begin
        self._limit = limit
        self._known_folders = folders
        self._page_folders: list[SnapshotFile] = []
        self._page_files: list[SnapshotFile] = []
        self._is_open = False  # whether what comes now is in the last of _page_folders
        self._chain = FolderChain("")  # of that folder
        self._files_below = 0
        self._bytes_below = 0

    def add(self, entry: SnapshotFile) -> None:
        """Take an entry that is directly in the folder."""
        self._close_folder()
        if entry.kind == "dir":
            self._is_open = self._begin <= self.folders and len(self._page_folders) < self._limit
            if self._is_open:
                self._page_folders.append(entry)
                self._chain = FolderChain(entry.path)
            self.folders += 1
            return
        self.bytes += entry.size
        first = max(0, self._begin - (self._known_folders or 0))
        if first <= self.files and len(self._page_files) < self._limit:
            self._page_files.append(entry)
        self.files += 1

    def add_below(self, entry: SnapshotFile) -> None:
        """Take an entry that is in a folder of the folder, or below."""
        if self._is_open:
            self._chain.add(entry)
        if entry.kind == "dir":
            return
        self.bytes += entry.size
        self._files_below += 1
        self._bytes_below += entry.size

    def _close_folder(self) -> None:
        """Give the folder whose content has come its size and number of files."""
        if self._is_open:
            folder = self._page_folders[-1]
            size = self._bytes_below if self._files_below else folder.size
            self._page_folders[-1] = msgspec.structs.replace(
                folder, size=size, files=self._files_below, folds_to=self._chain.end
            )
        self._is_open = False
        self._files_below = 0
        self._bytes_below = 0

    def items(self) -> list[SnapshotFile]:
        """Return the entries of the page; a folder has the size and number of files below it."""
        self._close_folder()
        return [*self._page_folders, *self._page_files][: self._limit]


def _read_entries(path: Path) -> Iterator[SnapshotFile]:
    with gzip.open(path, "rb") as file:
        for line in file:
            yield _ENTRY_DECODER.decode(line)


def _find_entry(listing: Path, path: str) -> SnapshotFile | None:
    return next((entry for entry in _read_entries(listing) if entry.path == path), None)


def _read_folder(
    backup: BackupExecution, listing: Path, folder: str, limit: int, cursor: str | None
) -> SnapshotFolder:
    """Return a page of a folder from one pass over the listing; only its own entries are held in memory."""
    assert backup.result is not None
    base = folder.rstrip("/")
    prefix = f"{base}/"
    begin, folders = _parse_cursor(cursor)
    page = _FolderPage(begin, limit, folders)
    exists = base == ""
    for entry in _read_entries(listing):
        exists = exists or (entry.path == base and entry.kind == "dir")
        if not entry.path.startswith(prefix):
            continue
        if "/" not in entry.path[len(prefix) :]:
            page.add(entry)
        else:
            page.add_below(entry)
    if not exists:
        raise PathNotFound(f"The snapshot has no folder {shorten_middle(folder, 300)}", field="path")
    total = page.folders + page.files
    end = begin + limit
    return SnapshotFolder(
        backup_id=backup.id,
        snapshot_id=backup.result.snapshot_id,
        path=base or "/",
        items=page.items(),
        total=total,
        size=page.bytes,
        next_cursor=f"{end}.{page.folders}" if end < total else None,
    )


def _parse_cursor(cursor: str | None) -> tuple[int, int | None]:
    """Return where a page begins, and how many folders the folder has; None before the first page.

    Raises InvalidRequest for a cursor that no page has returned.
    """
    if not cursor:
        return 0, None
    if _CURSOR.fullmatch(cursor) is None:
        raise InvalidRequest("This cursor is not one that a page has returned.", field="cursor")
    begin, _, folders = cursor.partition(".")
    return int(begin), int(folders)


def _remove_oldest(folder: Path) -> None:
    listings = sorted(folder.glob("*.jsonl.gz"), key=lambda listing: listing.stat().st_mtime)
    for listing in listings[:-MOST_LISTINGS]:
        listing.unlink(missing_ok=True)
