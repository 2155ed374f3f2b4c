"""The check of how much the disk holds of kept logs, by namespace."""

from collections.abc import Sequence

from kronkeep_common.api import Check
from kronkeep_common.text import clean, size
from kronkeep_daemon.history.log_usage import NamespaceUsage
from kronkeep_daemon.settings import HistorySettings

NAMED = 5  # the largest namespaces that are named
NEARLY_FULL = 0.9  # of a limit: a namespace that has reached it stays at this and above


def check_kept_logs(usages: Sequence[NamespaceUsage], limits: HistorySettings) -> Check:
    """Name the largest namespaces; warn where one, or all together, are at their limit.

    usages: the largest first.
    """
    name = "kept logs"
    total = sum(usage.bytes for usage in usages)
    message = f"They have {size(total)} of {size(limits.keep_log_bytes)}{_describe_largest(usages)}."
    full = [
        clean(usage.namespace, 63)
        for usage in usages
        if usage.bytes >= limits.keep_log_bytes_per_namespace * NEARLY_FULL
    ]
    if full:
        message += f" Old ones are removed of {', '.join(full[:NAMED])} ({len(full)} at their limit)."
        next_step = "Let its jobs write less, or raise history.keep_log_bytes_per_namespace."
        return Check(name=name, status="warn", message=message, next_step=next_step)
    if total >= limits.keep_log_bytes * NEARLY_FULL:
        message += " Old ones of the largest are removed."
        next_step = "Raise history.keep_log_bytes, or lower history.keep_log_bytes_per_namespace."
        return Check(name=name, status="warn", message=message, next_step=next_step)
    return Check(name=name, status="ok", message=message)


def _describe_largest(usages: Sequence[NamespaceUsage]) -> str:
    if not usages:
        return ""
    largest = [f"{clean(usage.namespace, 63)} {size(usage.bytes)}" for usage in usages[:NAMED]]
    more = f" and {len(usages) - NAMED} more namespaces" if len(usages) > NAMED else ""
    return f": {', '.join(largest)}{more}"
