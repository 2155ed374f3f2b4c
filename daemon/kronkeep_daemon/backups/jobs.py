"""Runs one of our Jobs to its end: created once, adopted when it is there, its containers' logs read."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from kronkeep_common import keys
from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError, NameTaken
from kronkeep_daemon.history.logs import Capped
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import AlreadyExists, NotFoundInCluster

Object = dict[str, Any]
LOOK_SECONDS = 0.5
LONGEST_LOG = 8 * 1024 * 1024


class Step(NamedTuple):
    """One container: its exit code (None when it never ended) and its log."""

    name: str
    exit_code: int | None
    log: bytes


class Ended(NamedTuple):
    """A Job that ended: whether it completed, the reason of its failure, its steps in order."""

    complete: bool
    reason: str
    message: str
    steps: list[Step]
    pod: str

    def step(self, name: str) -> Step | None:
        """The step of that name."""
        return next((step for step in self.steps if step.name == name), None)


async def create_once(cluster: Cluster, job: Object) -> Object:
    """Creates the Job, or adopts the one of that name when it is ours; raises NameTaken otherwise."""
    meta = job["metadata"]
    try:
        return await cluster.create(paths.jobs(meta["namespace"]), job)
    except AlreadyExists:
        found = await cluster.get(paths.jobs(meta["namespace"], meta["name"]))
        if (found["metadata"].get("labels") or {}).get(keys.MANAGED_BY_LABEL) != keys.MANAGED_BY:
            raise NameTaken(f"A Job {meta['name']} that is not kronkeep's is in the way.") from None
        return found


async def wait(
    cluster: Cluster, clock: Clock, namespace: str, name: str, line: Callable[[bytes], None] | None = None
) -> Ended:
    """Waits for the Job's end; `line` hears the last container's log lines as they come.

    Raises NotFoundInCluster when the Job goes before its end.
    """
    following: asyncio.Task[None] | None = None
    try:
        while True:
            job = await _look(cluster, clock, namespace, name)
            pod = await _pod(cluster, job)
            if line is not None and following is None and pod is not None and _running(pod):
                following = asyncio.create_task(_follow(cluster, pod, line), name=f"progress of {name}")
            if (end := _end(job)) is not None:
                return await _ended(cluster, end, pod)
            await clock.sleep(LOOK_SECONDS)
    finally:
        if following is not None:
            following.cancel()
            await asyncio.wait([following])


async def _look(cluster: Cluster, clock: Clock, namespace: str, name: str) -> Object:
    """The Job; an API server that is away is waited for."""
    while True:
        try:
            return await cluster.get(paths.jobs(namespace, name))
        except NotFoundInCluster:
            raise
        except KronkeepError as fault:
            if not fault.retryable:
                raise
            await clock.sleep(2.0)


async def _pod(cluster: Cluster, job: Object) -> Object | None:
    meta = job["metadata"]
    selector = f"{keys.JOB_NAME_LABEL}={meta['name']}"
    items, _ = await cluster.list(paths.pods(meta["namespace"]), labelSelector=selector)
    return items[-1] if items else None


def _running(pod: Object) -> bool:
    return any("running" in (e.get("state") or {}) for e in pod["status"].get("containerStatuses") or [])


def _end(job: Object) -> Object | None:
    for condition in (job.get("status") or {}).get("conditions") or []:
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            found: Object = condition
            return found
    return None


async def _follow(cluster: Cluster, pod: Object, line: Callable[[bytes], None]) -> None:
    meta, rest = pod["metadata"], b""
    container = pod["spec"]["containers"][-1]["name"]
    try:
        async for chunk in cluster.log_chunks(meta["namespace"], meta["name"], container, follow=True):
            *whole, rest = (rest + chunk).split(b"\n")
            rest = rest[-LONGEST_LOG:]
            for text in whole:
                line(text)
    except KronkeepError:
        return  # progress is a courtesy; the end is read from the whole log


async def _ended(cluster: Cluster, end: Object, pod: Object | None) -> Ended:
    steps: list[Step] = []
    if pod is not None:
        status = pod["status"]
        entries = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
        for entry in entries:
            code = ((entry.get("state") or {}).get("terminated") or {}).get("exitCode")
            log = await _log(cluster, pod, entry["name"]) if code is not None else b""
            steps.append(Step(entry["name"], code, log))
    name = pod["metadata"]["name"] if pod else ""
    return Ended(end["type"] == "Complete", end.get("reason", ""), end.get("message", ""), steps, name)


async def _log(cluster: Cluster, pod: Object, container: str) -> bytes:
    capped = Capped()
    meta = pod["metadata"]
    try:
        async for chunk in cluster.log_chunks(meta["namespace"], meta["name"], container, follow=False):
            capped.add(chunk)
    except KronkeepError as fault:
        return f"[kronkeep: this log could not be read: {fault}]\n".encode()
    return capped.text()
