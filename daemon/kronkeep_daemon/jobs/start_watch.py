"""How long a Job waits for a container to start, why, and when it is given up.

A Job can wait for ever: for a claim, an image, space on a node, a quota. Its `activeDeadlineSeconds` is as
long as its work may take, so waiting has a limit of its own.
"""

from collections.abc import Awaitable, Callable

from kronkeep_common.clock import Clock
from kronkeep_common.models import Cause
from kronkeep_common.reasons import Reason
from kronkeep_common.text import duration
from kronkeep_daemon.jobs import pods
from kronkeep_daemon.jobs.job_updates import JobState
from kronkeep_daemon.kube.causes import lost_node_cause
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.objects import Pod

OnWaiting = Callable[[Cause | None], Awaitable[None]]
"""Takes why a Job waits, or that its node does not answer, each time that changes; None once it goes on."""

FIRST_LOOK_SECONDS = 5.0  # most containers start sooner
LOOK_SECONDS = 10.0  # between two looks at the Events
# What does not pass by waiting, of the reasons that the kubelet writes into the pod's status.
_LASTING = frozenset({Reason.INVALID_IMAGE_NAME, Reason.ERR_IMAGE_NEVER_PULL})
# The API server's words where it refuses every pod of the Job. Kubernetes says it in words alone: the Event
# has the reason FailedCreate for a quota too, which passes, and the API's refusal is `Forbidden` for both,
# without a cause in its details. To ask by a dry run would take the right to create pods.
_POD_SECURITY = "violates PodSecurity"


class ContainerProgress:
    """Since when no container of a pod has run although the last one has not ended, and since when it has."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._state: tuple[str, int] | None = None
        self._since = clock.monotonic()
        self._ended_at: float | None = None
        self._waits = True

    def update(self, pod: Pod | None) -> None:
        """Take the newest state of the pod, with the Job's own containers only."""
        statuses = pod.container_statuses if pod is not None else ()
        is_over = pod is not None and _has_last_ended(pod)
        if is_over and self._ended_at is None:
            self._ended_at = self._clock.monotonic()
        state = (pod.metadata.uid if pod is not None else "", sum(map(pods.has_ended, statuses)))
        if state != self._state or not self._waits:
            self._since = self._clock.monotonic()
        self._state = state
        self._waits = not is_over and not any(map(pods.is_running, statuses))

    @property
    def seconds_waiting(self) -> float | None:
        """The seconds for which the next container has not started; None while one runs or all have ended."""
        return self._clock.monotonic() - self._since if self._waits else None

    @property
    def seconds_over(self) -> float | None:
        """The seconds since the last container was seen to have ended; None while it has not."""
        return self._clock.monotonic() - self._ended_at if self._ended_at is not None else None


def _has_last_ended(pod: Pod) -> bool:
    status = pods.container_status(pod, pods.last_container(pod))
    return status is not None and pods.has_ended(status)


class StartWatch:
    """Watch over the start of one Job's containers.

    start_seconds: how long the Job may wait for its next container.
    on_waiting: called with the reason while it waits.
    """

    def __init__(
        self, *, cluster: Cluster, clock: Clock, start_seconds: float, on_waiting: OnWaiting | None
    ) -> None:
        self.progress = ContainerProgress(clock)
        self._cluster = cluster
        self._clock = clock
        self._start_seconds = start_seconds
        self._on_waiting = on_waiting
        self._cause: Cause | None = None
        self._next_look = clock.monotonic() + FIRST_LOOK_SECONDS

    async def check(self, state: JobState) -> Cause | None:
        """Take the newest state; return why the Job is given up, None while it is not."""
        self.progress.update(state.pod)
        waited = self.progress.seconds_waiting
        if waited is None or state.ending is not None:
            await self._tell(lost_node_cause(state.pod) if state.pod and state.ending is None else None)
            self._next_look = self._clock.monotonic() + FIRST_LOOK_SECONDS
            return None
        if waited >= FIRST_LOOK_SECONDS and self._clock.monotonic() >= self._next_look:
            self._next_look = self._clock.monotonic() + LOOK_SECONDS
            cause = await pods.explain_waiting(self._cluster, state.job, state.pods)
            await self._tell(cause or self._cause or _UNKNOWN)
        if waited >= self._start_seconds:
            return _with_limit(self._cause or _UNKNOWN, self._start_seconds)
        return self._cause if self._cause is not None and is_lasting(self._cause) else None

    async def _tell(self, cause: Cause | None) -> None:
        if cause == self._cause:
            return
        self._cause = cause
        if self._on_waiting is not None:
            await self._on_waiting(cause)


def is_lasting(cause: Cause) -> bool:
    """Whether a Job with this cause will not start however long it waits.

    Anybody who may create Events can write those words. They count only for a Job that has no pod, about
    which CANNOT_CREATE_POD is said, so a forger ends no Job whose pod exists: of one that the cluster refuses
    anyway it shortens the wait.
    """
    if cause.reason == Reason.CANNOT_CREATE_POD:
        return _POD_SECURITY in cause.message
    return cause.reason in _LASTING


def _with_limit(cause: Cause, seconds: float) -> Cause:
    message = f"The Job did not start within {duration(seconds)}: {cause.message}"
    return Cause(reason=cause.reason, message=message, next_step=cause.next_step)


_UNKNOWN = Cause(
    reason=Reason.START_TIMEOUT,
    message="Its pod has not started yet, and the cluster does not say why.",
    next_step=Reason.START_TIMEOUT.next_step,
)
