"""What a Job's controller does, as a function of the Job, its pods and the time.

The order of statuses is the recorded one: pods that ended are first listed in `uncountedTerminatedPods`
together with SuccessCriteriaMet or FailureTarget; then their finalizers go; then they are counted, and with
no pod terminating any more the final condition is written.
"""

import copy
from datetime import datetime, timedelta
from typing import Any

import msgspec

from kronkeep_daemon.embedded.controllers.objects import (
    INDEX,
    condition,
    find_condition,
    finished,
    moment,
    pod_finished,
    stamp,
    tracked,
)
from kronkeep_daemon.embedded.controllers.pods import pod_for

Object = dict[str, Any]
FIRST_BACKOFF, LONGEST_BACKOFF = 10.0, 600.0
_REACHED = ("CompletionsReached", "Reached expected number of succeeded pods")
_LIMIT = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
_DEADLINE = ("DeadlineExceeded", "Job was active longer than specified deadline")


class Plan(msgspec.Struct):
    """What to do, in this order: create, delete, write the first status, release, write the others, tell."""

    create: list[Object] = []
    delete: list[Object] = []
    release: list[Object] = []
    statuses: list[Object] = []
    events: list[tuple[str, str, str]] = []
    requeue: float | None = None


def plan(job: Object, pods: list[Object], now: datetime) -> Plan:
    """The next steps for the Job; an empty plan when there is nothing to do."""
    if finished(job) or job["metadata"].get("deletionTimestamp"):
        return Plan(release=[pod for pod in pods if tracked(pod)])
    return _Sync(job, pods, now).run()


class _Sync:
    """One look at a Job: the working values that the steps share."""

    def __init__(self, job: Object, pods: list[Object], now: datetime) -> None:
        self.job = job
        self.spec = job["spec"]
        self.now = now
        self.old = job.get("status") or {}
        self.plan = Plan(create=[], delete=[], release=[], statuses=[], events=[])
        self.conditions: list[Object] = copy.deepcopy(self.old.get("conditions") or [])
        self.active = [p for p in pods if not pod_finished(p) and not p["metadata"].get("deletionTimestamp")]
        self.terminating = [p for p in pods if not pod_finished(p) and p["metadata"].get("deletionTimestamp")]
        ended = [p for p in pods if pod_finished(p) and tracked(p)]
        self.succeeded = [p for p in ended if p["status"]["phase"] == "Succeeded"]
        self.failed = [p for p in ended if p["status"]["phase"] == "Failed"]
        self.counted_terminating = [p for p in self.terminating if tracked(p)]
        self.indexed = self.spec.get("completionMode") == "Indexed"
        self.done = _read_indexes(self.old.get("completedIndexes"))
        self.start = moment(self.old.get("startTime"))

    def run(self) -> Plan:
        self._suspension()
        outcome = self._outcome()
        if outcome is None and not self.spec.get("suspend"):
            self._manage()
        elif outcome is not None:
            self._end_active(outcome)
        self._write(outcome)
        return self.plan

    def _suspension(self) -> None:
        suspended = find_condition(self.conditions, "Suspended")
        if self.spec.get("suspend"):
            self._drop(self.active)
            self.start = None
            if suspended is None:
                self._set(condition("Suspended", "JobSuspended", "Job suspended", self.now))
                self.plan.events.append(("Normal", "Suspended", "Job suspended"))
            return
        if suspended is not None:
            self._set(condition("Suspended", "JobResumed", "Job resumed", self.now, "False"))
            self.plan.events.append(("Normal", "Resumed", "Job resumed"))
        if self.start is None:
            self.start = self.now

    def _set(self, new: Object) -> None:
        self.conditions = [c for c in self.conditions if c["type"] != new["type"]] + [new]

    def _drop(self, pods: list[Object]) -> None:
        for pod in pods:
            self.plan.delete.append(pod)
            self.plan.events.append(("Normal", "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}"))
        self.active = [p for p in self.active if p not in pods]
        self.terminating = self.terminating + pods
        self.counted_terminating = self.counted_terminating + [p for p in pods if tracked(p)]

    def _outcome(self) -> Object | None:
        """The condition that decides the Job's end, when it is decided."""
        for kind in ("FailureTarget", "SuccessCriteriaMet"):
            if decided := find_condition(self.conditions, kind):
                return decided
        if self.spec.get("suspend"):
            return None
        if words := self._failure():
            return condition("FailureTarget", *words, self.now)
        if self._complete():
            return condition("SuccessCriteriaMet", *_REACHED, self.now)
        return None

    def _failure(self) -> tuple[str, str] | None:
        if message := self._failure_policy():
            return "PodFailurePolicy", message
        if self.old.get("failed", 0) + len(self._counted_failures()) > self.spec.get("backoffLimit", 6):
            return _LIMIT
        deadline = self.spec.get("activeDeadlineSeconds")
        if deadline is not None and self.start is not None:
            left = (self.start + timedelta(seconds=deadline) - self.now).total_seconds()
            if left <= 0:
                return _DEADLINE
            self._requeue(left)
        return None

    def _counted_failures(self) -> list[Object]:
        return [pod for pod in self.failed if self._rule(pod, "Ignore") is None]

    def _failure_policy(self) -> str | None:
        for pod in self.failed:
            if found := self._rule(pod, "FailJob"):
                index, container, code = found
                where = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
                return (
                    f"Container {container} for pod {where} failed with exit code {code} "
                    f"matching FailJob rule at index {index}"
                )
        return None

    def _rule(self, pod: Object, action: str) -> tuple[int, str, int] | None:
        """The first podFailurePolicy rule that the pod's exit codes meet, if its action is `action`."""
        for index, rule in enumerate((self.spec.get("podFailurePolicy") or {}).get("rules") or []):
            if found := _exit_code_match(pod, rule.get("onExitCodes")):
                return (index, *found) if rule["action"] == action else None
        return None

    def _complete(self) -> bool:
        if self.indexed:
            return len(self.done | self._new_indexes()) >= int(self.spec["completions"])
        succeeded = self.old.get("succeeded", 0) + len(self.succeeded)
        if self.spec.get("completions") is None:
            return succeeded > 0 and not self.active
        return bool(succeeded >= self.spec["completions"])

    def _new_indexes(self) -> set[int]:
        return {int(pod["metadata"]["annotations"][INDEX]) for pod in self.succeeded}

    def _manage(self) -> None:
        """Creates or deletes pods towards parallelism, held back after failures."""
        wanted = self._wanted()
        if len(self.active) > wanted:
            self._drop(self.active[wanted:])
        missing = wanted - len(self.active)
        if missing <= 0:
            return
        wait = self._backoff()
        if wait > 0:
            self._requeue(wait)
            return
        for index in self._free_indexes(missing) if self.indexed else [None] * missing:
            self.plan.create.append(pod_for(self.job, index))

    def _wanted(self) -> int:
        parallelism, completions = self.spec.get("parallelism", 1), self.spec.get("completions")
        if completions is None:
            some = self.old.get("succeeded", 0) or self.succeeded
            return int(min(parallelism, len(self.active)) if some else parallelism)
        succeeded = len(self.done | self._new_indexes()) if self.indexed else self.old.get("succeeded", 0)
        left = completions - succeeded - (0 if self.indexed else len(self.succeeded))
        return int(max(0, min(parallelism, left)))

    def _free_indexes(self, count: int) -> list[int]:
        taken = self.done | self._new_indexes()
        taken |= {int(pod["metadata"]["annotations"][INDEX]) for pod in self.active}
        return [i for i in range(self.spec["completions"]) if i not in taken][:count]

    def _backoff(self) -> float:
        """Seconds until a new pod may be made: 10 s after the first failure, doubling, at most 10 min."""
        failures = self.old.get("failed", 0) + len(self.failed)
        last = max([_ended_at(pod) or self.now for pod in self.failed], default=None) or self._last_failure()
        if not failures or last is None:
            return 0.0
        pause = min(FIRST_BACKOFF * 2 ** (failures - 1), LONGEST_BACKOFF)
        return (last + timedelta(seconds=pause) - self.now).total_seconds()

    def _last_failure(self) -> datetime | None:
        """When the newest pod that was counted as failed ended; set by the shell on the Job."""
        return moment(self.job.get("lastFailure"))

    def _end_active(self, outcome: Object) -> None:
        if outcome["type"] == "FailureTarget":
            self._drop(self.active)

    def _write(self, outcome: Object | None) -> None:
        if outcome is not None and find_condition(self.conditions, outcome["type"]) is None:
            self.conditions.append(outcome)
        newly_failed = self.failed + (self.counted_terminating if outcome else [])
        newly_succeeded = self.succeeded
        self.plan.release = newly_failed + newly_succeeded
        listed = _uncounted(self.indexed, newly_succeeded, newly_failed)
        base = self._base()
        if listed:
            self._append(base | {"uncountedTerminatedPods": listed})
        counted = self._count(base, newly_succeeded, newly_failed)
        if outcome is not None and not listed:
            self._append(counted)
        self._append(self._final(counted, outcome) if not self.terminating else counted)

    def _append(self, status: Object) -> None:
        previous = self.plan.statuses[-1] if self.plan.statuses else self.old
        if status != previous:
            self.plan.statuses.append(status)

    def _base(self) -> Object:
        """The status with this look's pods but without counting those that have just ended."""
        status: Object = {}
        if self.conditions:
            status["conditions"] = self.conditions
        if self.start is not None:
            status["startTime"] = stamp(self.start)
        active = len(self.active) + len(self.plan.create)
        if active:
            status["active"] = active
        for key in ("succeeded", "failed"):
            if self.old.get(key):
                status[key] = self.old[key]
        status["terminating"] = len(self.terminating)
        if self.done:
            status["completedIndexes"] = _write_indexes(self.done)
        status["uncountedTerminatedPods"] = {}
        status["ready"] = sum(_ready(pod) for pod in self.active)
        return status

    def _count(self, base: Object, succeeded: list[Object], failed: list[Object]) -> Object:
        status = dict(base)
        if self.indexed and succeeded:
            done = self.done | self._new_indexes()
            status["completedIndexes"] = _write_indexes(done)
            status["succeeded"] = len(done)
        elif succeeded:
            status["succeeded"] = base.get("succeeded", 0) + len(succeeded)
        counted = [pod for pod in failed if self._rule(pod, "Ignore") is None]
        if counted:
            status["failed"] = base.get("failed", 0) + len(counted)
        return status

    def _final(self, status: Object, outcome: Object | None) -> Object:
        if outcome is None:
            return status
        failing = outcome["type"] == "FailureTarget"
        kind = "Failed" if failing else "Complete"
        end = condition(kind, outcome["reason"], outcome["message"], self.now)
        words = (
            ("Warning", outcome["reason"], outcome["message"])
            if failing
            else ("Normal", "Completed", "Job completed")
        )
        self.plan.events.append(words)
        final = status | {"conditions": [*self.conditions, end]}
        return final if failing else final | {"completionTime": stamp(self.now)}

    def _requeue(self, seconds: float) -> None:
        self.plan.requeue = min(seconds, self.plan.requeue or seconds)


def _uncounted(indexed: bool, succeeded: list[Object], failed: list[Object]) -> Object:
    """`uncountedTerminatedPods`; successes of Indexed Jobs are in `completedIndexes` instead."""
    listed: Object = {}
    if succeeded and not indexed:
        listed["succeeded"] = [pod["metadata"]["uid"] for pod in succeeded]
    if failed:
        listed["failed"] = [pod["metadata"]["uid"] for pod in failed]
    return listed


def _exit_code_match(pod: Object, rule: Object | None) -> tuple[str, int] | None:
    if rule is None:
        return None
    status = pod["status"]
    for entry in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        code = ((entry.get("state") or {}).get("terminated") or {}).get("exitCode")
        if not code or rule.get("containerName") not in (None, entry["name"]):
            continue
        if (code in rule["values"]) == (rule["operator"] == "In"):
            return entry["name"], code
    return None


def _ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return find_condition(conditions, "Ready") is not None


def _ended_at(pod: Object) -> datetime | None:
    status = pod.get("status") or {}
    entries = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    ended = [((entry.get("state") or {}).get("terminated") or {}).get("finishedAt") for entry in entries]
    return max((found for found in map(moment, ended) if found is not None), default=None)


def last_failure(pods: list[Object]) -> str | None:
    """When the newest failed pod ended, as a metav1.Time."""
    ended = [_ended_at(p) for p in pods if (p.get("status") or {}).get("phase") == "Failed"]
    newest = max((found for found in ended if found is not None), default=None)
    return stamp(newest) if newest else None


def _read_indexes(text: str | None) -> set[int]:
    found: set[int] = set()
    for part in (text or "").split(","):
        if part:
            first, _, last = part.partition("-")
            found |= set(range(int(first), int(last or first) + 1))
    return found


def _write_indexes(indexes: set[int]) -> str:
    """`0,1` and `0-2,5`: two neighbours are listed, three or more are a range."""
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs)
