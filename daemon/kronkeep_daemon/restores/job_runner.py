"""Runs one Job of ours and hears every line of its containers, also after a restart of the daemon."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

from kronkeep_common import object_keys
from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.jobs import node_placement, runner
from kronkeep_daemon.jobs.outcome import ContainerResult, FinishedJob
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs

Hear = Callable[[str, bytes], None]
LOOK_SECONDS = 0.3
AWAY_SECONDS = 2.0
SILENT_SECONDS = 5.0
TAIL = 64 * 1024
LONGEST_LINE = 1024 * 1024


class Runner:
    """Runs Jobs in one cluster."""

    def __init__(self, cluster: Cluster, repositories: RepositoryJobs, clock: Clock) -> None:
        self.cluster = cluster
        self.repositories = repositories
        self._clock = clock

    async def on_repository(self, job: JsonObject, where: Repository, hear: Hear) -> FinishedJob:
        """Runs a Job that has the repository's password until it ends."""
        namespace = job["metadata"]["namespace"]
        name = job["metadata"]["name"]
        await self.repositories.copy_credentials(where, self.cluster, namespace, name, None)
        await self._create(job)
        ended = await self.heard(namespace, name, hear)
        await self.repositories.remove_credentials(self.cluster, namespace, name)
        return ended

    async def plain(self, job: JsonObject, hear: Hear) -> FinishedJob:
        """Runs a Job that needs no repository."""
        await self._create(job)
        return await self.heard(job["metadata"]["namespace"], job["metadata"]["name"], hear)

    async def _create(self, job: JsonObject) -> None:
        """Creates the Job once, on the node that holds one of its claims already."""
        pod = job["spec"]["template"]["spec"]
        namespace = job["metadata"]["namespace"]
        claims = [volume.get("persistentVolumeClaim") for volume in pod["volumes"]]
        names = tuple(claim["claimName"] for claim in claims if claim)
        node = await node_placement.node_of(self.cluster, namespace, names)
        if node is not None:
            pod["affinity"] = node_placement.on_node(node)
        await runner.create_once(self.cluster, job)

    async def heard(self, namespace: str, name: str, hear: Hear) -> FinishedJob:
        """Waits for the Job's end; `hear(container, line)` gets each line once, without its time.

        Raises NotFoundInCluster when the Job goes before its end, and what `hear` raises.
        """
        ears: dict[str, _Ear] = {}
        while True:
            job = await self._look(namespace, name)
            pod = await self._pod(namespace, name)
            for container, state in _begun(pod):
                ear = ears.setdefault(container, _Ear(container, hear))
                if pod is not None and not await self._listen(pod, ear, follow="running" in state):
                    break
            if (end := runner.end_of(job)) is not None:
                return _ended(end, pod, ears)
            await self._clock.sleep(LOOK_SECONDS)

    async def until(
        self, job: JsonObject, where: Repository, container: str, gone: Callable[[], bool]
    ) -> JsonObject | FinishedJob:
        """Runs a Job on a repository until one of its containers has begun: the pod then.

        Answers how the Job ended where it ended before; raises NotFoundInCluster when `gone` says so.
        """
        namespace = job["metadata"]["namespace"]
        name = job["metadata"]["name"]
        await self.repositories.copy_credentials(where, self.cluster, namespace, name, None)
        await self._create(job)
        while True:
            found = await self._look(namespace, name)
            pod = await self._pod(namespace, name)
            if pod is not None and any(begun == container for begun, _ in _begun(pod)):
                return pod
            if runner.end_of(found) is not None:
                return await self.heard(namespace, name, lambda *_: None)
            if gone():
                raise NotFoundInCluster("The caller went before the file was there.")
            await self._clock.sleep(LOOK_SECONDS)

    def chunks(self, pod: JsonObject, container: str) -> AsyncIterator[bytes]:
        """The log of a container that has begun, to its end."""
        meta = pod["metadata"]
        state = dict(_begun(pod))[container]
        return self.cluster.log_chunks(meta["namespace"], meta["name"], container, follow="running" in state)

    async def said(self, pod: JsonObject, container: str) -> bytes:
        """The first line of an ended container's log, without its time."""
        text = b"".join([chunk async for chunk in self.chunks(pod, container)])
        return text.partition(b"\n")[0].partition(b" ")[2]

    async def remove(self, namespace: str, name: str) -> None:
        """Deletes a Job and its password; its pod is stopped."""
        await self.cluster.delete(paths.jobs(namespace, name))
        await self.repositories.remove_credentials(self.cluster, namespace, name)

    async def exists(self, namespace: str, name: str) -> bool:
        """Whether the cluster has the Job."""
        try:
            await self.cluster.get(paths.jobs(namespace, name))
        except NotFoundInCluster:
            return False
        return True

    async def _look(self, namespace: str, name: str) -> JsonObject:
        """The Job; an API server that is away is waited for."""
        while True:
            try:
                return await self.cluster.get(paths.jobs(namespace, name))
            except KronkeepError as fault:
                if not fault.retryable:
                    raise
                await self._clock.sleep(AWAY_SECONDS)

    async def _pod(self, namespace: str, name: str) -> JsonObject | None:
        try:
            items, _ = await self.cluster.list(
                paths.pods(namespace), labelSelector=f"{object_keys.JOB_NAME_LABEL}={name}"
            )
        except KronkeepError as fault:
            if not fault.retryable:
                raise
            return None
        return items[-1] if items else None

    async def _listen(self, pod: JsonObject, ear: "_Ear", *, follow: bool) -> bool:
        """Hears a container to its end; False when the stream broke or was silent before it.

        A silent stream may be one whose node is gone, so the Job is looked at again.
        """
        if ear.done:
            return True
        meta = pod["metadata"]
        ear.again()
        chunks = self.cluster.log_chunks(meta["namespace"], meta["name"], ear.container, follow=follow)
        try:
            while True:
                async with asyncio.timeout(SILENT_SECONDS):
                    ear.take(await anext(chunks))
        except StopAsyncIteration:
            ear.done = True
            return True
        except TimeoutError:
            return False
        except KronkeepError as fault:
            if not fault.retryable and not isinstance(fault, NotFoundInCluster):
                raise
            return False


class Runners:
    """A runner for every cluster."""

    def __init__(self, clusters: Clusters, repositories: RepositoryJobs, clock: Clock) -> None:
        self._clusters = clusters
        self._repositories = repositories
        self._clock = clock

    def on(self, cluster_id: str) -> Runner:
        """Where a record's Jobs run; raises ClusterNotFound."""
        return Runner(self._clusters.of(cluster_id), self._repositories, self._clock)

    def at(self, where: Repository) -> tuple[Runner, str]:
        """Where Jobs that only read a repository run, and in which namespace: at home with its storage."""
        return self.on(where.storage.cluster), self._repositories.namespace(where)


class _Ear:
    """Cuts one container's log into lines; lines that were heard before a broken stream are passed over."""

    def __init__(self, container: str, hear: Hear) -> None:
        self.container = container
        self.done = False
        self.tail = b""
        self._hear = hear
        self._heard = 0
        self._at = 0
        self._rest = b""

    def again(self) -> None:
        """The log comes from its beginning."""
        self._at = 0
        self._rest = b""

    def take(self, chunk: bytes) -> None:
        """Takes the next bytes."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        self._rest = self._rest[-LONGEST_LINE:]
        for line in lines:
            self._at += 1
            if self._at > self._heard:
                self._heard = self._at
                text = line.partition(b" ")[2]
                self.tail = (self.tail + text + b"\n")[-TAIL:]
                self._hear(self.container, text)


def _begun(pod: JsonObject | None) -> Iterator[tuple[str, JsonObject]]:
    """(name, state) of the containers that have begun, in the order of the pod's spec."""
    for entry in runner.statuses(pod) if pod else []:
        state = entry.get("state") or {}
        if "running" in state or "terminated" in state:
            yield entry["name"], state


def _ended(end: JsonObject, pod: JsonObject | None, ears: dict[str, _Ear]) -> FinishedJob:
    steps = [
        ContainerResult(
            name=name,
            exit_code=(state.get("terminated") or {}).get("exitCode"),
            log=ears[name].tail if name in ears else b"",
        )
        for name, state in _begun(pod)
    ]
    name = pod["metadata"]["name"] if pod else ""
    return FinishedJob(
        complete=end["type"] == "Complete",
        reason=end.get("reason", ""),
        message=end.get("message", ""),
        containers=tuple(steps),
        pod=name,
    )
