"""The pods of a Job: which one counts, which of its containers have started, what it waits for."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from kronkeep_common import object_keys
from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import Cause
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean
from kronkeep_daemon.kube import objects, paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.job_state import observe
from kronkeep_daemon.kube.objects import Container, ContainerStatus, Event, Job, Pod
from kronkeep_daemon.kube.timestamps import parse_timestamp

NamedT = TypeVar("NamedT", Container, ContainerStatus)


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


def first_pod(pods: Iterable[Pod]) -> Pod | None:
    """Return the pod that was created first; None for none.

    A Job of ours makes one pod (`backoffLimit: 0`). The API server sets the time, so a pod that is forged
    after ours cannot take its place.
    """
    return min(pods, key=_creation_time, default=None)


def _creation_time(pod: Pod) -> str:
    return pod.metadata.creation_timestamp or ""


def has_started(status: ContainerStatus) -> bool:
    """Whether a container runs or has ended, so that it has a log."""
    return status.state is not None and (
        status.state.running is not None or status.state.terminated is not None
    )


def is_running(status: ContainerStatus) -> bool:
    """Whether a container runs now."""
    return status.state is not None and status.state.running is not None


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


def has_succeeded(pod: Pod) -> bool:
    """Whether its last container has ended with exit code 0.

    Init containers run before it, and each only after the one before it has succeeded: so all have. A caller
    that must not believe a forged pod compares every container instead, see `jobs.outcome`.
    """
    status = container_status(pod, last_container(pod))
    if status is None or status.state is None or status.state.terminated is None:
        return False
    return status.state.terminated.exit_code == 0


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


async def explain_waiting(cluster: Cluster, job: Job, pods: Sequence[Pod]) -> Cause | None:
    """Return what keeps a Job from going on, in the cluster's words; None where nothing is known."""
    cause = observe(job, pods).cause
    if cause is not None:
        return cause
    try:
        events = [await _fetch_events(cluster, job.metadata.namespace, uid) for uid in _uids(job, pods)]
    except KronkeepError:
        return None
    by_object = {
        uid: {event.reason or "": event for event in of_object}
        for uid, of_object in zip(_uids(job, pods), events, strict=True)
    }
    cause = observe(job, pods, by_object).cause
    if cause is not None:
        return cause
    warnings = [event for of_object in events for event in of_object if event.type == "Warning"]
    if not warnings:
        return None
    return Cause(
        reason=Reason.START_TIMEOUT,
        message=f"The pod cannot start: {clean(warnings[-1].message or '', 300)}",
        next_step=Reason.START_TIMEOUT.next_step,
    )


def _uids(job: Job, pods: Sequence[Pod]) -> list[str]:
    first = first_pod(pods)
    return [job.metadata.uid] if first is None else [job.metadata.uid, first.metadata.uid]


async def _fetch_events(cluster: Cluster, namespace: str, uid: str) -> list[Event]:
    """Return the Events of one object, the one seen last at the end."""
    items, _ = await cluster.list(paths.events(namespace), fieldSelector=f"involvedObject.uid={uid}")
    events = [objects.convert_object(item, Event) for item in items]
    own = [event for event in events if event.involved_object.namespace == namespace]
    return sorted(own, key=_last_seen)


def _last_seen(event: Event) -> str:
    return event.last_seen or ""


def with_containers(pod: Pod, names: frozenset[str]) -> Pod:
    """Return a pod with the named containers only: what others have injected does not count as the Job's."""
    spec = msgspec.structs.replace(
        pod.spec,
        containers=_select(pod.spec.containers, names),
        init_containers=_select(pod.spec.init_containers, names),
    )
    status = msgspec.structs.replace(
        pod.status,
        container_statuses=_select(pod.status.container_statuses, names),
        init_container_statuses=_select(pod.status.init_container_statuses, names),
    )
    return msgspec.structs.replace(pod, spec=spec, status=status)


def _select(entries: tuple[NamedT, ...] | None, names: frozenset[str]) -> tuple[NamedT, ...]:
    return tuple(entry for entry in entries or () if entry.name in names)
