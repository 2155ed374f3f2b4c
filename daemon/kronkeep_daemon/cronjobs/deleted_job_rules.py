"""The final record of a run whose Job was deleted before it ended; pure.

The CronJob controller deletes a running Job for one reason: concurrencyPolicy Replace and a newer slot. It
says so in an Event a moment later, and then creates the newer Job; so the decision may have to wait for
either. Of a Job that was deleted while nobody watched only Events can say how it ended.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from kronkeep_common.models import CronJobExecution
from kronkeep_common.reasons import Reason
from kronkeep_common.states import ExecutionStatus
from kronkeep_daemon.kube.objects import Event
from kronkeep_daemon.kube.timestamps import parse_timestamp


class DeletedJobFacts(NamedTuple):
    """What is known about a deleted Job.

    watched: its deletion was seen by a watch.
    replaces: its CronJob has concurrencyPolicy Replace.
    has_newer: a newer Job of its CronJob exists.
    cronjob_exists: its CronJob exists, by uid.
    events: the CronJob's Events, by reason and Job.
    """

    watched: bool
    replaces: bool
    has_newer: bool
    cronjob_exists: bool
    events: Mapping[str, Event]


def final_record(
    run: CronJobExecution, facts: DeletedJobFacts, now: datetime, *, waited: bool
) -> CronJobExecution | None:
    """Return the final record of the run; None where an Event may still explain the deletion.

    waited: an Event has been waited for long enough.
    """
    completed = facts.events.get(f"SawCompletedJob {run.job}")
    if completed is not None and not facts.watched:
        return _record_completion(run, completed, now)
    if run.cancelled_by is not None:
        return _record_cancellation(run, facts, now)
    # Of a Job that runs the controller writes SuccessfulDelete for Replace only. Where the Event is lost
    # (Events are kept for an hour and are rate limited), a newer Job is evidence enough if the deletion
    # itself was watched.
    discarded = f"SuccessfulDelete {run.job}" in facts.events
    if facts.replaces and (discarded or (facts.watched and facts.has_newer)):
        return _close(run, now, ExecutionStatus.CANCELLED, reason=Reason.REPLACED)
    if not waited and (facts.replaces or not facts.watched):
        return None
    return _record_deletion(run, facts, now) if facts.watched else _record_unknown_end(run, now)


def _record_completion(run: CronJobExecution, completed: Event, now: datetime) -> CronJobExecution:
    """Read how the Job ended from `Saw completed job: a-1, condition: Complete`."""
    ended_at = parse_timestamp(completed.last_seen) or now
    evidence = "the CronJob controller's Event SawCompletedJob"
    message = completed.message or ""
    if "condition: Complete" in message:
        return _close(run, ended_at, ExecutionStatus.SUCCEEDED, evidence=evidence)
    if "condition: Failed" in message:
        reason = Reason.FAILED_WHILE_AWAY
        return _close(run, ended_at, ExecutionStatus.FAILED, reason=reason, evidence=evidence)
    return _record_unknown_end(run, now)


def _record_cancellation(run: CronJobExecution, facts: DeletedJobFacts, now: datetime) -> CronJobExecution:
    """Record that a user of kronkeep stopped the run, or deleted its CronJob while it ran."""
    how = "The run was cancelled" if facts.cronjob_exists else "The CronJob was deleted during this run"
    message = f"{how} by {run.cancelled_by}."
    return _close(run, now, ExecutionStatus.CANCELLED, reason=Reason.CANCELLED, message=message)


def _record_deletion(run: CronJobExecution, facts: DeletedJobFacts, now: datetime) -> CronJobExecution:
    how = "was deleted" if facts.cronjob_exists else "was deleted together with its CronJob"
    message = f"The Job {how} before it ended."
    return _close(run, now, ExecutionStatus.CANCELLED, reason=Reason.DELETED, message=message)


def _record_unknown_end(run: CronJobExecution, now: datetime) -> CronJobExecution:
    evidence = f"last seen {run.status}"
    return _close(run, now, ExecutionStatus.UNKNOWN, reason=Reason.GONE_WHILE_AWAY, evidence=evidence)


def _close(
    run: CronJobExecution,
    ended_at: datetime,
    status: ExecutionStatus,
    *,
    reason: Reason | None = None,
    message: str | None = None,
    evidence: str | None = None,
) -> CronJobExecution:
    """Return the run as ended; without a message of its own it has that of the reason."""
    duration = max(0.0, (ended_at - run.started_at).total_seconds()) if run.started_at else None
    return msgspec.structs.replace(
        run,
        status=status,
        ended_at=ended_at,
        duration_seconds=duration,
        reason=reason,
        message=message or (reason.meaning if reason else None),
        next_step=reason.next_step if reason else None,
        evidence=evidence,
    )
