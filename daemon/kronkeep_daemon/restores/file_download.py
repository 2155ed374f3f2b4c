"""Downloads of single files: restored to scratch space in a Job, sent as base64 lines in the Job's log.

A pod's log is text in lines, so bytes are sent as base64, 9,000 on a line. The file's SHA-256 is read first,
and the last bytes are passed on only when all that came has that checksum. One line is held in memory.
"""

import asyncio
import base64
import binascii
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from kronkeep_common import path_text
from kronkeep_common.errors import ClusterUnreachable, FileTooLarge, InvalidRequest, StorageFailed
from kronkeep_common.models import BackupExecution, SnapshotFile
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean
from kronkeep_daemon.history.record_ids import new_id
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject, Pod
from kronkeep_daemon.repositories.job_manifests import build_repository_job
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.restores import restore_manifests, snapshot_paths
from kronkeep_daemon.restores.snapshot_jobs import SnapshotJobs
from kronkeep_daemon.restores.snapshot_listing import WAIT_SECONDS, SnapshotListings
from kronkeep_daemon.restores.snapshot_paths import RestoreCall
from kronkeep_daemon.settings import Settings

# A kubelet keeps 5 files of 10 MiB of a container's log (containerLogMaxSize, containerLogMaxFiles), and a
# reader that is slower than the container loses what is older: 32 MiB are 43 MiB as base64.
LARGEST_FILE = 32 * 1024 * 1024  # bytes
LINE_LENGTH = "12000"  # characters
DEADLINE_SECONDS = 1800.0
SILENT_SECONDS = 60.0


class FileDownload(NamedTuple):
    """A file being sent: its entry in the listing, the SHA-256 of what was restored, and its bytes."""

    entry: SnapshotFile
    sha256: str
    chunks: AsyncIterator[bytes]


class FileDownloads:
    """Downloads of files from snapshots."""

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
    async def open(
        self, backup_id: str, path: str, is_abandoned: Callable[[], bool]
    ) -> AsyncIterator[FileDownload]:
        """Give the download of a file; its Job is removed at the end of the block.

        is_abandoned: whether nobody waits for the file any more.

        Raises PathNotFound, InvalidRequest, FileTooLarge, StillReading, StorageFailed.
        """
        backup = await self._snapshots.open(backup_id, None, WAIT_SECONDS)
        entry = await self._snapshots.fetch_entry(backup, path)
        if entry.kind != "file":
            raise InvalidRequest(
                "Only a regular file can be downloaded alone.",
                next_step="A folder comes as a tar archive (GET /v1/backups/{id}/tar); or restore it.",
                field="path",
                kind=entry.kind,
            )
        if not entry.exact:
            raise snapshot_paths.inexact_name(entry.path)
        if entry.size > LARGEST_FILE:
            raise FileTooLarge(
                f"The file has {entry.size:,} bytes; at most {LARGEST_FILE:,} go through a pod's log.",
                field="path",
            )
        repository = self._snapshots.repository_of(backup)
        cluster_id, namespace = self._jobs.place_of(repository)
        manifest = self._build_job(backup, entry.path, repository, namespace)
        try:
            pod = await self._wait_until_sending(cluster_id, manifest, repository, is_abandoned)
            sha256 = await self._read_sha256(cluster_id, pod)
            chunks = self._jobs.container_chunks(cluster_id, pod, "send")
            yield FileDownload(entry, sha256, _decode_and_check(chunks, entry.size, sha256))
        except StorageFailed as fault:
            explained = await self._snapshots.explain_gone(backup, fault)
            if explained is fault:
                raise
            raise explained from fault
        finally:
            await self._jobs.remove(cluster_id, namespace, manifest["metadata"]["name"])

    async def _wait_until_sending(
        self,
        cluster_id: str,
        manifest: JsonObject,
        repository: Repository,
        is_abandoned: Callable[[], bool],
    ) -> Pod:
        """Return the pod once its last container runs; raise StorageFailed where it never will."""
        async with self._queues.hold_for_reading(repository.id, "download"):
            try:
                return await self._jobs.run_until_started(
                    cluster_id, manifest, "send", repository=repository, is_abandoned=is_abandoned
                )
            except NotFoundInCluster as deleted:
                raise StorageFailed(
                    "The Job that read the file was deleted.", reason=Reason.JOB_GONE
                ) from deleted

    async def _read_sha256(self, cluster_id: str, pod: Pod) -> str:
        """Return the SHA-256 in hexadecimal that the container `sum` printed before it ended."""
        log = b"".join([chunk async for chunk in self._jobs.container_chunks(cluster_id, pod, "sum")])
        first_line = log.partition(b"\n")[0].partition(b" ")[2]
        return first_line.lstrip(b"\\")[:64].decode(errors="replace")

    def _build_job(
        self, backup: BackupExecution, path: str, repository: Repository, namespace: str
    ) -> JsonObject:
        """Return a Job that restores the file, hashes it and prints it."""
        assert backup.result is not None
        snapshot_id, _ = snapshot_paths.split_by_snapshot(backup.result, (path,), None)[0]
        call = RestoreCall(
            snapshot_id=snapshot_id,
            folder=snapshot_paths.TARGET,
            patterns=snapshot_paths.escape_patterns((path,)),
        )
        job = build_repository_job(
            name=f"kronkeep-file-{new_id()}",
            namespace=namespace,
            steps=restore_manifests.restore_steps([call]),
            repository=repository,
            settings=self._settings().archive,
            deadline_seconds=DEADLINE_SECONDS,
        )
        restored = f"{snapshot_paths.TARGET}{path_text.unescape(path)}"
        return restore_manifests.add_sending(job, restored, LINE_LENGTH)


async def _decode_and_check(chunks: AsyncIterator[bytes], size: int, sha256: str) -> AsyncIterator[bytes]:
    """Yield the decoded bytes, each line only when the next has come.

    So the last line is held back until size and SHA-256 are known to be right. Raises ClusterUnreachable when
    they are not.
    """
    checksum = hashlib.sha256()
    count = 0
    held_back = b""
    rest = b""
    while (chunk := await _next_chunk(chunks)) is not None:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if held_back:
                yield held_back
            held_back = _decode_line(line)
            checksum.update(held_back)
            count += len(held_back)
    if rest or count != size or checksum.hexdigest() != sha256:
        raise ClusterUnreachable(
            f"The pod's log gave {count:,} of {size:,} bytes, or others than the file's.",
            next_step="Download it again, or restore it to a claim.",
        )
    yield held_back


async def _next_chunk(chunks: AsyncIterator[bytes]) -> bytes | None:
    """Return the next bytes, None at the end; raise ClusterUnreachable after a minute without any."""
    try:
        async with asyncio.timeout(SILENT_SECONDS):
            return await anext(chunks)
    except StopAsyncIteration:
        return None
    except TimeoutError as silence:
        raise ClusterUnreachable("The pod's log stopped in the middle.") from silence


def _decode_line(line: bytes) -> bytes:
    text = line.partition(b" ")[2]
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as fault:
        shown = clean(text[:100].decode(errors="replace"), 100)
        raise ClusterUnreachable(f"The pod's log has something other than the file: {shown}") from fault
