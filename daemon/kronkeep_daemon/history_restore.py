"""`kronkeepd store restore`: the history of a daemon comes back from a storage that it was archived into.

It needs the cluster and nothing else: where the storage is stands in a ConfigMap, its passwords in Secrets of
kronkeep's namespace. The copy comes in pieces through the logs of Jobs, each shorter than what a kubelet
keeps of a log; gzip's own checksum and the checks of the database say whether all is there.
"""

import argparse
import asyncio
import base64
import binascii
import gzip
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import DamagedHistory, InvalidRequest, StorageFailed, StorageNotFound
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean
from kronkeep_daemon import settings as settings_module
from kronkeep_daemon.history import History, durable, history_folder
from kronkeep_daemon.history.database import check_format, connect
from kronkeep_daemon.history.database_check import check_whole
from kronkeep_daemon.history.database_copy import read_sequence
from kronkeep_daemon.history.database_faults import translate_faults
from kronkeep_daemon.jobs.owned_objects import ObjectTokens
from kronkeep_daemon.jobs.runner import JobRunners
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.repositories import job_names
from kronkeep_daemon.repositories.credential_copies import CredentialCopies
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository, repository_of_history
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs, storage_failure
from kronkeep_daemon.repositories.repository_secrets import RepositorySecrets
from kronkeep_daemon.restic import history_copy
from kronkeep_daemon.settings import ClusterSettings, Settings
from kronkeep_daemon.storages.history_archives import ArchivedHistoryPlace, place_key, read_places

PIECE_BYTES = 6 * 1024 * 1024  # 8 MiB in base64; a kubelet keeps 10 MiB of a log
PIECE_SECONDS = 900.0
SNAPSHOT = re.compile(rf"{history_copy.NEWEST}|[0-9a-f]{{8,64}}")


def run(options: argparse.Namespace) -> int:
    """Restore a history; raise InvalidRequest, StorageNotFound, StorageFailed, DamagedHistory."""
    settings = settings_module.load(options.config)
    _refuse_remains(options.folder)
    if not SNAPSHOT.fullmatch(options.snapshot):
        raise InvalidRequest("A snapshot's id has 8 to 64 digits from 0 to f.", field="snapshot")
    place = asyncio.run(_restore(options, settings))
    sequence = read_sequence(options.folder / history_folder.DATABASE)
    told: dict[str, object] = {"seq": sequence}
    if options.snapshot == history_copy.NEWEST:
        told["archived_at"] = place.archived_at.isoformat()
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


def _refuse_remains(folder: Path) -> None:
    """Raise InvalidRequest where a history is, or what is left of one.

    SQLite would write a WAL into whatever database stands beside it, and what `newest` names is later than
    all that was archived.
    """
    names = (history_folder.DATABASE, history_folder.WAL, history_folder.WAL_INDEX, history_folder.NEWEST)
    for name in names:
        if (folder / name).exists():
            raise InvalidRequest(
                f"There is a history in {folder} already, or what is left of one: {name}.",
                next_step="Move the whole folder away, and restore again.",
                field="folder",
            )


async def _restore(options: argparse.Namespace, settings: Settings) -> ArchivedHistoryPlace:
    cluster = await _connect(options, settings)
    name = options.archive_name or settings.history.archive_name
    try:
        place = await _find_place(cluster, settings, options.from_storage, name)
        storage = msgspec.structs.replace(place.storage, cluster=cluster.id)
        with tempfile.TemporaryDirectory(prefix="kronkeep-restore-") as scratch:
            packed = Path(scratch) / history_copy.FILE
            repository = repository_of_history(storage, name)
            await _fetch(cluster, settings, repository, options.snapshot, packed)
            await asyncio.to_thread(_unpack, packed, options.folder)
    finally:
        await cluster.close()
    return place


async def _connect(options: argparse.Namespace, settings: Settings) -> Cluster:
    """Connect to the cluster that the options name, or to the only one of the settings."""
    if options.kubeconfig is not None:
        return await Cluster.connect(kubeconfig=options.kubeconfig)
    if options.cluster is None and len(settings.clusters) != 1:
        names = ", ".join(settings.clusters) or "none"
        raise InvalidRequest(f"The settings have these clusters: {names}.", next_step="Name one: --cluster.")
    configured = settings.clusters.get(options.cluster or next(iter(settings.clusters)), ClusterSettings())
    kubeconfig = Path(configured.kubeconfig) if configured.kubeconfig else None
    return await Cluster.connect(
        kubeconfig=kubeconfig, context=configured.context, in_cluster=configured.in_cluster
    )


async def _find_place(
    cluster: Cluster, settings: Settings, storage_id: str, name: str
) -> ArchivedHistoryPlace:
    """Return where the copy is; raise StorageNotFound with what there is."""
    places = await read_places(cluster, settings.namespace)
    text = places.get(place_key(storage_id, name))
    if text is None:
        names = ", ".join(sorted(places)) or "none"
        raise StorageNotFound(
            f"No history was archived as {clean(name, 80)} into {clean(storage_id, 80)}; there are: {names}.",
            next_step="STORAGE.NAME: name them with --from-storage and --archive-name.",
        )
    return msgspec.json.decode(text, type=ArchivedHistoryPlace)


async def _fetch(
    cluster: Cluster, settings: Settings, repository: Repository, snapshot: str, target: Path
) -> None:
    """Write a copy in the repository to a file, piece by piece."""
    own = await History.open(target.parent / "own", clock=SystemClock())  # which Jobs are ours
    try:
        jobs = _compose_jobs(cluster, own, settings)
        with target.open("wb") as file:
            while True:
                piece = await _fetch_piece(jobs, repository, snapshot, file.tell())
                file.write(piece)
                if len(piece) < PIECE_BYTES:
                    break
    finally:
        await own.close()


def _compose_jobs(cluster: Cluster, history: History, settings: Settings) -> RepositoryJobs:
    clock = SystemClock()
    clusters = Clusters([cluster])

    def current() -> Settings:
        return settings

    read: Callable[[], Settings] = current
    secrets = RepositorySecrets(clusters=clusters, settings=read)
    runners = JobRunners(
        clusters=clusters,
        clock=clock,
        tokens=ObjectTokens(history=history, clock=clock),
        recorders={},
        settings=read,
    )
    copies = CredentialCopies(
        clusters=clusters, history=history, clock=clock, secrets=secrets, runners=runners
    )
    queues = RepositoryQueues(clock=clock, settings=read)
    return RepositoryJobs(clusters=clusters, settings=read, queues=queues, copies=copies, runners=runners)


async def _fetch_piece(jobs: RepositoryJobs, repository: Repository, snapshot: str, begin: int) -> bytes:
    """Return the bytes from `begin` on; raise StorageFailed."""
    lines: list[bytes] = []

    def add_line(container: str, line: bytes) -> None:
        if container == "piece":
            lines.append(line)

    steps = [("piece", history_copy.piece_argv(begin, PIECE_BYTES, snapshot))]
    name = job_names.new_name("piece", repository.storage)
    finished = await jobs.run(name, steps, repository, PIECE_SECONDS, on_line=add_line)
    failure = storage_failure(finished)
    if failure is not None:
        raise failure
    finished.require_whole_logs()
    try:
        return base64.b64decode(b"".join(lines), validate=True)
    except binascii.Error as fault:
        said = clean(b" ".join(lines[-3:]).decode(errors="replace"), 300)
        raise StorageFailed(
            f"The Job printed no history: {said}", reason=Reason.LISTING_UNREADABLE
        ) from fault


def _unpack(packed: Path, folder: Path) -> None:
    """Put the database into the folder once it was checked; raise DamagedHistory."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = folder / f"{history_folder.DATABASE}.tmp"
    try:
        with gzip.open(packed, "rb") as source, new.open("wb") as target:
            shutil.copyfileobj(source, target, 1024 * 1024)
            durable.sync(target.fileno())
    except (EOFError, gzip.BadGzipFile) as fault:
        raise DamagedHistory("The copy is not whole.", file=str(packed)) from fault
    with translate_faults(folder), closing(connect(new)) as connection:
        check_format(connection)
        faults = check_whole(connection)
    if faults:
        raise DamagedHistory(f"The copy is damaged: {'; '.join(faults[:5])}.", file=str(packed))
    new.rename(folder / history_folder.DATABASE)
    durable.sync_folder(folder)
