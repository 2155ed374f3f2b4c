"""The attempts of a container, its starts in its pod: how they ended and where their logs are; pure.

With restartPolicy OnFailure a container is started again in the same pod. A kubelet keeps the log of the
attempt that runs or ended last, and with `previous=true` that of the one before (PodLogOptions).
`restartCount` belongs to `state`; a container that waits for its next start has its newest end in `lastState`
(kubelet, convertStatusToAPIStatus).
"""

from enum import StrEnum
from operator import attrgetter
from typing import NamedTuple

from kronkeep_daemon.kube.objects import ContainerState, ContainerStatus, ContainerTerminated, Pod

# SIGKILL and SIGTERM: how the kubelet ends the containers of a pod that is deleted.
DELETION_SIGNALS = (9, 15)
_NO_STATE = ContainerState()


class ContainerEnd(NamedTuple):
    """How one attempt of a container ended; `attempt` counts its starts in this pod from 1."""

    container: ContainerStatus
    end: ContainerTerminated
    attempt: int


class LogSource(NamedTuple):
    """An attempt whose log the cluster has; `end` is None while it runs, `previous` the option to read it."""

    attempt: int
    end: ContainerTerminated | None
    previous: bool


class AttemptPlace(StrEnum):
    """Where the log of an attempt is: still written, complete, the previous one, or no longer kept."""

    WRITTEN = "written"
    COMPLETE = "complete"
    PREVIOUS = "previous"
    GONE = "gone"


def deciding_container(pod: Pod) -> ContainerEnd | None:
    """Return the container that decides how a pod ended: the first that failed, else the last that ended.

    Never a native sidecar: the kubelet ends it by a signal once the pod's work is done.
    """
    is_deleted = pod.metadata.deletion_timestamp is not None
    ends = [
        _deciding_attempt(container_ends(entry), is_deleted)
        for entry in pod.container_statuses
        if entry.name not in pod.sidecars
    ]
    known = [end for end in ends if end is not None]
    return next((end for end in known if end.end.exit_code), known[-1] if known else None)


def container_ends(entry: ContainerStatus) -> list[ContainerEnd]:
    """Return the ends that a container's status has, newest first: of this attempt and of the one before."""
    ends = []
    state = entry.state or _NO_STATE
    if state.terminated is not None:
        ends.append(ContainerEnd(entry, state.terminated, entry.restart_count + 1))
    if entry.last_state is not None and entry.last_state.terminated is not None:
        attempt = entry.restart_count + (1 if state.waiting is not None else 0)
        ends.append(ContainerEnd(entry, entry.last_state.terminated, max(attempt, 1)))
    return ends


def _deciding_attempt(ends: list[ContainerEnd], is_deleted: bool) -> ContainerEnd | None:
    """Return the newest end; in a deleted pod the one before, where the deletion's own signal is the newest.

    With restartPolicy OnFailure the Job controller deletes the pod once its restarts exceed backoffLimit, and
    so ends an attempt that had done nothing wrong yet.
    """
    if len(ends) > 1 and is_deleted and signal_of(ends[0].end) in DELETION_SIGNALS and ends[1].end.exit_code:
        return ends[1]
    return ends[0] if ends else None


def signal_of(end: ContainerTerminated) -> int:
    """Return the signal that ended a container, 0 where none did or where memory ran out."""
    if end.reason == "OOMKilled":
        return 0
    return end.signal or (end.exit_code - 128 if 128 < end.exit_code < 160 else 0)


def log_sources(entry: ContainerStatus) -> list[LogSource]:
    """Return the attempts whose logs can be read now, oldest first."""
    sources = []
    state = entry.state or _NO_STATE
    for _, end, attempt in container_ends(entry):
        sources.append(LogSource(attempt, end, previous=end is not state.terminated))
    if state.running is not None or (state.waiting is None and state.terminated is None and entry.state):
        sources.append(LogSource(entry.restart_count + 1, None, previous=False))
    return sorted(sources, key=attrgetter("attempt"))


def place_of_attempt(entry: ContainerStatus | None, attempt: int) -> AttemptPlace:
    """Return where the log of an attempt is; a container without a status has not started."""
    if entry is None:
        return AttemptPlace.WRITTEN
    state = entry.state or _NO_STATE
    newest = entry.restart_count + 1
    before = entry.last_state or _NO_STATE
    has_ended_last = state.waiting is not None and before.terminated is not None
    if attempt == newest:
        if state.terminated is not None:
            return AttemptPlace.COMPLETE
        return AttemptPlace.PREVIOUS if has_ended_last else AttemptPlace.WRITTEN
    if attempt == newest - 1 and not has_ended_last:
        return AttemptPlace.PREVIOUS
    return AttemptPlace.GONE if attempt < newest else AttemptPlace.WRITTEN
