"""From a Job and its pods to the record that is kept; pure."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from kronkeep_common import keys
from kronkeep_common.models import CronJobExecution, EnvVar
from kronkeep_common.states import EXECUTION_TRANSITIONS, ExecutionStatus, Trigger, is_final
from kronkeep_common.text import clean
from kronkeep_daemon.kube.observe import Observation, moment, observe

Object = dict[str, Any]


def owner_of(job: Object) -> Object | None:
    """The CronJob that owns the Job, by its owner reference with `controller: true`."""
    for owner in job["metadata"].get("ownerReferences") or []:
        if owner.get("kind") == "CronJob" and owner.get("controller"):
            found: Object = owner
            return found
    return None


def trigger_of(annotations: dict[str, str]) -> Trigger:
    """What started the Job."""
    if keys.SCHEDULED_TIMESTAMP in annotations:
        return Trigger.SCHEDULED
    return Trigger.MANUAL if annotations.get(keys.INSTANTIATE) == "manual" else Trigger.SCHEDULED


def slot_of(job: Object, annotations: dict[str, str], trigger: Trigger) -> datetime | None:
    """The slot a scheduled Job belongs to: its annotation, else the minute in its name (before 1.28)."""
    if text := annotations.get(keys.SCHEDULED_TIMESTAMP):
        return _instant(text)
    number = job["metadata"]["name"].rpartition("-")[2]
    if trigger is Trigger.SCHEDULED and number.isdigit() and len(number) == 8:
        return datetime.fromtimestamp(int(number) * 60, tz=moment("1970-01-01T00:00:00+00:00").tzinfo)  # type: ignore[union-attr]
    return None


def _instant(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def record(
    cluster: str, job: Object, pods: Iterable[Object], old: CronJobExecution | None
) -> CronJobExecution | None:
    """The execution as it should be kept; `old` itself when nothing changed or it is final already.

    None for a Job that no CronJob owns.
    """
    owner = owner_of(job)
    if owner is None:
        return None
    if old is not None and is_final(EXECUTION_TRANSITIONS, old.status):
        return old
    new = _update(old or _first(cluster, job, owner), observe(job, list(pods)))
    return old if new == old else new


def _first(cluster: str, job: Object, owner: Object) -> CronJobExecution:
    meta = job["metadata"]
    annotations = meta.get("annotations") or {}
    trigger = trigger_of(annotations)
    return CronJobExecution(
        id=meta["uid"],
        cluster=cluster,
        namespace=meta["namespace"],
        cronjob=clean(owner["name"], 253),
        cronjob_id=owner["uid"],
        job=clean(meta["name"], 253),
        status=ExecutionStatus.PENDING,
        trigger=trigger,
        scheduled_at=slot_of(job, annotations, trigger),
        created_at=moment(meta["creationTimestamp"]) or datetime.min,  # noqa: DTZ901  never absent on a server
        policy_revision=clean(annotations[keys.POLICY_REVISION], 64)
        if keys.POLICY_REVISION in annotations
        else None,
        overrides=_overrides(annotations.get(keys.OVERRIDES_ANNOTATION)),
    )


def _overrides(text: str | None) -> tuple[EnvVar, ...]:
    try:
        return msgspec.convert(json.loads(text), tuple[EnvVar, ...]) if text else ()
    except (ValueError, msgspec.ValidationError):
        return ()


def _update(record: CronJobExecution, seen: Observation) -> CronJobExecution:
    length = (seen.ended_at - seen.started_at).total_seconds() if seen.ended_at and seen.started_at else None
    cause = seen.cause
    return msgspec.structs.replace(
        record,
        status=seen.status,
        started_at=seen.started_at or record.started_at,
        ended_at=seen.ended_at,
        duration_seconds=max(0.0, length) if length is not None else None,
        attempts=seen.attempts or record.attempts,
        exit_code=seen.exit_code if seen.exit_code is not None else record.exit_code,
        restarts=seen.restarts,
        node=seen.node or record.node,
        pods=seen.pods or record.pods,
        reason=cause.reason if cause else None,
        message=cause.message if cause else None,
        next_step=cause.next_step if cause else None,
    )


def vanished(old: CronJobExecution, now: datetime, *, replaced: bool, watched: bool) -> CronJobExecution:
    """The record of a Job that went without an end: replaced, deleted by someone, or gone while away."""
    if replaced:
        status, reason = ExecutionStatus.CANCELLED, "Replaced"
        words = "The run was replaced by the next one (concurrencyPolicy: Replace)."
        step = "Make the run shorter than its schedule's interval, or use Forbid."
    elif watched:
        status, reason = ExecutionStatus.CANCELLED, "Deleted"
        words, step = "The Job was deleted before it ended.", "Find out who deleted it; run it again."
    else:
        status, reason = ExecutionStatus.UNKNOWN, "GoneWhileAway"
        words = "The Job ended or was deleted while kronkeep was not watching; how is not known."
        step = "Look for the run's own traces; run it again if in doubt."
    length = (now - old.started_at).total_seconds() if old.started_at else None
    return msgspec.structs.replace(
        old,
        status=status,
        ended_at=now,
        duration_seconds=length,
        reason=reason,
        message=words,
        next_step=step,
        evidence=None if watched or replaced else f"last seen {old.status}",
    )
