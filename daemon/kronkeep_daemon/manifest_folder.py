"""The manifest folder: its files are applied, and applied again whenever something differs from them.

Files in the folder itself are for the first cluster, those in its subfolder NAME for the cluster NAME. A pass
goes over all files by name: when one is written, when a CronJob or a storage changed, and every ten minutes.
Everything in a file is checked first, with a dry run at the API server, and only then applied, so that a
faulty file changes nothing. Removing a file deletes nothing: that is left to people. Where another daemon
acts on the cluster, or the cluster does not answer, its files wait.
"""

import asyncio
import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
from watchfiles import awatch

from kronkeep_common import manifests
from kronkeep_common.api import ManifestFile
from kronkeep_common.clock import Clock
from kronkeep_common.errors import InvalidRequest, KronkeepError, NotAllowedNow, StorageNotFound
from kronkeep_common.manifests import ManifestDocument
from kronkeep_common.models import BackupStorageCreate
from kronkeep_common.text import clean
from kronkeep_daemon.apply import ManifestApplier
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.events import ActingChanged, Bus, ClaimChanged, CronJobChanged, StorageChanged
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
AGAIN_SECONDS = 600.0
PATIENCE = 10.0  # seconds, at the start, for a cluster that may be away
MOST_FILES = 1000
WRITABLE_BY_ALL = 0o002


class ManifestFolder:
    """The manifest folder of the settings; without one this does nothing."""

    def __init__(
        self,
        *,
        folder: Path | None,
        applying: ManifestApplier,
        bus: Bus,
        clock: Clock,
        cronjobs: CronJobService,
    ) -> None:
        self._folder = folder
        self._applying = applying
        self._cronjobs = cronjobs
        self._clock = clock
        self._files: dict[str, ManifestFile] = {}
        self._wake = asyncio.Event()
        if folder is not None:
            bus.trigger(self._wake, CronJobChanged, ClaimChanged, StorageChanged, ActingChanged)

    def files(self) -> list[ManifestFile]:
        """Return every file by name, with its status."""
        return [self._files[name] for name in sorted(self._files)]

    def start(self, supervisor: Supervisor) -> None:
        """Start to apply and to watch the folder, as tasks of the supervisor."""
        if self._folder is not None:
            supervisor.start("manifest folder", self._apply_forever, death="restart")
            supervisor.start("manifest folder watch", self._watch_forever, death="restart")

    async def _watch_forever(self) -> None:
        """Wake the passes at each change; look once a minute for a folder that does not exist yet."""
        assert self._folder is not None
        while not await asyncio.to_thread(self._folder.is_dir):
            await self._clock.sleep(60.0)
        self._wake.set()
        async for _ in awatch(self._folder, debounce=200):
            self._wake.set()

    async def _apply_forever(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self._cronjobs.wait_until_synced()
                for lead in self._cronjobs.leads:
                    await lead.wait_until_known()
        while True:
            self._wake.clear()
            await self.apply_all()
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_SECONDS):
                    await self._wake.wait()

    async def apply_all(self) -> None:
        """Make one pass over the folder; nothing is applied to a cluster where this daemon does not act."""
        assert self._folder is not None
        folder = self._folder
        owners = dict[str, str]()
        paths = await asyncio.to_thread(lambda: list(_list_files(folder)))
        for path in paths:
            file = str(path.relative_to(folder))
            self._set_status(file, await self._apply_path(file, path, owners))
        for removed in set(self._files) - {str(path.relative_to(folder)) for path in paths}:
            del self._files[removed]

    async def _apply_path(self, file: str, path: Path, owners: dict[str, str]) -> ManifestFile:
        """Apply one file and return its status."""
        names: tuple[str, ...] = ()
        clusters = self._cronjobs.clusters
        try:
            cluster = clusters.first if path.name == file else clusters.by_name(path.parent.name)
            self._require_acting(cluster)
            documents = await asyncio.to_thread(_read_documents, path)
            names = tuple(manifests.describe(document.body) for document in documents)
            _claim_names(file, [clusters.title(cluster.id, name) for name in names], owners)
            await self._apply_documents(documents, cluster)
        except KronkeepError as fault:
            waits = fault.retryable or isinstance(fault, NotAllowedNow)
            return ManifestFile(
                file=clean(file, 255),
                status="waiting" if waits else "refused",
                since=self._clock.now(),
                objects=names,
                message=_fault_message(fault),
                next_step=clean(fault.next_step, 500),
                code=fault.code,
            )
        return ManifestFile(file=clean(file, 255), status="applied", since=self._clock.now(), objects=names)

    def _require_acting(self, cluster: Cluster) -> None:
        """Raise NotAllowedNow where another daemon acts, or none can."""
        lead = self._cronjobs.leads.of(cluster.id)
        name = clean(cluster.name, 80)
        if lead.stands_by():
            raise NotAllowedNow(
                f"Another kronkeepd acts on the cluster {name}: {clean(lead.other, 200)}.",
                next_step="Look at that daemon's manifests, or stop it.",
            )
        if not lead.leads() or cluster.id in self._cronjobs.pending_clusters():
            raise NotAllowedNow(f"The cluster {name} has not answered.", next_step="kronkeep doctor.")

    async def _apply_documents(self, documents: list[ManifestDocument], cluster: Cluster) -> None:
        """Check everything, then create storages, then CronJobs, whose storage may be in the same file."""
        storages = [one for one in documents if isinstance(one.body, BackupStorageCreate)]
        cronjobs = [one for one in documents if not isinstance(one.body, BackupStorageCreate)]
        for one in storages:
            await self._apply_document(one, cluster, dry_run=True)
        for one in cronjobs:
            try:
                await self._apply_document(one, cluster, dry_run=True)
            except (StorageNotFound, NotAllowedNow):
                if not storages:
                    raise
        for one in [*storages, *cronjobs]:
            await self._apply_document(one, cluster)

    async def _apply_document(
        self, document: ManifestDocument, cluster: Cluster, *, dry_run: bool = False
    ) -> None:
        """Apply one manifest; an error that is raised says where in the file the manifest begins."""
        try:
            result = await self._applying.apply(document.body, cluster, dry_run=dry_run)
        except KronkeepError as fault:
            fault.details["where"] = f"{Path(document.where).name}: {manifests.describe(document.body)}"
            raise
        if not dry_run and result.outcome != "unchanged":
            log.info("manifests: %s %s", clean(manifests.describe(document.body), 400), result.outcome)

    def _set_status(self, name: str, status: ManifestFile) -> None:
        """Keep a file's status, and log it where it is new; `since` stays while the status does."""
        old = self._files.get(name)
        if old is not None and msgspec.structs.replace(status, since=old.since) == old:
            return
        self._files[name] = status
        if status.status == "refused":
            log.error("manifests: %s is refused: %s [%s]", status.file, status.message, status.code)
        elif status.status == "waiting":
            log.warning("manifests: %s waits: %s [%s]", status.file, status.message, status.code)


def _list_files(folder: Path) -> Iterator[Path]:
    """Yield the files of the folder, then those of its subfolders, by name."""
    if not folder.is_dir():
        return
    there = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    inner = [path for below in there if below.is_dir() for path in sorted(below.iterdir())]
    files = [path for path in (*there, *inner) if path.suffix in manifests.SUFFIXES and path.is_file()]
    yield from [path for path in files if not path.name.startswith(".")][:MOST_FILES]


def _read_documents(path: Path) -> list[ManifestDocument]:
    """Return the file's documents; raises InvalidRequest, also for a file that anybody may write."""
    try:
        mode = path.stat().st_mode
    except OSError as fault:
        raise InvalidRequest(f"{clean(path.name)} cannot be read: {clean(str(fault), 200)}") from fault
    if mode & WRITABLE_BY_ALL:
        raise InvalidRequest(f"{clean(path.name)} may be written by anybody.", next_step="chmod o-w it.")
    return manifests.read_file(path)


def _fault_message(fault: KronkeepError) -> str:
    """Return the error's message, with the line of the manifest that it is about."""
    where = fault.details.get("where")
    return clean(f"{where}: {fault.message}" if where else fault.message, 1000)


def _claim_names(file: str, names: Iterable[str], owners: dict[str, str]) -> None:
    """Raise InvalidRequest where an earlier file, or this one above, describes the same object."""
    for name in names:
        if name in owners:
            raise InvalidRequest(f"{clean(file)}: {clean(name, 400)} is described in {owners[name]} already.")
        owners[name] = clean(file)
