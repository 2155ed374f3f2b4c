"""Downloads of folders as tar archives, of any size: `restic dump` in a Job, sent in parts through its log.

`part_protocol` says how they go through the log. Each part is checked by its SHA-256 before it is passed
on. Nothing of a download is kept: one that breaks off is continued by a new Job that writes the same again
and leaves out what the client has, after it has compared the sums of that.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from kronkeep_common import object_keys, path_text
from kronkeep_common.errors import (
    ClusterUnreachable,
    Conflict,
    InvalidRequest,
    KronkeepError,
    StorageFailed,
    TooMany,
    Unavailable,
)
from kronkeep_common.models import BackupExecution, SnapshotFile
from kronkeep_common.models.tar_download import TarDownload
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean
from kronkeep_daemon.history.record_ids import new_id
from kronkeep_daemon.jobs import pods
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import Forbidden, NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject, Pod, convert_object
from kronkeep_daemon.repositories.job_manifests import build_repository_job
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_jobs import storage_error
from kronkeep_daemon.restic import dump, faults
from kronkeep_daemon.restic.command_line import keep_bytes
from kronkeep_daemon.restores import part_protocol, restore_outcome, snapshot_paths
from kronkeep_daemon.restores.part_protocol import BLOCK_BYTES, Part, PartReader, SkippedBytes, StreamEnd
from kronkeep_daemon.restores.snapshot_jobs import SnapshotJobs
from kronkeep_daemon.restores.snapshot_listing import WAIT_SECONDS, SnapshotListings
from kronkeep_daemon.settings import Settings

log = logging.getLogger(__name__)
DEADLINE_SECONDS = 24 * 3600.0
SILENT_SECONDS = 30.0  # without a line, before the parts that are missing are asked for again
MOST_REPEATS = 20  # of such requests without a part between them
MOST_AT_ONCE = 4  # downloads
MOST_STATES = 100  # of downloads that are remembered, the newest
HEADER_BYTES = 1536  # of an entry in a tar archive with a long name or a fraction in its time: three blocks
SCRATCH = "/kronkeep/scratch"
GO_FOLDER = "/kronkeep/go"
STEP = "send"


class TarQuestion(NamedTuple):
    """What is downloaded, by whom.

    offset: how many bytes the client has; a multiple of 64 KiB.
    sha256: of those bytes, in hexadecimal.
    """

    backup_id: str
    path: str
    uid: int
    offset: int = 0
    sha256: str = ""


@dataclass
class _Download:
    """A download at work."""

    question: TarQuestion
    backup: BackupExecution
    cluster: Cluster
    pod: Pod
    reader: PartReader
    asked: int = 0
    repeats: int = 0
    last_time: str | None = None


class TarDownloads:
    """Downloads of folders from snapshots."""

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
        self._at_work = 0
        self._states: dict[tuple[str, str, int], TarDownload] = {}

    async def describe(self, backup_id: str, path: str, uid: int) -> TarDownload:
        """Return the user's last download of the folder, or what one would be; raise as `open` does."""
        folder = snapshot_paths.normalize_path(path)
        state = self._states.get((backup_id, folder, uid))
        if state is not None:
            return state
        backup = await self._snapshots.open(backup_id, None, WAIT_SECONDS)
        await self._require_folder(backup, folder)
        expected = await asyncio.to_thread(_estimate_size, self._snapshots.read_entries(backup), folder)
        return TarDownload(backup_id=backup_id, path=folder, expected_bytes=expected)

    @asynccontextmanager
    async def open(
        self, question: TarQuestion, is_abandoned: Callable[[], bool]
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Give the bytes from the offset on; the Job is removed at the end of the block.

        is_abandoned: whether nobody waits for them any more.

        The bytes raise where they end too early. Raises PathNotFound, InvalidRequest, StillReading, TooMany,
        StorageFailed, and Conflict where the client has other bytes than the archive begins with.
        """
        if question.offset % BLOCK_BYTES:
            raise InvalidRequest(f"The offset is no multiple of {BLOCK_BYTES}.", field="offset")
        if self._at_work >= MOST_AT_ONCE:
            raise TooMany(f"{MOST_AT_ONCE} folders are being downloaded already.")
        self._at_work += 1
        try:
            async with self._open(question, is_abandoned) as chunks:
                yield chunks
        finally:
            self._at_work -= 1

    @asynccontextmanager
    async def _open(
        self, question: TarQuestion, is_abandoned: Callable[[], bool]
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        backup = await self._snapshots.open(question.backup_id, None, WAIT_SECONDS)
        question = question._replace(path=snapshot_paths.normalize_path(question.path))
        await self._require_folder(backup, question.path)
        expected = await asyncio.to_thread(
            _estimate_size, self._snapshots.read_entries(backup), question.path
        )
        repository = self._snapshots.repository_of(backup)
        cluster_id, namespace = self._jobs.place_of(repository)
        manifest = self._build_job(backup, question, repository, namespace)
        self._note(question, expected_bytes=expected, sent_bytes=question.offset)
        # The repository is read until the end, so a prune waits for it.
        async with self._queues.hold_for_reading(repository.id, "download"):
            try:
                pod = await self._wait_until_sending(cluster_id, manifest, repository, is_abandoned)
                cluster = self._jobs.cluster(cluster_id)
                download = _Download(
                    question=question, backup=backup, cluster=cluster, pod=pod, reader=PartReader()
                )
                async with aclosing(self._send(download)) as chunks:
                    yield chunks
            finally:
                await self._jobs.remove(cluster_id, namespace, manifest["metadata"]["name"])

    async def _require_folder(self, backup: BackupExecution, path: str) -> None:
        if path == "/":
            return
        entry = await self._snapshots.fetch_entry(backup, path)
        if entry.kind != "dir":
            raise InvalidRequest(
                "Only a folder is sent as a tar archive.",
                next_step="Download the file itself, or the folder that it is in.",
                field="path",
            )
        if not entry.exact:
            raise snapshot_paths.inexact_name(entry.path)

    def _build_job(
        self, backup: BackupExecution, question: TarQuestion, repository: Repository, namespace: str
    ) -> JsonObject:
        """Return a Job of one container that sends the folder."""
        assert backup.result is not None
        include = () if question.path == "/" else (question.path,)
        snapshot_id, _ = snapshot_paths.split_by_snapshot(backup.result, include, None)[0]
        argv = dump.tar_argv(snapshot_id, path_text.unescape(question.path))
        go = f"{GO_FOLDER}/read"
        command = part_protocol.send_argv(SCRATCH, go, question.offset // BLOCK_BYTES, argv)
        job = build_repository_job(
            name=f"kronkeep-tar-{new_id()}",
            namespace=namespace,
            steps=[(STEP, command)],
            repository=repository,
            settings=self._settings().archive,
            deadline_seconds=DEADLINE_SECONDS,
        )
        template = job["spec"]["template"]
        template["metadata"]["annotations"][object_keys.READ_PARTS] = part_protocol.go_text(0, 0)
        field = {"fieldPath": f"metadata.annotations['{object_keys.READ_PARTS}']"}
        pod = template["spec"]
        pod["volumes"] += [
            {"name": "scratch", "emptyDir": {}},
            {"name": "go", "downwardAPI": {"items": [{"path": "read", "fieldRef": field}]}},
        ]
        container = pod["containers"][0]
        container["command"] = keep_bytes(container["command"])
        container["volumeMounts"] = [
            *container["volumeMounts"],
            {"name": "scratch", "mountPath": SCRATCH},
            {"name": "go", "mountPath": GO_FOLDER, "readOnly": True},
        ]
        return job

    async def _wait_until_sending(
        self,
        cluster_id: str,
        manifest: JsonObject,
        repository: Repository,
        is_abandoned: Callable[[], bool],
    ) -> Pod:
        """Return the pod once its container runs; raise StorageFailed where it never will."""
        try:
            return await self._jobs.run_until_started(
                cluster_id, manifest, STEP, repository=repository, is_abandoned=is_abandoned
            )
        except NotFoundInCluster as deleted:
            raise _job_gone() from deleted

    async def _send(self, download: _Download) -> AsyncGenerator[bytes, None]:
        """Yield the parts in their order; return once the whole archive was sent and restic ended well."""
        question = download.question
        sent = question.offset
        async with aclosing(self._results(download)) as results:
            async for result in results:
                if isinstance(result, SkippedBytes):
                    _require_same(question, result)
                elif isinstance(result, StreamEnd):
                    await self._require_whole(download, result)
                    self._note(question, sent_bytes=sent, sha256=result.sha256)
                else:
                    for chunk in result.chunks:
                        sent += len(chunk)
                        yield chunk
                    self._note(question, sent_bytes=sent)

    async def _require_whole(self, download: _Download, end: StreamEnd) -> None:
        """Raise StorageFailed where restic ended with an error."""
        if end.code:
            fault = storage_error(faults.explain(end.code, download.reader.errors))
            raise await self._snapshots.explain_gone(download.backup, fault)

    async def _results(self, download: _Download) -> AsyncGenerator[Part | SkippedBytes | StreamEnd, None]:
        """Yield what the container's lines say, up to the end; ask again for parts that did not arrive whole.

        Raises StorageFailed where the pod is gone, or nothing comes however often it is asked for.
        """
        reader = download.reader
        while True:
            lines = _follow(download)
            try:
                async with aclosing(lines):
                    while (line := await _next_line(lines)) is not None:
                        result = reader.take(line)
                        if isinstance(result, Part):
                            download.repeats = 0
                            await _tell(download)
                        if reader.is_broken:
                            await _ask_again(download)
                        if result is not None:
                            yield result
                        if isinstance(result, StreamEnd):
                            return
            except (TimeoutError, Unavailable) as fault:
                if isinstance(fault, Unavailable) and not fault.retryable:
                    raise
                log.info("a download's log broke off: %s", fault or "silence")
            except NotFoundInCluster as deleted:
                raise _job_gone() from deleted
            await _require_running(download)
            await _ask_again(download)

    def _note(self, question: TarQuestion, **fields: Any) -> None:
        """Note how far a download has come; a new one replaces what is known of the one before."""
        key = (question.backup_id, question.path, question.uid)
        state = self._states.pop(key, None)
        if state is None or "expected_bytes" in fields:
            state = TarDownload(backup_id=question.backup_id, path=question.path, **fields)
        else:
            state = msgspec.structs.replace(state, **fields)
        self._states[key] = state
        while len(self._states) > MOST_STATES:
            del self._states[next(iter(self._states))]


def _estimate_size(entries: Iterator[SnapshotFile], folder: str) -> int:
    """Return about how many bytes the archive of a folder has. Reads a file: call it in a thread."""
    include = () if folder == "/" else (folder,)
    size = 0
    for entry in entries:
        if snapshot_paths.is_included(entry.path, include):
            size += HEADER_BYTES
            size += -(-entry.size // 512) * 512 if entry.kind == "file" else 0
    return size


def _job_gone() -> StorageFailed:
    return StorageFailed("The Job that read the folder was deleted.", reason=Reason.JOB_GONE)


def _require_same(question: TarQuestion, skipped: SkippedBytes) -> None:
    if skipped.sha256 != question.sha256:
        raise Conflict(
            "What there is of the file is not what the archive begins with.",
            next_step="Remove the .part file, and download it from the beginning.",
        )


async def _follow(download: _Download) -> AsyncGenerator[bytes, None]:
    """Yield the lines of the container, without their times, from the last one that was read."""
    meta = download.pod.metadata
    chunks = download.cluster.log_chunks(
        meta.namespace, meta.name, STEP, follow=True, since_time=download.last_time
    )
    rest = b""
    async with aclosing(chunks):
        async for chunk in chunks:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                time, _, text = line.partition(b" ")
                download.last_time = time.decode(errors="replace")
                yield text


async def _next_line(lines: AsyncIterator[bytes]) -> bytes | None:
    """Return the next line, None at the end; raise TimeoutError after SILENT_SECONDS without any."""
    try:
        async with asyncio.timeout(SILENT_SECONDS):
            return await anext(lines)
    except StopAsyncIteration:
        return None


async def _ask_again(download: _Download) -> None:
    """Ask for the parts that have not arrived; raise StorageFailed where that has not helped."""
    download.reader.is_broken = False
    download.asked += 1
    download.repeats += 1
    if download.repeats > MOST_REPEATS:
        raise StorageFailed(
            "The parts of the archive do not arrive through the pod's log.",
            next_step="Try again; or restore the folder to a claim.",
            reason=Reason.INTERRUPTED,
        )
    await _tell(download)


async def _tell(download: _Download) -> None:
    """Tell the container what has arrived, in an annotation of its pod."""
    meta = download.pod.metadata
    text = part_protocol.go_text(download.reader.read, download.asked)
    body = {"metadata": {"uid": meta.uid, "annotations": {object_keys.READ_PARTS: text}}}
    try:
        await download.cluster.patch(paths.pods(meta.namespace, meta.name), body)
    except Forbidden as denied:
        raise StorageFailed(
            f"kronkeepd may not change pods in {clean(meta.namespace, 63)}: {denied.message}",
            next_step="Grant `patch` on pods there, as systemd/kubernetes/rights.yaml does.",
            reason=Reason.PERMISSION_DENIED,
        ) from denied
    except NotFoundInCluster as deleted:
        raise _job_gone() from deleted
    except KronkeepError as fault:
        log.warning("a download's pod is told later what has arrived: %s", fault)


async def _require_running(download: _Download) -> None:
    """Raise StorageFailed where the container has ended, or is gone."""
    meta = download.pod.metadata
    try:
        pod = convert_object(await download.cluster.get(paths.pods(meta.namespace, meta.name)), Pod)
    except NotFoundInCluster as deleted:
        raise _job_gone() from deleted
    except ClusterUnreachable:
        return  # it is asked again until MOST_REPEATS
    status = pods.container_status(pod, STEP)
    if status is not None and pods.has_ended(status):
        fault = restore_outcome.INTERRUPTED
        message = "The pod that read the folder ended before the archive did."
        raise StorageFailed(message, next_step=fault.next_step, reason=fault.reason)
