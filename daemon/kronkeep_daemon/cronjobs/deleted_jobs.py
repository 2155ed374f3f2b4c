"""What to say of a Job that went without an end; pure.

The CronJob controller deletes a running Job for one reason: concurrencyPolicy Replace and a newer slot. It
says so in an Event a moment later, and then makes the newer Job; so a verdict may have to wait for either.
What went while nobody watched is only told as far as Events tell it.
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
    """What is known when a Job has gone: whether its going was watched, and what its CronJob tells."""

    watched: bool
    replaces: bool
    newer: bool
    cronjob_there: bool
    told: Mapping[str, Event]
    """The CronJob's Events, by reason and Job."""


def final_record(
    run: CronJobExecution, facts: DeletedJobFacts, now: datetime, *, waited: bool
) -> CronJobExecution | None:
    """The record of the Job that went; None when it is better to wait for what may still be told."""
    told = facts.told
    if (seen := told.get(f"SawCompletedJob {run.job}")) is not None and not facts.watched:
        return _completed(run, seen, now)
    discarded = f"SuccessfulDelete {run.job}" in told
    if facts.replaces and (discarded or (facts.watched and facts.newer)):
        return _replaced(run, now)
    if not waited and (facts.replaces or not facts.watched):
        return None
    return _deleted(run, facts, now) if facts.watched else _away(run, now)


def _completed(run: CronJobExecution, seen: Event, now: datetime) -> CronJobExecution:
    """The CronJob controller saw how it ended: `Saw completed job: a-1, condition: Complete`."""
    good = "condition: Complete" in (seen.message or "")
    failed = not good and "condition: Failed" in (seen.message or "")
    if not good and not failed:
        return _away(run, now)
    return _closed(
        run,
        parse_timestamp(seen.last_seen) or now,
        ExecutionStatus.SUCCEEDED if good else ExecutionStatus.FAILED,
        reason=None if good else Reason.FAILED_WHILE_AWAY,
        message=None if good else Reason.FAILED_WHILE_AWAY.meaning,
        next_step=None if good else Reason.FAILED_WHILE_AWAY.next_step,
        evidence="the CronJob controller's Event SawCompletedJob",
    )


def _replaced(run: CronJobExecution, now: datetime) -> CronJobExecution:
    return _closed(
        run,
        now,
        ExecutionStatus.CANCELLED,
        reason=Reason.REPLACED,
        message=Reason.REPLACED.meaning,
        next_step=Reason.REPLACED.next_step,
    )


def _deleted(run: CronJobExecution, facts: DeletedJobFacts, now: datetime) -> CronJobExecution:
    how = "was deleted" if facts.cronjob_there else "was deleted together with its CronJob"
    return _closed(
        run,
        now,
        ExecutionStatus.CANCELLED,
        reason=Reason.DELETED,
        message=f"The Job {how} before it ended.",
        next_step=Reason.DELETED.next_step,
    )


def _away(run: CronJobExecution, now: datetime) -> CronJobExecution:
    return _closed(
        run,
        now,
        ExecutionStatus.UNKNOWN,
        reason=Reason.GONE_WHILE_AWAY,
        message=Reason.GONE_WHILE_AWAY.meaning,
        next_step=Reason.GONE_WHILE_AWAY.next_step,
        evidence=f"last seen {run.status}",
    )


def _closed(
    run: CronJobExecution,
    now: datetime,
    status: ExecutionStatus,
    *,
    reason: str | None,
    message: str | None,
    next_step: str | None,
    evidence: str | None = None,
) -> CronJobExecution:
    length = max(0.0, (now - run.started_at).total_seconds()) if run.started_at else None
    return msgspec.structs.replace(
        run,
        status=status,
        ended_at=now,
        duration_seconds=length,
        reason=reason,
        message=message,
        next_step=next_step,
        evidence=evidence,
    )
