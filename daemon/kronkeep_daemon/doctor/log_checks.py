"""The check of how much the disk holds of kept logs, by namespace, and which had to go."""

from collections.abc import Sequence

from kronkeep_common.api import Check
from kronkeep_common.text import clean, size
from kronkeep_daemon.alerts.history_rules import log_findings
from kronkeep_daemon.history.log_removals import NamespaceLogRemovals
from kronkeep_daemon.history.log_usage import NamespaceUsage
from kronkeep_daemon.settings import HistorySettings

NAME = "kept logs"
NAMED = 5  # the largest namespaces that are named


def check_kept_logs(
    usages: Sequence[NamespaceUsage], limits: HistorySettings, removals: Sequence[NamespaceLogRemovals]
) -> Check:
    """Name the largest namespaces; warn where one, or all together, reached their limit.

    usages: the largest first.
    removals: those of the last day.
    """
    total = sum(usage.bytes for usage in usages)
    held = f"They have {size(total)} of {size(limits.keep_log_bytes)}{_describe_largest(usages)}."
    told = list(log_findings(removals))
    if not told:
        return Check(name=NAME, status="ok", message=held)
    more = f" ({len(told) - NAMED} more: kronkeep get alerts)" if len(told) > NAMED else ""
    message = " ".join([held, *(finding.message for finding in told[:NAMED])]) + more
    return Check(name=NAME, status="warn", message=message, next_step=told[0].next_step)


def _describe_largest(usages: Sequence[NamespaceUsage]) -> str:
    if not usages:
        return ""
    largest = [f"{clean(usage.namespace, 63)} {size(usage.bytes)}" for usage in usages[:NAMED]]
    more = f" and {len(usages) - NAMED} more namespaces" if len(usages) > NAMED else ""
    return f": {', '.join(largest)}{more}"
