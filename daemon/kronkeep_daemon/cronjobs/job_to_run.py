"""From a Job and its pods to the record that is kept; pure."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from kronkeep_common.json_decoding import decode_or_none
from kronkeep_common.models import Cause, CronJobExecution, EnvVar
from kronkeep_common.states import EXECUTION_TRANSITIONS, ExecutionStatus, Trigger, is_final
from kronkeep_common.text import clean
from kronkeep_daemon.kube.causes import EventsByObject
from kronkeep_daemon.kube.job_state import Observation, observe
from kronkeep_daemon.kube.objects import Job, JobAnnotations, OwnerReference, Pod, cronjob_owner_of
from kronkeep_daemon.kube.timestamps import parse_timestamp

CATCH_UP = timedelta(seconds=100)  # a start this late after its slot was not the slot's own
_NO_NOTES = JobAnnotations()


def trigger_of(notes: JobAnnotations) -> Trigger:
    """What started the Job."""
    manual = notes.scheduled is None and notes.instantiate == "manual"
    return Trigger.MANUAL if manual else Trigger.SCHEDULED


def slot_of(name: str, notes: JobAnnotations, trigger: Trigger) -> datetime | None:
    """The slot a scheduled Job belongs to: its annotation, else the minute in its name (before 1.28)."""
    if notes.scheduled:
        return _instant(notes.scheduled)
    number = name.rpartition("-")[2]
    if trigger is Trigger.SCHEDULED and number.isdigit() and len(number) == 8:
        return datetime.fromtimestamp(int(number) * 60, tz=UTC)
    return None


def _instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def run_of_job(
    cluster: str,
    record_id: str,
    job: Job,
    pods: Sequence[Pod],
    told: EventsByObject,
    old: CronJobExecution | None,
) -> CronJobExecution | None:
    """The execution as it should be kept; `old` itself when nothing changed or it is final already.

    None for a Job that no CronJob owns.
    """
    if old is not None and is_final(EXECUTION_TRANSITIONS, old.status):
        return old
    owner = cronjob_owner_of(job)
    if owner is None:
        return None
    first = old or _first(cluster, record_id, job, owner)
    new = _update(first, observe(job, pods, told, first.pods, _waited(first)))
    return old if new == old else new


def _waited(old: CronJobExecution) -> Cause | None:
    if old.reason is None or old.message is None:
        return None
    return Cause(reason=old.reason, message=old.message, next_step=old.next_step or "")


def _first(cluster: str, record_id: str, job: Job, owner: OwnerReference) -> CronJobExecution:
    meta = job.metadata
    notes = meta.annotations or _NO_NOTES
    trigger = trigger_of(notes)
    created = parse_timestamp(meta.creation_timestamp)
    if created is None:
        raise ValueError("the Job has no creation time")
    return CronJobExecution(
        id=record_id,
        cluster=cluster,
        namespace=meta.namespace,
        cronjob=clean(owner.name, 253),
        cronjob_id=owner.uid,
        job=clean(meta.name, 253),
        status=ExecutionStatus.PENDING,
        trigger=trigger,
        scheduled_at=slot_of(meta.name, notes, trigger),
        created_at=created,
        policy_revision=clean(notes.policy_revision, 64) if notes.policy_revision else None,
        overrides=_overrides(notes.overrides),
    )


def is_late(run: CronJobExecution) -> bool:
    """Whether a scheduled run began long after its slot."""
    return run.scheduled_at is not None and run.created_at - run.scheduled_at >= CATCH_UP


def explain_late_run(run: CronJobExecution, others: Sequence[CronJobExecution]) -> CronJobExecution:
    """A late run as what it is: one that waited for the run before it (Forbid), or one that catches up.

    `others` are the CronJob's newest runs; one that went on over the slot held it.
    """
    slot = run.scheduled_at
    assert slot is not None
    for other in others:
        ended = other.ended_at or run.created_at
        if other.id != run.id and other.job and other.created_at <= slot < ended:
            words = f"waited for the run {other.job}, which ended at {ended:%H:%M:%S} UTC (Forbid)"
            return msgspec.structs.replace(run, evidence=words)
    return msgspec.structs.replace(run, trigger=Trigger.CATCH_UP)


def _overrides(text: str | None) -> tuple[EnvVar, ...]:
    return (decode_or_none(text, tuple[EnvVar, ...]) if text else None) or ()


def _update(record: CronJobExecution, seen: Observation) -> CronJobExecution:
    length = (seen.ended_at - seen.started_at).total_seconds() if seen.ended_at and seen.started_at else None
    cause = seen.cause
    return msgspec.structs.replace(
        record,
        status=seen.status,
        started_at=seen.started_at or record.started_at,
        ended_at=seen.ended_at,
        duration_seconds=max(0.0, length) if length is not None else None,
        attempts=max(seen.attempts, record.attempts),
        exit_code=seen.exit_code if seen.exit_code is not None else record.exit_code,
        restarts=max(seen.restarts, record.restarts),
        node=seen.node or record.node,
        pods=seen.pods or record.pods,
        reason=cause.reason if cause else None,
        message=cause.message if cause else None,
        next_step=cause.next_step if cause else None,
    )
