"""The pods of a Job: which one counts, which of its containers have started, what it waits for."""

from collections.abc import Iterable

from kronkeep_common import object_keys
from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_common.text import clean
from kronkeep_daemon.kube import objects, paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.job_state import observe
from kronkeep_daemon.kube.objects import ContainerStatus, Job, Pod
from kronkeep_daemon.kube.timestamps import parse_timestamp


async def fetch_pods(cluster: Cluster, namespace: str, job_uid: str) -> tuple[Pod, ...]:
    """Return the pods of a Job by its uid, which no other Job has; raise what `list` raises."""
    selector = f"{object_keys.CONTROLLER_UID_LABEL}={job_uid}"
    items, _ = await cluster.list(paths.pods(namespace), labelSelector=selector)
    every = (objects.convert_object(item, Pod) for item in items)
    return pods_of_job(every, namespace, job_uid)


def pods_of_job(pods: Iterable[Pod], namespace: str, job_uid: str) -> tuple[Pod, ...]:
    """Return the pods that the Job of that uid owns; an owner reference counts in its own namespace only."""
    return tuple(
        pod for pod in pods if pod.metadata.namespace == namespace and objects.job_uid_of(pod) == job_uid
    )


def newest_pod(pods: Iterable[Pod]) -> Pod | None:
    """Return the pod that was created last; None for none."""
    return max(pods, key=_creation_time, default=None)


def _creation_time(pod: Pod) -> str:
    return pod.metadata.creation_timestamp or ""


def has_started(status: ContainerStatus) -> bool:
    """Whether a container runs or has ended, so that it has a log."""
    return status.state is not None and (
        status.state.running is not None or status.state.terminated is not None
    )


def has_ended(status: ContainerStatus) -> bool:
    """Whether a container has terminated."""
    return status.state is not None and status.state.terminated is not None


def containers_with_logs(pod: Pod | None) -> list[ContainerStatus]:
    """Return the containers that run or have ended, init containers first: the order in which they run."""
    return [status for status in pod.container_statuses if has_started(status)] if pod is not None else []


def container_status(pod: Pod | None, name: str) -> ContainerStatus | None:
    """Return the status of the container of that name; None where the pod has none yet."""
    entries = pod.container_statuses if pod is not None else ()
    return next((status for status in entries if status.name == name), None)


def last_container(pod: Pod) -> str:
    """Return the name of the container that runs last: the only one that is no init container."""
    containers = pod.spec.containers or ()
    return containers[-1].name if containers else ""


class RuntimeLimit:
    """How long the last container of a Job may still run; None as `seconds` is without end.

    created_at: the monotonic time at which this daemon created the Job; None for one that was there before.
    """

    def __init__(self, seconds: float | None, created_at: float | None, clock: Clock) -> None:
        self._seconds = seconds
        self._created_at = created_at
        self._clock = clock
        self._started_at: float | None = None

    def seconds_left(self, pod: Pod | None) -> float | None:
        """Return the seconds left, which may be negative; None while the container does not run."""
        if self._seconds is None or pod is None:
            return None
        status = container_status(pod, last_container(pod))
        running = status.state.running if status is not None and status.state is not None else None
        if running is None:
            return None
        if self._started_at is None:
            self._started_at = self._clock.monotonic() - self._age(running.started_at)
        return self._seconds - (self._clock.monotonic() - self._started_at)

    def _age(self, started_at: str | None) -> float:
        """Return for how many seconds the container has been running when it is first seen.

        startedAt is of the node's clock, which may differ from ours. It is all there is for a Job that an
        earlier life of the daemon created. One that we created cannot be older than its creation, so a node
        whose clock is late does not end it at once.
        """
        start = parse_timestamp(started_at)
        age = max(0.0, (self._clock.now() - start).total_seconds()) if start is not None else 0.0
        if self._created_at is not None:
            age = min(age, self._clock.monotonic() - self._created_at)
        return age


async def explain_waiting(cluster: Cluster, job: Job) -> str:
    """Return what keeps the Job's pod from starting, in the cluster's words; empty where nothing is known."""
    namespace = job.metadata.namespace
    try:
        pods = await fetch_pods(cluster, namespace, job.metadata.uid)
        if (cause := observe(job, pods).cause) is not None:
            return cause.message
        events, _ = await cluster.list(paths.events(namespace))
    except KronkeepError:
        return ""
    names = {pod.metadata.name for pod in pods}
    warnings = [
        str(event.get("message", ""))
        for event in events
        if event["involvedObject"].get("name") in names and event.get("type") == "Warning"
    ]
    return clean(warnings[-1], 300) if warnings else ""
