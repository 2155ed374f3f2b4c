"""Runs one of our Jobs to its end: created once, adopted when it is there, its containers' logs read."""

import asyncio
from collections.abc import Callable

from kronkeep_common import object_keys
from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError, NameTaken
from kronkeep_common.reasons import Reason
from kronkeep_daemon.history.kept_logs import Capped
from kronkeep_daemon.jobs.outcome import ContainerResult, FinishedJob
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import AlreadyExists, NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject, parse_time

LOOK_SECONDS = 0.5
LONGEST_LOG = 8 * 1024 * 1024


async def create_once(cluster: Cluster, job: JsonObject) -> JsonObject:
    """Creates the Job, or adopts the one of that name when it is ours; raises NameTaken otherwise."""
    meta = job["metadata"]
    try:
        return await cluster.create(paths.jobs(meta["namespace"]), job)
    except AlreadyExists:
        found = await cluster.get(paths.jobs(meta["namespace"], meta["name"]))
        if (found["metadata"].get("labels") or {}).get(
            object_keys.MANAGED_BY_LABEL
        ) != object_keys.MANAGED_BY:
            raise NameTaken(f"A Job {meta['name']} that is not kronkeep's is in the way.") from None
        return found


async def wait(
    cluster: Cluster,
    clock: Clock,
    namespace: str,
    name: str,
    line: Callable[[bytes], None] | None = None,
    limit: float | None = None,
    lost: float | None = None,
) -> FinishedJob:
    """Waits for the Job's end; `line` hears the log lines of the container whose turn it is, as they come.

    A last container that runs for more than `limit` seconds is stopped: the Job is deleted and ended by
    DeadlineExceeded. Raises NotFoundInCluster when the Job goes before its end, ClusterUnreachable when the
    cluster was away for `lost` seconds; without `lost` it is waited for.
    """
    following: tuple[str, asyncio.Task[None]] | None = None
    try:
        while True:
            job = await _look(cluster, clock, namespace, name, lost)
            pod = await _pod(cluster, job)
            if (end := end_of(job)) is not None:
                return await _ended(cluster, end, pod)
            if pod is not None and limit is not None and _age(pod, clock) > limit:
                return await _stopped(cluster, job, pod)
            current = _running(pod) if pod is not None and line is not None else None
            if current is not None and (following is None or following[0] != current):
                await _stop_following(following)
                work = _follow(cluster, pod or {}, current, line or (lambda _: None))
                following = current, asyncio.create_task(work, name=f"progress of {name}")
            await clock.sleep(LOOK_SECONDS)
    finally:
        await _stop_following(following)


async def _stop_following(following: tuple[str, asyncio.Task[None]] | None) -> None:
    if following is not None:
        following[1].cancel()
        await asyncio.wait([following[1]])


async def _stopped(cluster: Cluster, job: JsonObject, pod: JsonObject) -> FinishedJob:
    """Deletes a Job that took too long, when its logs have been read."""
    ended = await _ended(cluster, {"type": "Failed", "reason": Reason.DEADLINE_EXCEEDED}, pod)
    meta = job["metadata"]
    await cluster.delete(paths.jobs(meta["namespace"], meta["name"]), uid=meta["uid"])
    return ended


def _age(pod: JsonObject, clock: Clock) -> float:
    """Seconds that the pod's last container has been running."""
    entries = {entry["name"]: entry for entry in pod["status"].get("containerStatuses") or []}
    last = entries.get(pod["spec"]["containers"][-1]["name"]) or {}
    started = parse_time(((last.get("state") or {}).get("running") or {}).get("startedAt"))
    return (clock.now() - started).total_seconds() if started else 0.0


async def _look(
    cluster: Cluster, clock: Clock, namespace: str, name: str, patience: float | None
) -> JsonObject:
    """The Job; an API server that is away is waited for."""
    began = clock.monotonic()
    while True:
        try:
            return await cluster.get(paths.jobs(namespace, name))
        except NotFoundInCluster:
            raise
        except KronkeepError as fault:
            if not fault.retryable or (patience is not None and clock.monotonic() - began > patience):
                raise
            await clock.sleep(2.0)


async def _pod(cluster: Cluster, job: JsonObject) -> JsonObject | None:
    meta = job["metadata"]
    selector = f"{object_keys.JOB_NAME_LABEL}={meta['name']}"
    items, _ = await cluster.list(paths.pods(meta["namespace"]), labelSelector=selector)
    return items[-1] if items else None


def _running(pod: JsonObject) -> str | None:
    """The container that runs."""
    return next((entry["name"] for entry in statuses(pod) if "running" in (entry.get("state") or {})), None)


def statuses(pod: JsonObject) -> list[JsonObject]:
    """The statuses of a pod's containers, those of init containers first: the order in which they run."""
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def end_of(job: JsonObject) -> JsonObject | None:
    """The condition that ended a Job; only `Complete` and `Failed` do."""
    for condition in (job.get("status") or {}).get("conditions") or []:
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            found: JsonObject = condition
            return found
    return None


async def _follow(cluster: Cluster, pod: JsonObject, container: str, line: Callable[[bytes], None]) -> None:
    meta = pod["metadata"]
    rest = b""
    try:
        async for chunk in cluster.log_chunks(meta["namespace"], meta["name"], container, follow=True):
            *whole, rest = (rest + chunk).split(b"\n")
            rest = rest[-LONGEST_LOG:]
            for text in whole:
                line(text)
    except KronkeepError:
        return  # progress is a courtesy; the end is read from the whole log


async def _ended(cluster: Cluster, end: JsonObject, pod: JsonObject | None) -> FinishedJob:
    steps: list[ContainerResult] = []
    if pod is not None:
        for entry in statuses(pod):
            state = entry.get("state") or {}
            code = (state.get("terminated") or {}).get("exitCode")
            log = b"" if "waiting" in state or not state else await _log(cluster, pod, entry["name"])
            steps.append(ContainerResult(name=entry["name"], exit_code=code, log=log))
    name = pod["metadata"]["name"] if pod else ""
    return FinishedJob(
        complete=end["type"] == "Complete",
        reason=end.get("reason", ""),
        message=end.get("message", ""),
        containers=tuple(steps),
        pod=name,
    )


async def _log(cluster: Cluster, pod: JsonObject, container: str) -> bytes:
    capped = Capped()
    meta = pod["metadata"]
    try:
        async for chunk in cluster.log_chunks(meta["namespace"], meta["name"], container, follow=False):
            capped.add(chunk)
    except KronkeepError as fault:
        return f"[kronkeep: this log could not be read: {fault}]\n".encode()
    return capped.text()
