"""One file of a snapshot through the API: restored to scratch in a Job, sent as base64 lines in its log.

A pod's log is text in lines, so bytes go through it as base64, 9,000 a line. The file's SHA-256 is read
first, and the last bytes are given out only when all that came has that hash. Nothing is held but one line.
"""

import asyncio
import base64
import binascii
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from kronkeep_common.errors import ClusterUnreachable, FileTooLarge, InvalidRequest, StorageFailed
from kronkeep_common.models import BackupExecution, SnapshotFile
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean
from kronkeep_daemon.jobs.outcome import FinishedJob
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject, Pod
from kronkeep_daemon.repositories.job_manifests import build_repository_job
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.restores import path_mapping, restore_manifests, restore_outcome
from kronkeep_daemon.restores.path_mapping import RestoreCall
from kronkeep_daemon.restores.snapshot_jobs import SnapshotJobs
from kronkeep_daemon.restores.snapshot_listing import SnapshotListings
from kronkeep_daemon.settings import Settings

# A kubelet keeps 5 files of 10 MiB of a container's log (containerLogMaxSize, containerLogMaxFiles), and a
# reader that is slower than the container loses what is older: 32 MiB are 43 MiB as base64.
MOST = 32 * 1024 * 1024
LINE = "12000"
SECONDS = 1800.0
SILENT_SECONDS = 60.0


class FileDownload(NamedTuple):
    """A file on its way: its entry, the hash of what restic brought back, and its bytes."""

    entry: SnapshotFile
    sha256: str
    chunks: AsyncIterator[bytes]


class FileDownloads:
    """Sends single files."""

    def __init__(
        self,
        *,
        queues: RepositoryQueues,
        snapshots: SnapshotListings,
        jobs: SnapshotJobs,
        settings: Callable[[], Settings],
    ) -> None:
        self._queues = queues
        self._snapshots = snapshots
        self._jobs = jobs
        self._settings = settings

    @asynccontextmanager
    async def open(self, backup_id: str, path: str, gone: Callable[[], bool]) -> AsyncIterator[FileDownload]:
        """The file; its Job is removed at the end, or as soon as the caller is `gone`.

        Raises PathNotFound, InvalidRequest, FileTooLarge, StillReading, StorageFailed.
        """
        backup = self._snapshots.restorable(backup_id)
        entry = await self._snapshots.entry(backup_id, path)
        if entry.kind != "file":
            raise InvalidRequest("Only a regular file can be downloaded.", field="path")
        if entry.size > MOST:
            words = f"The file has {entry.size:,} bytes; at most {MOST:,} go through a pod's log."
            raise FileTooLarge(words, field="path")
        where = self._snapshots.repository(backup)
        cluster_id, namespace = self._jobs.place_of(where)
        job = self._job(backup, path, where, namespace)
        name = job["metadata"]["name"]
        try:
            pod = await self._begun(cluster_id, job, where, gone)
            digest = await self._read_digest(cluster_id, pod)
            chunks = self._jobs.container_chunks(cluster_id, pod, "send")
            yield FileDownload(entry, digest, _checked(chunks, entry.size, digest))
        finally:
            await self._jobs.remove(cluster_id, namespace, name)

    async def _begun(
        self, cluster_id: str, job: JsonObject, where: Repository, gone: Callable[[], bool]
    ) -> Pod:
        """The pod once it sends; raises StorageFailed where it never will."""
        async with self._queues.hold_for_reading(where.id):
            try:
                found = await self._jobs.run_until_started(
                    cluster_id, job, "send", repository=where, is_abandoned=gone
                )
            except NotFoundInCluster as removed:
                raise StorageFailed("The Job that read the file went.", reason=Reason.JOB_GONE) from removed
        if not isinstance(found, FinishedJob):
            return found
        fault = restore_outcome.fault(found) or restore_outcome.INTERRUPTED
        raise StorageFailed(fault.message, next_step=fault.next_step, reason=fault.reason)

    async def _read_digest(self, cluster_id: str, pod: Pod) -> str:
        """Return the SHA-256 that the ended container `sum` printed, in hexadecimal."""
        log = b"".join([chunk async for chunk in self._jobs.container_chunks(cluster_id, pod, "sum")])
        first_line = log.partition(b"\n")[0].partition(b" ")[2]
        return first_line.lstrip(b"\\")[:64].decode(errors="replace")

    def _job(self, backup: BackupExecution, path: str, where: Repository, namespace: str) -> JsonObject:
        """Restores the file, hashes it, prints it; only the first container knows the repository."""
        assert backup.result is not None
        settings = self._settings()
        name = f"kronkeep-file-{secrets.token_hex(6)}"
        snapshot, _ = path_mapping.parts(backup.result, (path,), None)[0]
        steps = restore_manifests.restore_steps(
            [
                RestoreCall(
                    snapshot_id=snapshot, folder=path_mapping.TARGET, patterns=path_mapping.escaped((path,))
                )
            ]
        )
        job = build_repository_job(
            name=name,
            namespace=namespace,
            steps=steps,
            where=where,
            settings=settings.archive,
            deadline_seconds=SECONDS,
        )
        return restore_manifests.sending_job(job, f"{path_mapping.TARGET}{path}", LINE)


async def _checked(chunks: AsyncIterator[bytes], size: int, digest: str) -> AsyncIterator[bytes]:
    """The decoded bytes, one line behind; raises ClusterUnreachable when they are not what was hashed."""
    found = hashlib.sha256()
    count = 0
    last = b""
    rest = b""
    while (chunk := await _next(chunks)) is not None:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if last:
                yield last
            last = _decoded(line)
            found.update(last)
            count += len(last)
    if rest or count != size or found.hexdigest() != digest:
        raise ClusterUnreachable(
            f"The pod's log gave {count:,} of {size:,} bytes, or others than the file's.",
            next_step="Download it again, or restore it to a claim.",
        )
    yield last


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    try:
        async with asyncio.timeout(SILENT_SECONDS):
            return await anext(chunks)
    except StopAsyncIteration:
        return None
    except TimeoutError as silent:
        raise ClusterUnreachable("The pod's log went silent.") from silent


def _decoded(line: bytes) -> bytes:
    text = line.partition(b" ")[2]
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as fault:
        words = clean(text[:100].decode(errors="replace"), 100)
        raise ClusterUnreachable(f"The pod's log has something else than the file: {words}") from fault
