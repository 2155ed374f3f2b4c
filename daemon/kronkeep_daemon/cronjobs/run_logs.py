"""The kept logs in a run's record, by attempt, and the last line in its message; pure."""

import re

import msgspec

from kronkeep_common.models import CronJobExecution, KeptLog, PodRecord
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean
from kronkeep_daemon.kube.objects import ContainerTerminated

NEWEST_ATTEMPTS = 4  # of a container in one pod that are kept, beside the first
LAST_LINES = 5
LINE_LENGTH = 300
_TAIL_BYTES = (LAST_LINES + 1) * 4096
_LAST_LINE = " Its last line: "
_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d) ?")
_SECOND = len("2026-01-15T10:00:00")
# Reasons whose message says how an attempt of a container ended.
_ATTEMPT_REASONS = frozenset(
    {
        Reason.EXIT_CODE,
        Reason.CRASH_LOOP_BACK_OFF,
        Reason.FAILED_INDEXES,
        Reason.MAX_FAILED_INDEXES_EXCEEDED,
        Reason.POD_FAILURE_POLICY,
    }
)


def log_name(pod: str, container: str, attempt: int) -> str:
    """Return the name under which the log of an attempt is kept; no container's name has a dot."""
    return f"{pod}.{container}" if attempt == 1 else f"{pod}.{container}.{attempt}"


def last_lines(text: bytes) -> tuple[str, ...]:
    """Return the last lines of a log that are not blank, without their times.

    Of a line that was written over, as progress is by carriage returns, what stood there last counts.
    """
    tail = text[-_TAIL_BYTES:].decode(errors="replace")
    lines = [_TIME.sub("", line).rstrip().rpartition("\r")[2] for line in tail.split("\n")]
    return tuple(clean(line, LINE_LENGTH) for line in lines if line.strip())[-LAST_LINES:]


def is_of_attempt(text: bytes, end: ContainerTerminated | None) -> bool:
    """Whether a log is of the attempt that ended so, not of a later one that took its place meanwhile.

    Decided by the time of the first line, to the second, as `finishedAt` has no fractions.
    """
    if end is None or not end.finished_at or not _TIME.match(text[:64].decode(errors="replace")):
        return True
    return text[:_SECOND].decode() <= end.finished_at[:_SECOND]


def with_log(run: CronJobExecution, saved: KeptLog) -> CronJobExecution:
    """Return the run with a log that was saved, without those that are too many; see `with_last_line`."""
    others = tuple(log for log in run.logs if _key_of(log) != _key_of(saved))
    logs = (*others, saved)
    surplus = {_key_of(log) for log in _surplus_attempts(logs, saved)}
    kept = tuple(log for log in logs if _key_of(log) not in surplus)
    return with_last_line(msgspec.structs.replace(run, logs=kept))


def list_dropped_logs(before: CronJobExecution, after: CronJobExecution) -> list[KeptLog]:
    """Return the logs that the record names no longer."""
    kept = {_key_of(log) for log in after.logs}
    return [log for log in before.logs if _key_of(log) not in kept]


def _key_of(log: KeptLog) -> tuple[str, str, int]:
    return log.pod, log.container, log.attempt


def _surplus_attempts(logs: tuple[KeptLog, ...], saved: KeptLog) -> list[KeptLog]:
    """Return the attempts of the saved log's container between the first and the newest ones."""
    same = [log for log in logs if (log.pod, log.container) == (saved.pod, saved.container)]
    by_age = sorted(same, key=_key_of)
    return by_age[1:-NEWEST_ATTEMPTS]


def with_last_line(run: CronJobExecution) -> CronJobExecution:
    """Return the run whose message about an attempt of a container has the last line of that attempt's log.

    The log may be saved before the end is recorded or after it; both writers of the record call this.
    """
    message = run.message or ""
    pod = _deciding_pod(run)
    if pod is None or _LAST_LINE in message:
        return run
    attempt = (pod.name, pod.container, pod.attempt)
    line = next((log.last_lines[-1] for log in run.logs if _key_of(log) == attempt and log.last_lines), None)
    if line is None or line in message:
        return run
    return msgspec.structs.replace(run, message=f"{message}{_LAST_LINE}{line}")


def _deciding_pod(run: CronJobExecution) -> PodRecord | None:
    """Return the pod whose container the message is about, where that ended with an exit code."""
    if Reason.parse(run.reason) not in _ATTEMPT_REASONS:
        return None
    failed = [pod for pod in run.pods if pod.cause is not None]
    named = [pod for pod in failed if f"/{pod.name} " in (run.message or "")]  # as a podFailurePolicy does
    pod = (named or failed)[-1] if failed else None
    return pod if pod is not None and pod.cause is not None and pod.cause.reason == Reason.EXIT_CODE else None
