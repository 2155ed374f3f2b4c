"""The record of a run, made from its Job and the Job's pods; pure."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from kronkeep_common import object_keys, subject_names
from kronkeep_common.json_decoding import decode_or_none
from kronkeep_common.models import Cause, CronJobExecution, EnvVar
from kronkeep_common.states import EXECUTION_TRANSITIONS, ExecutionStatus, Trigger, is_final
from kronkeep_common.text import clean
from kronkeep_daemon.history.record_ids import derive_id
from kronkeep_daemon.kube.causes import EventsByObject
from kronkeep_daemon.kube.job_state import Observation, observe
from kronkeep_daemon.kube.objects import (
    Job,
    JobAnnotations,
    OwnerReference,
    Pod,
    cronjob_owner_of,
)
from kronkeep_daemon.kube.shared_uids import uid_of
from kronkeep_daemon.kube.timestamps import parse_timestamp

# The CronJob controller starts a Job within seconds of its slot; one that begins later than this after it
# waited for the run before it, or is started after a time in which the controller could not.
LATE_START = timedelta(seconds=100)
_NO_ANNOTATIONS = JobAnnotations()


def trigger_of(annotations: JobAnnotations) -> Trigger:
    """Return what started a Job."""
    manual = annotations.scheduled is None and annotations.instantiate == "manual"
    return Trigger.MANUAL if manual else Trigger.SCHEDULED


def slot_of(name: str, annotations: JobAnnotations, trigger: Trigger) -> datetime | None:
    """Return the slot of a scheduled Job: its annotation, before Kubernetes 1.28 the minute in its name."""
    if annotations.scheduled:
        return parse_timestamp(annotations.scheduled)
    number = name.rpartition("-")[2]
    if trigger is Trigger.SCHEDULED and number.isdigit() and len(number) == 8:
        return datetime.fromtimestamp(int(number) * 60, tz=UTC)
    return None


def job_uid(run: CronJobExecution) -> str:
    """Return the uid of a run's Job.

    A run's id is that uid, or where the history has a run of another cluster under it, see `shared_uids`.
    """
    return uid_of(run.id)


def run_of_job(
    cluster: str,
    record_id: str,
    job: Job,
    pods: Sequence[Pod],
    events: EventsByObject,
    old: CronJobExecution | None,
    owner_id_of: Callable[[str], str] = str,
) -> CronJobExecution | None:
    """Return the run's record as of now; `old` itself where nothing has changed or it is final.

    owner_id_of: makes the id in records from the uid of a CronJob.

    None for a Job that something else owns. Raises ValueError for a Job without a creation time.
    """
    if old is not None and is_final(EXECUTION_TRANSITIONS, old.status):
        return old
    owner = cronjob_owner_of(job) or bare_owner_of(cluster, job)
    if owner is None:
        return None
    owner = msgspec.structs.replace(owner, uid=owner_id_of(owner.uid))
    base = old or _new_run(cluster, record_id, job, owner)
    new = _with_observation(base, observe(job, pods, events, base.pods, _cause_of(base)))
    return old if new == old else new


def is_bare(job: Job) -> bool:
    """Whether nothing else controls a Job, and kronkeep has not made it."""
    owners = job.metadata.owner_references or ()
    labels = job.metadata.labels
    is_ours = labels is not None and labels.managed_by == object_keys.MANAGED_BY
    return not is_ours and not any(owner.controller or owner.kind == "CronJob" for owner in owners)


def bare_owner_of(cluster: str, job: Job) -> OwnerReference | None:
    """Return what stands for the CronJob of a Job that nothing owns; None for any other Job.

    A hook of Helm is deleted and made again at each release, so Jobs of one name are one history.
    """
    if not is_bare(job):
        return None
    meta = job.metadata
    uid = subject_names.BARE_ID_PREFIX + derive_id("bare job", cluster, meta.namespace, meta.name)
    return OwnerReference(kind="Job", name=subject_names.name_of_job(meta.name), uid=uid)


def _cause_of(run: CronJobExecution) -> Cause | None:
    if run.reason is None or run.message is None:
        return None
    return Cause(reason=run.reason, message=run.message, next_step=run.next_step or "")


def _new_run(cluster: str, record_id: str, job: Job, owner: OwnerReference) -> CronJobExecution:
    meta = job.metadata
    annotations = meta.annotations or _NO_ANNOTATIONS
    trigger = Trigger.MANUAL if owner.kind == "Job" else trigger_of(annotations)
    created_at = parse_timestamp(meta.creation_timestamp)
    if created_at is None:
        raise ValueError("the Job has no creation time")
    return CronJobExecution(
        id=record_id,
        cluster=cluster,
        namespace=meta.namespace,
        cronjob=clean(owner.name, 260),
        cronjob_id=owner.uid,
        job=clean(meta.name, 253),
        status=ExecutionStatus.PENDING,
        trigger=trigger,
        scheduled_at=slot_of(meta.name, annotations, trigger),
        created_at=created_at,
        policy_revision=clean(annotations.policy_revision, 64) if annotations.policy_revision else None,
        overrides=_overrides(annotations.overrides),
        helm_hook=clean(annotations.helm_hook, 100) if annotations.helm_hook else None,
    )


def is_late(run: CronJobExecution) -> bool:
    """Whether a scheduled run began long after its slot."""
    return run.scheduled_at is not None and run.created_at - run.scheduled_at >= LATE_START


def explain_late_run(run: CronJobExecution, others: Sequence[CronJobExecution]) -> CronJobExecution:
    """Return a late run with why: it waited for the run before it (Forbid), or it catches up on a slot.

    `others` are the CronJob's newest runs; one that was running at the slot is the one it waited for.
    """
    slot = run.scheduled_at
    assert slot is not None
    for other in others:
        ended_at = other.ended_at or run.created_at
        if other.id != run.id and other.job and other.created_at <= slot < ended_at:
            evidence = f"waited for the run {other.job}, which ended at {ended_at:%H:%M:%S} UTC (Forbid)"
            return msgspec.structs.replace(run, evidence=evidence)
    return msgspec.structs.replace(run, trigger=Trigger.CATCH_UP)


def _overrides(text: str | None) -> tuple[EnvVar, ...]:
    return (decode_or_none(text, tuple[EnvVar, ...]) if text else None) or ()


def _with_observation(run: CronJobExecution, seen: Observation) -> CronJobExecution:
    """Return the run as observed; what only a deleted pod showed stays as it was recorded."""
    duration = None
    if seen.ended_at and seen.started_at:
        duration = max(0.0, (seen.ended_at - seen.started_at).total_seconds())
    cause = seen.cause
    return msgspec.structs.replace(
        run,
        status=seen.status,
        started_at=seen.started_at or run.started_at,
        ended_at=seen.ended_at,
        duration_seconds=duration,
        # Pods are deleted while a Job lives (a drained node, --terminated-pod-gc-threshold): counts never go
        # down, and what only a deleted pod showed stays.
        attempts=max(seen.attempts, run.attempts),
        exit_code=seen.exit_code if seen.exit_code is not None else run.exit_code,
        restarts=max(seen.restarts, run.restarts),
        node=seen.node or run.node,
        pods=seen.pods or run.pods,
        failed_indexes=seen.failed_indexes or run.failed_indexes,
        reason=cause.reason if cause else None,
        message=cause.message if cause else None,
        next_step=cause.next_step if cause else None,
    )
