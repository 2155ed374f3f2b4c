"""What the Job controller does, as a function of the Job, its pods and the time (as in 1.36).

A pod's end is counted in three steps, so that a crash between them loses and doubles nothing: the ended pods
are listed in `uncountedTerminatedPods`, with SuccessCriteriaMet or FailureTarget once the outcome is decided;
then their finalizers go; then they are counted, and with no pod terminating any more the final condition is
written. Successes of Indexed Jobs need no list: their set of indexes can be written again without harm.
"""

from datetime import datetime, timedelta

import msgspec

from kronkeep_daemon.embedded.controllers import completion_indexes, job_pods
from kronkeep_daemon.embedded.controllers.job_pods import Tally
from kronkeep_daemon.embedded.controllers.object_fields import (
    condition,
    find_condition,
    finished,
    moment,
    stamp,
    tracked,
)
from kronkeep_daemon.embedded.controllers.pod_template import pod_for
from kronkeep_daemon.kube.objects import JsonObject

Event = tuple[str, str, str]
MOST_AT_ONCE = 500  # pods made or removed in one look, as upstream
_REACHED = ("CompletionsReached", "Reached expected number of succeeded pods")
_LIMIT = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
_DEADLINE = ("DeadlineExceeded", "Job was active longer than specified deadline")


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to do, in this order: create, discard (release, then delete), delete, write `before`, release,
    write `after`, tell; and to look again after `requeue` seconds."""

    create: list[JsonObject] = []
    discard: list[JsonObject] = []
    delete: list[JsonObject] = []
    before: list[JsonObject] = []
    release: list[JsonObject] = []
    after: list[JsonObject] = []
    events: list[Event] = []
    requeue: float | None = None


class _Look(msgspec.Struct, frozen=True, kw_only=True):
    """One look at a Job: what is read once and used by every step."""

    job: JsonObject
    old: JsonObject
    pods: Tally
    now: datetime
    start: datetime | None
    succeeded: list[str]  # uids listed for counting, those of an interrupted earlier look first
    failed: list[str]
    done: set[int]  # completion indexes reached, those of this look included

    @property
    def spec(self) -> JsonObject:
        spec: JsonObject = self.job["spec"]
        return spec

    @property
    def indexed(self) -> bool:
        return bool(self.spec.get("completionMode") == "Indexed")

    @property
    def suspended(self) -> bool:
        return bool(self.spec.get("suspend"))

    @property
    def successes(self) -> int:
        return len(self.done) if self.indexed else self.old.get("succeeded", 0) + len(self.succeeded)

    @property
    def failures(self) -> int:
        return int(self.old.get("failed", 0)) + len(self.failed)


class _Deeds(msgspec.Struct, frozen=True, kw_only=True):
    """What is done to the pods."""

    create: list[JsonObject] = []
    discard: list[JsonObject] = []
    delete: list[JsonObject] = []
    requeue: float | None = None


def plan(job: JsonObject, pods: list[JsonObject], now: datetime) -> Plan:
    """The next steps for the Job; an empty plan when there is nothing to do."""
    if finished(job) or job["metadata"].get("deletionTimestamp"):
        return Plan(release=[pod for pod in pods if tracked(pod)])
    look = _look(job, pods, now)
    outcome = _decided(look) or _failure(look)
    if outcome is not None:
        deeds = _Deeds(delete=look.pods.active)
    else:
        deeds = _manage(look)
        outcome = _completion(look, deeds)
    if outcome is not None and outcome["type"] == "FailureTarget":
        look = _all_failed(look)
    return _written(look, deeds, outcome)


def _look(job: JsonObject, pods: list[JsonObject], now: datetime) -> _Look:
    old = job.get("status") or {}
    tally = job_pods.read(job, pods)
    indexed = job["spec"].get("completionMode") == "Indexed"
    listed = old.get("uncountedTerminatedPods") or {}
    start = moment(old.get("startTime"))
    resumed = find_condition(old.get("conditions") or [], "Suspended") is not None
    if not job["spec"].get("suspend") and (start is None or resumed):
        start = now
    new = {job_pods.index_of(pod) for pod in tally.succeeded} if indexed else set()
    return _Look(
        job=job,
        old=old,
        pods=tally,
        now=now,
        start=start,
        succeeded=_listed(listed.get("succeeded"), [] if indexed else tally.succeeded),
        failed=_listed(listed.get("failed"), tally.failed),
        done=completion_indexes.read(old.get("completedIndexes")) | new,
    )


def _all_failed(look: _Look) -> _Look:
    """The Job has failed, so every pod that has not ended counts as failed."""
    left = [pod for pod in [*look.pods.active, *look.pods.terminating] if tracked(pod)]
    return msgspec.structs.replace(look, failed=_listed(look.failed, left))


def _listed(before: list[str] | None, pods: list[JsonObject]) -> list[str]:
    return list(dict.fromkeys([*(before or []), *(pod["metadata"]["uid"] for pod in pods)]))


def _decided(look: _Look) -> JsonObject | None:
    """The outcome that an earlier look has written."""
    conditions = look.old.get("conditions") or []
    return find_condition(conditions, "SuccessCriteriaMet") or find_condition(conditions, "FailureTarget")


def _failure(look: _Look) -> JsonObject | None:
    words = _failure_words(look)
    return condition("FailureTarget", *words, look.now) if words else None


def _failure_words(look: _Look) -> tuple[str, str] | None:
    if message := _policy_message(look):
        return "PodFailurePolicy", message
    limit = look.spec.get("backoffLimit", 6)
    if look.failures > limit or _restarted_too_often(look, limit):
        return _LIMIT
    left = _deadline(look)
    return _DEADLINE if left is not None and left <= 0 else None


def _policy_message(look: _Look) -> str | None:
    for pod in look.pods.failed:
        if found := job_pods.policy_match(look.job, pod, "FailJob"):
            rule, container, code = found
            where = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
            words = f"Container {container} for pod {where} failed with exit code {code} matching FailJob"
            return f"{words} rule at index {rule}"
    return None


def _restarted_too_often(look: _Look, limit: int) -> bool:
    """restartPolicy OnFailure: the restarts of running pods count against backoffLimit."""
    if look.spec["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    return job_pods.restarts(look.pods.active) >= max(limit, 1)


def _deadline(look: _Look) -> float | None:
    """Seconds left of activeDeadlineSeconds; None without one, or while suspended."""
    seconds = look.spec.get("activeDeadlineSeconds")
    if seconds is None or look.start is None or look.suspended:
        return None
    return (look.start + timedelta(seconds=seconds) - look.now).total_seconds()


def _manage(look: _Look) -> _Deeds:
    """Makes or removes pods towards what is wanted; new ones are held back after failures."""
    active = look.pods.active
    if look.suspended:
        return _Deeds(discard=active)
    wanted = _wanted(look)
    if len(active) > wanted:
        return _Deeds(discard=_least_worth(active)[: len(active) - wanted][:MOST_AT_ONCE])
    occupied = len(look.pods.terminating) if job_pods.replaces_only_failed(look.job) else 0
    missing = min(wanted - len(active) - occupied, MOST_AT_ONCE)
    if missing <= 0:
        return _Deeds()
    wait = job_pods.backoff(look.pods.every, look.now)
    if wait > 0:
        return _Deeds(requeue=wait)
    numbers = _free_indexes(look)[:missing] if look.indexed else [None] * missing
    return _Deeds(create=[pod_for(look.job, number) for number in numbers])


def _wanted(look: _Look) -> int:
    parallelism = int(look.spec.get("parallelism", 1))
    completions = look.spec.get("completions")
    if completions is None:
        return len(look.pods.active) if look.successes else parallelism
    return max(0, min(parallelism, int(completions) - look.successes))


def _least_worth(pods: list[JsonObject]) -> list[JsonObject]:
    """Those that have done least first: not ready before ready, younger before older."""
    young_first = sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), reverse=True)
    return sorted(young_first, key=job_pods.ready)


def _free_indexes(look: _Look) -> list[int | None]:
    taken = look.done | {job_pods.index_of(pod) for pod in look.pods.active}
    if job_pods.replaces_only_failed(look.job):
        taken |= {job_pods.index_of(pod) for pod in look.pods.terminating}
    return [number for number in range(look.spec["completions"]) if number not in taken]


def _completion(look: _Look, deeds: _Deeds) -> JsonObject | None:
    if len(look.pods.active) + len(deeds.create) - len(deeds.discard):
        return None
    completions = look.spec.get("completions")
    enough = look.successes > 0 if completions is None else look.successes >= completions
    return condition("SuccessCriteriaMet", *_REACHED, look.now) if enough else None


def _written(look: _Look, deeds: _Deeds, outcome: JsonObject | None) -> Plan:
    """The statuses, in order, and the words to tell."""
    conditions, events = _conditions(look, outcome)
    base = _base(look, deeds, conditions)
    listed = {"succeeded": look.succeeded, "failed": look.failed}
    uncounted = {key: uids for key, uids in listed.items() if uids}
    counted = base | _counts(look)
    first = base | {"uncountedTerminatedPods": uncounted} if uncounted else counted
    last = counted
    if outcome is not None and not base["terminating"]:
        last = _final(counted, outcome, look.now)
        events = [*events, _told(outcome)]
    return Plan(
        create=deeds.create,
        discard=deeds.discard,
        delete=deeds.delete,
        before=[first] if first != look.old else [],
        release=_released(look, outcome),
        after=[last] if last != first else [],
        events=events,
        requeue=_sooner(deeds.requeue, None if outcome else _deadline(look)),
    )


def _conditions(look: _Look, outcome: JsonObject | None) -> tuple[list[JsonObject], list[Event]]:
    """The conditions with an outcome added, or Suspended kept true; and the words on suspension."""
    old: list[JsonObject] = look.old.get("conditions") or []
    if outcome is not None:
        return (old if find_condition(old, outcome["type"]) else [*old, outcome]), []
    others = [entry for entry in old if entry["type"] != "Suspended"]
    was = find_condition(old, "Suspended") is not None
    if look.suspended and not was:
        suspended = condition("Suspended", "JobSuspended", "Job suspended", look.now)
        return [*others, suspended], [("Normal", "Suspended", "Job suspended")]
    if was and not look.suspended:
        resumed = condition("Suspended", "JobResumed", "Job resumed", look.now, "False")
        return [*others, resumed], [("Normal", "Resumed", "Job resumed")]
    return old, []


def _base(look: _Look, deeds: _Deeds, conditions: list[JsonObject]) -> JsonObject:
    """The status of this look before the listed pods are counted."""
    removed = [*deeds.discard, *deeds.delete]
    kept = [pod for pod in look.pods.active if pod not in removed]
    status: JsonObject = {
        "conditions": conditions,
        "startTime": stamp(look.start) if look.start else None,
        "active": len(kept) + len(deeds.create),
        "succeeded": len(look.done) if look.indexed else look.old.get("succeeded"),
        "failed": look.old.get("failed"),
        "completedIndexes": completion_indexes.write(look.done),
    }
    return {key: value for key, value in status.items() if value} | {
        "terminating": len(look.pods.terminating) + len(removed),
        "uncountedTerminatedPods": {},
        "ready": sum(map(job_pods.ready, kept)),
    }


def _counts(look: _Look) -> JsonObject:
    counts = {"succeeded": look.successes, "failed": look.failures}
    return {key: count for key, count in counts.items() if count}


def _final(status: JsonObject, outcome: JsonObject, now: datetime) -> JsonObject:
    failing = outcome["type"] == "FailureTarget"
    end = condition("Failed" if failing else "Complete", outcome["reason"], outcome["message"], now)
    final = status | {"conditions": [*status["conditions"], end]}
    return final if failing else final | {"completionTime": stamp(now)}


def _told(outcome: JsonObject) -> Event:
    if outcome["type"] == "FailureTarget":
        return "Warning", outcome["reason"], outcome["message"]
    return "Normal", "Completed", "Job completed"


def _released(look: _Look, outcome: JsonObject | None) -> list[JsonObject]:
    """The pods whose finalizer goes: those listed, and with an outcome all that are left."""
    if outcome is None:
        return [*look.pods.succeeded, *look.pods.failed, *look.pods.ignored]
    return [pod for pod in look.pods.every if tracked(pod)]


def _sooner(one: float | None, other: float | None) -> float | None:
    return min((seconds for seconds in (one, other) if seconds is not None), default=None)
