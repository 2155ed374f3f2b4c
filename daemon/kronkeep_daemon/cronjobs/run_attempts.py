"""The numbers of a run's attempts, over all of its pods and restarts; pure.

Pods count in the order in which they were made, each with the starts of its containers: the third attempt is
the third pod of a Job with restartPolicy Never, the third start in the one pod of a Job with OnFailure.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kronkeep_common.models import CronJobExecution, KeptLog, LogRemoval, PodRecord
from kronkeep_daemon.kube.container_attempts import log_sources
from kronkeep_daemon.kube.objects import Pod


class LogPart(NamedTuple):
    """The log of one attempt of one container; `attempt` counts its starts in its pod from 1."""

    pod: str
    container: str
    attempt: int


class AttemptNumbers:
    """The numbers of one run's attempts as of now; they may grow while pods run beside each other."""

    def __init__(self, run: CronJobExecution, pods: Sequence[Pod]) -> None:
        names = dict.fromkeys([pod.name for pod in run.pods])
        names |= dict.fromkeys(log.pod for log in run.logs)
        names |= dict.fromkeys(pod.metadata.name for pod in pods)
        self._before: dict[str, int] = {}
        self.count = 0
        for name in names:
            self._before[name] = self.count
            self.count += max(_attempts_in_pod(name, run, pods), default=1)

    def number_of(self, part: LogPart) -> int:
        """Return the number of the attempt that a log is of, from 1."""
        return self._before.get(part.pod, self.count) + part.attempt


def saved_parts(run: CronJobExecution) -> list[LogPart]:
    """Return the logs that are kept, those of later attempts after those of earlier ones."""
    parts = [part_of(log) for log in run.logs]
    numbers = AttemptNumbers(run, ())
    return sorted(parts, key=numbers.number_of)


def removal_of(run: CronJobExecution, part: LogPart) -> LogRemoval | None:
    """Return the removal of a log that was kept, None where it is kept still."""
    return next((log.removed for log in run.logs if part_of(log) == part), None)


def part_of(log: KeptLog) -> LogPart:
    """Return which log was kept."""
    return LogPart(log.pod, log.container, log.attempt)


def live_parts(pod: Pod) -> list[LogPart]:
    """Return the logs that the cluster has of a pod, in the order in which they began, sidecars last.

    A container without a status counts with its first attempt: it may be waited for.
    """
    entries = {entry.name: entry for entry in pod.container_statuses}
    specs = (*(pod.spec.init_containers or ()), *(pod.spec.containers or ()))
    parts: list[LogPart] = []
    for name in sorted((spec.name for spec in specs), key=pod.sidecars.__contains__):
        sources = log_sources(entries[name]) if name in entries else []
        attempts = [source.attempt for source in sources] or [1]
        parts += [LogPart(pod.metadata.name, name, attempt) for attempt in attempts]
    return parts


def _attempts_in_pod(name: str, run: CronJobExecution, pods: Sequence[Pod]) -> Iterable[int]:
    yield from (_attempts_of_record(pod) for pod in run.pods if pod.name == name)
    yield from (log.attempt for log in run.logs if log.pod == name)
    for pod in pods:
        if pod.metadata.name == name:
            yield from (part.attempt for part in live_parts(pod) if part.container not in pod.sidecars)


def _attempts_of_record(pod: PodRecord) -> int:
    return max(pod.attempt, 1)
