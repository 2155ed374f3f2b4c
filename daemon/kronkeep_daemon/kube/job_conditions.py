"""Causes in words that come from a Job's own spec, status and conditions; pure.

Fields and reasons are those of batch/v1 in Kubernetes 1.36. Counts and index lists are written by whoever may
write the Job's status, so nothing here takes more time or memory than the text is long.
"""

import re

from kronkeep_common.models import Cause
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean
from kronkeep_daemon.kube.objects import Condition, Job
from kronkeep_daemon.kube.timestamps import parse_timestamp

OWN_CONTROLLER = "kubernetes.io/job-controller"  # the managedBy that is the same as none
LONGEST_INDEX_LIST = 100  # characters
MOST_FINALIZERS = 3
# Finalizers of Kubernetes' own garbage collector, and what it waits for.
_COLLECTOR_WAITS = {
    "foregroundDeletion": "Kubernetes waits until its pods are deleted",
    "orphan": "Kubernetes waits until its pods are released",
}
_INDEX_RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")
WAITING_REASONS = frozenset(
    {
        Reason.BEING_DELETED,
        Reason.SUSPENDED,
        Reason.MANAGED_ELSEWHERE,
        Reason.PODS_ENDING,
        Reason.NODE_NOT_READY,
    }
)
"""Why a Job waits that is not to blame on a pod of it."""


def deletion_cause(job: Job) -> Cause | None:
    """Return since when a Job is being deleted and what holds it; None where nobody has deleted it."""
    since = parse_timestamp(job.metadata.deletion_timestamp)
    if since is None:
        return None
    message = f"The Job is being deleted since {since:%d %b %H:%M:%S} UTC; {_deletion_hold(job)}."
    working = (job.status.active or 0) + (job.status.terminating or 0)
    if working:
        message += f" {_count_pods(working)} still {_be(working)} at work."
    return _cause(Reason.BEING_DELETED, message)


def is_failed_by_deletion(job: Job, failed: Condition) -> bool:
    """Whether a Job failed only after somebody had deleted it, as its pods are deleted with it."""
    deleted_at = parse_timestamp(job.metadata.deletion_timestamp)
    failed_at = parse_timestamp(failed.last_transition_time)
    return deleted_at is not None and failed_at is not None and failed_at >= deleted_at


def _deletion_hold(job: Job) -> str:
    finalizers = job.metadata.finalizers or ()
    foreign = [name for name in finalizers if name not in _COLLECTOR_WAITS]
    if not foreign:
        return next((_COLLECTOR_WAITS[name] for name in finalizers), "it is about to go")
    names = ", ".join(clean(name, 80) for name in foreign[:MOST_FINALIZERS])
    more = f" and {len(foreign) - MOST_FINALIZERS} more" if len(foreign) > MOST_FINALIZERS else ""
    return f"its finalizer{'s' if len(foreign) > 1 else ''} {names}{more} hold{_s(len(foreign))} it"


def waiting_cause(job: Job) -> Cause | None:
    """Return why a Job that has not ended makes no pods: another controller, a suspension, ending pods."""
    manager = job.spec.managed_by
    if manager and manager != OWN_CONTROLLER and not job.status.start_time:
        message = (
            f"The Job is left to the controller {clean(manager, 120)} (managedBy); "
            "Kubernetes' own Job controller makes no pods for it."
        )
        return _cause(Reason.MANAGED_ELSEWHERE, message)
    suspended = job.true_condition("Suspended")
    if job.spec.suspend or suspended is not None:
        return _cause(Reason.SUSPENDED, _suspension_message(job, suspended))
    if job.status.terminating and job.spec.pod_replacement_policy == "Failed" and not job.status.active:
        count = job.status.terminating
        message = (
            f"{_count_pods(count)} {_be(count)} still ending; "
            "the Job makes no other until then (podReplacementPolicy: Failed)."
        )
        return _cause(Reason.PODS_ENDING, message)
    return None


def _suspension_message(job: Job, suspended: Condition | None) -> str:
    since = parse_timestamp(suspended.last_transition_time) if suspended else None
    when = f" since {since:%d %b %H:%M:%S} UTC" if since else ""
    message = f"The Job is suspended{when} (suspend: true) and runs nothing."
    ending = job.status.terminating
    return f"{message} {_count_pods(ending)} {_be(ending)} still ending." if ending else message


def ending_cause(job: Job) -> Cause | None:
    """Return the cause of a Job whose outcome is decided and whose pods have not all ended."""
    outcome = job.true_condition("FailureTarget") or job.true_condition("SuccessCriteriaMet")
    count = job.status.terminating
    if outcome is None or not count:
        return None
    decided = "failed" if outcome.type == "FailureTarget" else "succeeded"
    reason = f" ({clean(outcome.reason, 100)})" if outcome.reason else ""
    message = f"The Job has {decided}{reason}; {_count_pods(count).lower()} {_be(count)} still ending."
    return _cause(Reason.PODS_ENDING, message)


def success_cause(job: Job) -> Cause | None:
    """Return what a Job that succeeded by its successPolicy left undone; None where nothing is."""
    complete = job.true_condition("Complete")
    total = job.spec.completions or 0
    succeeded = job.status.succeeded or 0
    if complete is None or complete.reason != Reason.SUCCESS_POLICY or succeeded >= total:
        return None
    rule = f" ({clean(complete.message, 100)})" if complete.message else ""
    message = (
        f"{succeeded} of {total} indexes succeeded{_index_list(job.status.completed_indexes)}, "
        f"which meets the Job's successPolicy{rule}."
    )
    failed = count_indexes(job.status.failed_indexes)
    if failed:
        message += f" {failed} failed{_index_list(job.status.failed_indexes)}."
    return _cause(Reason.SUCCESS_POLICY, message)


def failed_index_message(job: Job, reason: str) -> str:
    """Return which indexes failed, for the reasons FailedIndexes and MaxFailedIndexesExceeded."""
    failed = job.status.failed_indexes
    total = f" of {job.spec.completions}" if job.spec.completions else ""
    message = f"{count_indexes(failed)}{total} indexes failed{_index_list(failed)}"
    if reason == Reason.MAX_FAILED_INDEXES_EXCEEDED:
        return f"{message}, more than maxFailedIndexes ({job.spec.max_failed_indexes}) allows."
    return f"{message}."


def shown_indexes(text: str | None) -> str | None:
    """Return a list of indexes as a record keeps it, shortened where it is long; None for an empty one."""
    return clean(text, LONGEST_INDEX_LIST) if text else None


def count_indexes(text: str | None) -> int:
    """Return how many indexes a list such as `0-2,5` names; parts that are no indexes count as none."""
    matches = map(_INDEX_RANGE.fullmatch, (text or "").split(","))
    return sum(
        max(0, int(match[2] or match[1]) - int(match[1]) + 1) for match in matches if match is not None
    )


def _index_list(text: str | None) -> str:
    return f": {shown_indexes(text)}" if text else ""


def _count_pods(count: int) -> str:
    return "One pod" if count == 1 else f"{count} pods"


def _be(count: int) -> str:
    return "is" if count == 1 else "are"


def _s(count: int) -> str:
    return "s" if count == 1 else ""


def _cause(reason: Reason, message: str) -> Cause:
    return Cause(reason=reason, message=message, next_step=reason.next_step)
