"""Records of runs whose Job was never seen: missed slots, and the slots of a time without a watch; pure.

After such a time, a slot later than status.lastScheduleTime was certainly not started, and that slot itself
was. An Event that names a slot's Job says how the Job ended. The other slots become one record, the gap.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from kronkeep_common.models import CronJobExecution
from kronkeep_common.reasons import Reason
from kronkeep_common.states import ExecutionStatus, Trigger
from kronkeep_common.text import clean
from kronkeep_daemon.cronjobs.slot_rules import SlotOutcome
from kronkeep_daemon.history.record_ids import derive_id
from kronkeep_daemon.kube.objects import CronJobObject, Event
from kronkeep_daemon.kube.timestamps import parse_timestamp

_LOOK_FOR_TRACES = "Look for the run's own traces; run it again if in doubt."


def slot_run_id(cluster: str, cronjob_id: str, slot: datetime) -> str:
    """Return the id of a run without a Job."""
    return derive_id("slot", cluster, cronjob_id, str(int(slot.timestamp()) // 60))


def _build_slot_record(cronjob: CronJobObject, slot: datetime, **fields: Any) -> CronJobExecution:
    fields.setdefault("id", slot_run_id(cronjob.cluster, cronjob.uid, slot))
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


def build_missed_record(
    cronjob: CronJobObject, slot: datetime, outcome: SlotOutcome, events: Mapping[str, Event]
) -> CronJobExecution:
    """Return the record of a slot that cannot start any more, with the controller's Event about it."""
    reason = Reason(outcome)
    message = reason.meaning
    event = events.get("FailedCreate") or events.get("MissSchedule")
    seen_at = parse_timestamp(event.last_seen) if event else None
    explains = seen_at is not None and seen_at >= slot and outcome is not SlotOutcome.STILL_RUNNING
    if event is not None and explains:
        message = f"{message} Kubernetes says: {clean(event.message or '', 300)}"
    return _build_slot_record(
        cronjob,
        slot,
        status=ExecutionStatus.MISSED,
        reason=reason,
        message=message,
        next_step=reason.next_step,
    )


class UnwatchedSlots(NamedTuple):
    """The records of one CronJob's slots in a time without a watch, and the slots that may still start."""

    records: list[CronJobExecution]
    open: list[datetime]


def judge_unwatched(
    cronjob: CronJobObject,
    due: Sequence[datetime],
    since: datetime,
    until: datetime,
    events: Mapping[str, Event],
) -> UnwatchedSlots:
    """Judge the slots `due` that have no run; nobody watched from `since` to `until`."""
    last = cronjob.last_scheduled_at
    records = []
    unexplained = []
    still_open = []
    for slot in due:
        if last is None or slot > last:
            still_open.append(slot)
        elif was_started(cronjob, slot, events):
            records.append(build_started_record(cronjob, slot, events))
        else:
            unexplained.append(slot)
    if unexplained:
        records.append(_build_gap_record(cronjob, unexplained, since, until))
    return UnwatchedSlots(records, still_open)


def _job_name(cronjob: CronJobObject, slot: datetime) -> str:
    """Return the name that the CronJob controller gives to the Job of a slot: the minute since 1970."""
    return f"{cronjob.name}-{int(slot.timestamp()) // 60}"


def was_started(cronjob: CronJobObject, slot: datetime, events: Mapping[str, Event]) -> bool:
    """Whether the CronJob's status or an Event proves that a Job was created for the slot."""
    job = _job_name(cronjob, slot)
    return (
        slot == cronjob.last_scheduled_at
        or f"SuccessfulCreate {job}" in events
        or f"SawCompletedJob {job}" in events
    )


def build_started_record(
    cronjob: CronJobObject, slot: datetime, events: Mapping[str, Event]
) -> CronJobExecution:
    """Return the record of a slot whose Job nobody saw; an Event may say how the Job ended."""
    job = _job_name(cronjob, slot)
    completed = events.get(f"SawCompletedJob {job}")
    condition = (completed.message or "") if completed else ""
    if "condition: Complete" in condition:
        status = ExecutionStatus.SUCCEEDED
        reason = None
        message = None
    elif "condition: Failed" in condition:
        status = ExecutionStatus.FAILED
        reason = Reason.FAILED_WHILE_AWAY
        message = "The Job failed while kronkeep was not watching; it is gone."
    else:
        status = ExecutionStatus.UNKNOWN
        reason = Reason.GONE_WHILE_AWAY
        message = "The Job started and ended while kronkeep was not watching; how it ended is not known."
    return _build_slot_record(
        cronjob,
        slot,
        job=job,
        status=status,
        ended_at=parse_timestamp(completed.last_seen) if completed else None,
        reason=reason,
        message=message,
        next_step=_LOOK_FOR_TRACES if reason else None,
        evidence=_evidence(cronjob, slot, completed),
    )


def _evidence(cronjob: CronJobObject, slot: datetime, completed: Event | None) -> str:
    if completed is not None:
        return "the CronJob controller's Event SawCompletedJob"
    successful = cronjob.status.last_successful_time
    successful_at = parse_timestamp(successful)
    if successful and successful_at is not None and successful_at >= slot:
        return f"status.lastScheduleTime; status.lastSuccessfulTime {clean(successful, 40)} is later"
    return "status.lastScheduleTime, or the Event SuccessfulCreate"


def _build_gap_record(
    cronjob: CronJobObject, slots: Sequence[datetime], since: datetime, until: datetime
) -> CronJobExecution:
    count = "one run was" if len(slots) == 1 else f"{len(slots)} runs were"
    span = f"from {since:%Y-%m-%d %H:%M:%S} to {until:%Y-%m-%d %H:%M:%S} UTC"
    return _build_slot_record(
        cronjob,
        slots[0],
        id=derive_id("gap", cronjob.cluster, cronjob.uid, str(int(since.timestamp()))),
        status=ExecutionStatus.UNKNOWN,
        reason=Reason.GAP,
        message=f"kronkeep did not watch {span}; {count} due, and what became of that is not known.",
        next_step=_LOOK_FOR_TRACES,
        evidence="no Job, Event or status shows them",
        gap_until=until,
        gap_slots=len(slots),
    )
