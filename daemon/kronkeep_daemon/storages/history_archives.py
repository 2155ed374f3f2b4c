"""The daemon's own history, archived into storages once a day, in a repository with a password of its own.

What is written there is a copy of the database (see `history_parts`). Where it is, and how that storage is
reached, is also in a ConfigMap of kronkeep's namespace, so that `kronkeepd store restore` needs no history.
Only Jobs in kronkeep's own namespace get it: whoever could read it knows every namespace's runs.
"""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from functools import partial

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError, NotAllowedNow, StorageFailed
from kronkeep_common.models import BackupStorage
from kronkeep_common.models.base import Record
from kronkeep_common.models.storage import HistoryArchive
from kronkeep_common.reasons import Reason
from kronkeep_common.schedule import Schedule
from kronkeep_common.states import StorageStatus
from kronkeep_daemon.events import ActingChanged, Bus, StorageChanged
from kronkeep_daemon.history import History, Records
from kronkeep_daemon.history.record_ids import new_id
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import AlreadyExists, NotFoundInCluster
from kronkeep_daemon.kube.lease import Leaderships
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.kube.timestamps import format_timestamp
from kronkeep_daemon.repositories import job_manifests
from kronkeep_daemon.repositories.job_manifests import Steps
from kronkeep_daemon.repositories.maintenance import RepositoryMaintenance
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository, repository_of_history
from kronkeep_daemon.repositories.repository_creation import RepositoryMaker
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs, storage_failure
from kronkeep_daemon.repositories.secret_changes import EncodedData, change_data
from kronkeep_daemon.restic import backup as restic_backup
from kronkeep_daemon.restic import cat, forget, history_copy
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.storages import history_parts
from kronkeep_daemon.storages.history_parts import CompressedCopy
from kronkeep_daemon.storages.service import StorageService
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
TASK = "history"
PLACES = "kronkeep-history-archives"  # the ConfigMap
SECONDS = 3600.0
SLACK_SECONDS = 60.0  # after the Job's own deadline, in which its end is seen
ROUND_SECONDS = 60.0
RETRY_AFTER = timedelta(minutes=15)
BACKUP_STEP = "backup"


class ArchivedHistoryPlace(Record, frozen=True, kw_only=True):
    """Where a copy of a history is; nothing in it is secret."""

    storage: BackupStorage
    archived_at: datetime
    sequence: int
    history_id: str | None = None


class _Carrier(Record, frozen=True, kw_only=True):
    """Secrets with parts of a history, recorded before they are created; `id` begins their names."""

    id: str
    cluster: str
    parts: int
    created_at: datetime

    def names(self) -> list[str]:
        """Return the names of the Secrets."""
        return [f"{self.id}-{number}" for number in range(self.parts)]


class HistoryArchives:
    """The archives of this daemon's history."""

    def __init__(
        self,
        *,
        storages: StorageService,
        history: History,
        index: RepositoryIndex,
        maker: RepositoryMaker,
        jobs: RepositoryJobs,
        maintenance: RepositoryMaintenance,
        queues: RepositoryQueues,
        clock: Clock,
        settings: Callable[[], Settings],
        supervisor: Supervisor,
        leads: Leaderships,
        bus: Bus,
    ) -> None:
        self._storages = storages
        self._history = history
        self._carriers: Records[_Carrier] = Records(history.table("history_carriers"), _Carrier)
        self._index = index
        self._maker = maker
        self._jobs = jobs
        self._maintenance = maintenance
        self._queues = queues
        self._clock = clock
        self._settings = settings
        self._supervisor = supervisor
        self._leads = leads
        self._lock = asyncio.Lock()
        self._wake = asyncio.Event()
        bus.trigger(self._wake, StorageChanged, ActingChanged)

    def start(self) -> None:
        """Start to archive the history when that is due."""
        self._supervisor.start("archives of the history", self._run_forever, death="restart")

    async def _run_forever(self) -> None:
        while True:
            await self._leads.wait_until_leading()
            self._wake.clear()
            await self.archive_due()
            with suppress(TimeoutError):
                async with asyncio.timeout(ROUND_SECONDS):
                    await self._wake.wait()

    async def archive_due(self) -> None:
        """Archive the history into each storage of the settings where that is due."""
        settings = self._settings()
        now = self._clock.now()
        zone = settings.controller_zone
        slot = Schedule.parse(settings.history.archive_schedule, controller_zone=zone).previous(
            now + timedelta(seconds=1)
        )
        for name in settings.history.archive_to:
            storage = self._storages.find(name)
            if storage is None or storage.status is not StorageStatus.ACTIVE or slot is None:
                continue
            if self._leads.leads(storage.cluster) and is_due(storage, slot, now):
                await self._try(name)

    async def _try(self, name: str) -> None:
        try:
            await self.archive(name)
        except KronkeepError as fault:
            log.warning("the history was not archived into %s: %s", name, fault)

    async def archive(self, name: str) -> BackupStorage:
        """Archive the history into a storage now; raise StorageNotFound, NotAllowedNow, StorageFailed."""
        storage = self._storages.require_active(name)
        async with self._lock:
            try:
                self._require_own_namespace(storage)
                archive = await self._archive(storage)
            except KronkeepError as fault:
                await self._note(
                    name, tried_at=self._clock.now(), message=fault.message, next_step=fault.next_step
                )
                raise
        return await self._storages.save(
            self._storages.get(name),
            msgspec.structs.replace(self._storages.get(name), history_archive=archive),
        )

    def _require_own_namespace(self, storage: BackupStorage) -> None:
        if self._jobs.namespace_of(storage) == self._settings().namespace:
            return
        raise NotAllowedNow(
            f"Only pods of {self._jobs.namespace_of(storage)} reach {storage.id}, "
            "and whoever may create some there could read the history of every namespace.",
            next_step="Archive the history into a storage that pods of kronkeep's own namespace reach.",
        )

    async def _note(self, name: str, **fields: object) -> None:
        storage = self._storages.get(name)
        before = storage.history_archive or HistoryArchive(tried_at=self._clock.now())
        changed = msgspec.structs.replace(before, **fields)
        await self._storages.save(storage, msgspec.structs.replace(storage, history_archive=changed))

    async def _archive(self, storage: BackupStorage) -> HistoryArchive:
        await self._remove_carriers()
        repository = repository_of_history(storage, self._settings().history.archive_name)
        now = self._clock.now()
        await self._require_no_other_history(storage)
        await self._maker.make_if_missing(repository, TASK, now.isoformat())
        async with self._make_compressed() as copy:
            snapshot_id = await self._send(repository, copy)
        await self._forget_old(repository)
        place = ArchivedHistoryPlace(
            storage=msgspec.structs.replace(
                storage, history_archive=None, usage=None, move=None, rotation=None
            ),
            archived_at=now,
            sequence=copy.sequence,
            history_id=self._history.history_id,
        )
        await self._note_place(storage, place)
        return HistoryArchive(
            tried_at=now,
            archived_at=now,
            sequence=copy.sequence,
            bytes_compressed=copy.length,
            snapshot_id=snapshot_id,
        )

    @asynccontextmanager
    async def _make_compressed(self) -> AsyncIterator[CompressedCopy]:
        """Give the compressed copy of the history; it is removed at the end of the block."""
        scratch = self._history.folder / "tmp" / f"archive-{new_id()}"
        try:
            yield await asyncio.to_thread(history_parts.make_copy, self._history.folder, scratch)
        finally:
            await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)

    async def _send(self, repository: Repository, copy: CompressedCopy) -> str:
        """Create the Secrets with the parts and the Job that archives them; return the snapshot's id."""
        cluster = self._jobs.cluster_of(repository.storage)
        carrier = _Carrier(
            id=f"kronkeep-history-{new_id()}",
            cluster=cluster.id,
            parts=copy.parts,
            created_at=self._clock.now(),
        )
        self._carriers.put(carrier)
        await self._history.commit()
        try:
            await self._create_secrets(cluster, carrier, copy)
            async with self._queues.hold_exclusively(repository.id, TASK):
                return await self._run_job(repository, cluster, carrier, copy)
        finally:
            await self._remove_carriers()

    async def _create_secrets(self, cluster: Cluster, carrier: _Carrier, copy: CompressedCopy) -> None:
        namespace = self._settings().namespace
        parts = history_parts.read_parts(copy)
        for name in carrier.names():
            data = {history_copy.PART: await asyncio.to_thread(next, parts, b"")}
            secret = job_manifests.build_secret(name, namespace, data, None)
            await cluster.create(paths.secrets(namespace), secret)

    async def _run_job(
        self, repository: Repository, cluster: Cluster, carrier: _Carrier, copy: CompressedCopy
    ) -> str:
        manifest = self._build_job(repository, carrier, copy)
        try:
            async with asyncio.timeout(SECONDS + SLACK_SECONDS):
                finished = await self._jobs.run_job(manifest, repository, cluster)
        except TimeoutError as fault:
            raise StorageFailed(
                "The Job that archives the history did not end in its time.", reason=Reason.DEADLINE_EXCEEDED
            ) from fault
        failure = storage_failure(finished)
        if failure is not None:
            raise failure
        container = finished.container(BACKUP_STEP)
        result = restic_backup.parse_summary(container.log, "") if container is not None else None
        if result is None:
            raise StorageFailed(Reason.NO_SUMMARY.meaning, reason=Reason.NO_SUMMARY)
        return result.snapshot_id

    def _build_job(self, repository: Repository, carrier: _Carrier, copy: CompressedCopy) -> JsonObject:
        settings = self._settings()
        names = carrier.names()
        host = settings.history.archive_name
        steps: Steps = [
            ("repository", cat.argv(self._index.id_of(repository))),
            (BACKUP_STEP, history_copy.backup_argv(host, copy.sha256)),
        ]
        containers = job_manifests.build_containers(
            steps, repository, settings.archive, history_parts.mounts_of(names)
        )
        job = job_manifests.build_job(
            f"{carrier.id}-job",
            settings.namespace,
            "maintenance",
            job_manifests.join_containers(containers),
            settings.archive,
        )
        job_manifests.add_repository_access(job, repository, settings.archive)
        job["spec"]["activeDeadlineSeconds"] = int(SECONDS)
        mode = 0o444 if settings.archive.run_as_user else 0o400
        job["spec"]["template"]["spec"]["volumes"] += history_parts.volumes_of(names, mode)
        return job

    async def _remove_carriers(self) -> None:
        """Remove the Secrets of archives that are over, those of a daemon that was killed included."""
        namespace = self._settings().namespace
        for carrier in list(self._carriers.all()):
            try:
                cluster = self._jobs.cluster_with(carrier.cluster)
                for name in carrier.names():
                    await cluster.delete(paths.secrets(namespace, name))
            except KronkeepError as fault:
                log.warning("the Secrets %s are removed later: %s", carrier.id, fault)
                continue
            self._carriers.remove(carrier.id)
        await self._history.commit()

    async def _forget_old(self, repository: Repository) -> None:
        """Forget all but the newest copies; the space is freed with that of the other repositories."""
        keep = self._settings().history.archive_keep
        async with self._queues.hold_exclusively(repository.id, "forget"):
            listed = await self._maintenance.run_and_list("list", [], repository, SECONDS)
            times = {snapshot.id: snapshot.time for snapshot in listed.snapshots}
            old = sorted(times, key=times.__getitem__)[:-keep]
            if old:
                steps: Steps = [("forget", forget.argv(old))]
                await self._maintenance.run("forget", steps, repository, SECONDS)
                await self._index.record(repository, forgotten_at=self._clock.now())

    async def _require_no_other_history(self, storage: BackupStorage) -> None:
        """Raise NotAllowedNow where the newest copy is of another history.

        It is of a daemon whose state folder was lost, or of another one with the same `archive_name`. A copy
        of this one would be the newest, and in `archive_keep` days the only one.
        """
        place = await self._find_place(storage)
        if place is None or place.history_id in (None, self._history.history_id):
            return
        raise NotAllowedNow(
            f"The history in {storage.id} is another one, with {place.sequence} changes until "
            f"{format_timestamp(place.archived_at)}; this one has {self._history.seq}.",
            next_step="Restore it with `kronkeepd store restore`, or set another history.archive_name.",
        )

    async def _find_place(self, storage: BackupStorage) -> ArchivedHistoryPlace | None:
        """Return where the newest copy is, and of what; None where there is none, or nothing readable."""
        settings = self._settings()
        places = await read_places(self._jobs.cluster_of(storage), settings.namespace)
        try:
            text = places[place_key(storage.id, settings.history.archive_name)]
            return msgspec.json.decode(text, type=ArchivedHistoryPlace)
        except (KeyError, msgspec.DecodeError):
            return None

    async def _note_place(self, storage: BackupStorage, place: ArchivedHistoryPlace) -> None:
        """Write where the copy is into the ConfigMap."""
        namespace = self._settings().namespace
        cluster = self._jobs.cluster_of(storage)
        key = place_key(storage.id, self._settings().history.archive_name)
        text = msgspec.json.encode(place).decode()
        add = partial(_with_place, key=key, text=text)
        path = paths.configmaps(namespace, PLACES)
        try:
            await change_data(cluster, path, add)
        except NotFoundInCluster:
            body: JsonObject = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": PLACES, "labels": job_manifests.labels_of("history")},
                "data": {key: text},
            }
            try:
                await cluster.create(paths.configmaps(namespace), body)
            except AlreadyExists:
                await change_data(cluster, path, add)


async def read_places(cluster: Cluster, namespace: str) -> Mapping[str, str]:
    """Return the places of all archives in a cluster (JSON) by their keys."""
    try:
        return (await cluster.get(paths.configmaps(namespace, PLACES))).get("data") or {}
    except NotFoundInCluster:
        return {}


def place_key(storage_id: str, archive_name: str) -> str:
    """Return the key of an archive's place in the ConfigMap; no storage's id has a dot."""
    return f"{storage_id}.{archive_name}"


def _with_place(data: EncodedData, key: str, text: str) -> EncodedData:
    return {**data, key: text}


def is_due(storage: BackupStorage, slot: datetime, now: datetime) -> bool:
    """Whether the history is to be archived: it was not since the slot, nor tried just now."""
    archive = storage.history_archive
    if archive is None:
        return True
    if archive.message is not None and now - archive.tried_at < RETRY_AFTER:
        return False
    return archive.archived_at is None or archive.archived_at < slot
