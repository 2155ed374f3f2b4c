"""Records of runs that no Job was seen of: missed slots, and what an interval without a watch leaves; pure.

After such an interval a slot later than status.lastScheduleTime has certainly not been started; that slot
itself has; an Event that names the slot's Job tells how it ended; the others are one gap, with its interval.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from kronkeep_common.models import CronJobExecution
from kronkeep_common.reasons import Reason
from kronkeep_common.states import ExecutionStatus, Trigger
from kronkeep_common.text import clean
from kronkeep_daemon.cronjobs import slot_rules
from kronkeep_daemon.kube.objects import CronJobObject, Event
from kronkeep_daemon.kube.timestamps import parse_timestamp

_TRACES = "Look for the run's own traces; run it again if in doubt."


def slot_run_id(cronjob_id: str, slot: datetime) -> str:
    """The identity of a run without a Job."""
    return f"{cronjob_id}.{int(slot.timestamp()) // 60}"


def _base(cronjob: CronJobObject, slot: datetime, **fields: Any) -> CronJobExecution:
    fields.setdefault("id", slot_run_id(cronjob.uid, slot))
    return CronJobExecution(
        cluster=cronjob.cluster,
        namespace=cronjob.namespace,
        cronjob=clean(cronjob.name, 253),
        cronjob_id=cronjob.uid,
        trigger=Trigger.SCHEDULED,
        scheduled_at=slot,
        created_at=slot,
        **fields,
    )


def missed_record(
    cronjob: CronJobObject, slot: datetime, why: slot_rules.SlotOutcome, told: Mapping[str, Event]
) -> CronJobExecution:
    """The record of a slot that cannot start any more, with what the controller said about it."""
    reason = Reason(why)
    words = reason.meaning
    said = told.get("FailedCreate") or told.get("MissSchedule")
    at = parse_timestamp(said.last_seen) if said else None
    if said is not None and at is not None and at >= slot and why is not slot_rules.SlotOutcome.STILL_RUNNING:
        words = f"{words} Kubernetes says: {clean(said.message or '', 300)}"
    return _base(
        cronjob,
        slot,
        status=ExecutionStatus.MISSED,
        reason=reason,
        message=words,
        next_step=reason.next_step,
    )


class UnwatchedSlots(NamedTuple):
    """What an interval without a watch leaves of one CronJob: records, and slots that may still start."""

    records: list[CronJobExecution]
    open: list[datetime]


def judge_unwatched(
    cronjob: CronJobObject,
    due: Sequence[datetime],
    since: datetime,
    until: datetime,
    told: Mapping[str, Event],
) -> UnwatchedSlots:
    """What is known of the slots `due` between `since` and `until` that no run belongs to."""
    last = cronjob.last_scheduled_at
    found = []
    lost = []
    still = []
    for slot in due:
        if last is None or slot > last:
            still.append(slot)
        elif was_started(cronjob, slot, told):
            found.append(started_record(cronjob, slot, told))
        else:
            lost.append(slot)
    if lost:
        found.append(_gap(cronjob, lost, since, until))
    return UnwatchedSlots(found, still)


def _job(cronjob: CronJobObject, slot: datetime) -> str:
    return f"{cronjob.name}-{int(slot.timestamp()) // 60}"


def was_started(cronjob: CronJobObject, slot: datetime, told: Mapping[str, Event]) -> bool:
    """Whether the CronJob's status or an Event proves that a Job was made for the slot."""
    last = cronjob.last_scheduled_at
    job = _job(cronjob, slot)
    return slot == last or f"SuccessfulCreate {job}" in told or f"SawCompletedJob {job}" in told


def started_record(cronjob: CronJobObject, slot: datetime, told: Mapping[str, Event]) -> CronJobExecution:
    """The record of a slot whose Job came and went unseen, as far as it is told how it ended."""
    job = _job(cronjob, slot)
    seen = told.get(f"SawCompletedJob {job}")
    words = (seen.message or "") if seen else ""
    if seen is not None and "condition: Complete" in words:
        status = ExecutionStatus.SUCCEEDED
        reason = None
        message = None
    elif seen is not None and "condition: Failed" in words:
        status = ExecutionStatus.FAILED
        reason = Reason.FAILED_WHILE_AWAY
        message = "The Job failed while kronkeep was not watching; it is gone."
    else:
        status = ExecutionStatus.UNKNOWN
        reason = Reason.GONE_WHILE_AWAY
        message = "The Job was started and went while kronkeep was not watching; how it ended is not known."
    return _base(
        cronjob,
        slot,
        job=job,
        status=status,
        ended_at=parse_timestamp(seen.last_seen) if seen else None,
        reason=reason,
        message=message,
        next_step=_TRACES if reason else None,
        evidence=_evidence(cronjob, slot, seen),
    )


def _evidence(cronjob: CronJobObject, slot: datetime, seen: Event | None) -> str:
    if seen is not None:
        return "the CronJob controller's Event SawCompletedJob"
    good = cronjob.status.last_successful_time
    later = parse_timestamp(good)
    if good and later is not None and later >= slot:
        return f"status.lastScheduleTime; status.lastSuccessfulTime {clean(good, 40)} is later"
    return "status.lastScheduleTime, or the Event SuccessfulCreate"


def _gap(
    cronjob: CronJobObject, lost: Sequence[datetime], since: datetime, until: datetime
) -> CronJobExecution:
    count = "one run was" if len(lost) == 1 else f"{len(lost)} runs were"
    span = f"from {since:%Y-%m-%d %H:%M:%S} to {until:%Y-%m-%d %H:%M:%S} UTC"
    return _base(
        cronjob,
        lost[0],
        id=f"{cronjob.uid}.gap.{int(since.timestamp())}",
        status=ExecutionStatus.UNKNOWN,
        reason=Reason.GAP,
        message=f"kronkeep did not watch {span}; {count} due, and what became of that is not known.",
        next_step=_TRACES,
        evidence="no Job, Event or status tells of them",
        gap_until=until,
        gap_slots=len(lost),
    )
