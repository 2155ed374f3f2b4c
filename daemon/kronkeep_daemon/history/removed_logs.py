"""What is said about kept logs that had to go; pure."""

from collections.abc import Iterable

from kronkeep_common.errors import LogRemoved
from kronkeep_common.models import KeptLog, LogRemoval
from kronkeep_common.text import clean, size


def describe_removal(removal: LogRemoval, namespace: str, what: str = "The log") -> str:
    """Return when the logs of a record, or `what` is kept beside them, were removed, and why."""
    limit = size(removal.limit_bytes)
    name = clean(namespace, 63)
    moment = f"{removal.at:%Y-%m-%d %H:%M} UTC"
    if removal.limit == "namespace":
        return f"{what} was removed at {moment} because the kept logs of namespace {name} reached {limit}."
    return (
        f"{what} was removed at {moment} because all kept logs together reached {limit} and namespace "
        f"{name} had more than others."
    )


def _removal_error(removal: LogRemoval, namespace: str, what: str) -> LogRemoved:
    setting = "keep_log_bytes_per_namespace" if removal.limit == "namespace" else "keep_log_bytes"
    next_step = (
        f"Let the jobs of {clean(namespace, 63)} write less, or raise history.{setting}; of a run, its cause "
        "and last lines are kept."
    )
    return LogRemoved(describe_removal(removal, namespace, what), next_step=next_step)


def refuse_removed(logs: Iterable[KeptLog], namespace: str, what: str = "The log") -> None:
    """Raise LogRemoved where there were logs and every one was removed; `what` of them is asked for."""
    removals = [log.removed for log in logs]
    newest = removals[-1] if removals else None
    if newest is not None and all(removals):
        raise _removal_error(newest, namespace, what)
