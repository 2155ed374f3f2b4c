"""The Job controller's core against what a real control plane wrote, times and ids aside."""

import copy
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kronkeep_daemon.embedded.controllers import job_plan as core

RECORDINGS = Path(__file__).parents[3] / "data" / "recordings"
START = datetime(2026, 11, 24, 3, 36, 39, 800_000, tzinfo=UTC)
TIMES = ("startTime", "completionTime", "lastProbeTime", "lastTransitionTime")
SCENARIOS = [
    "job-success",
    "job-failure-no-retry",
    "job-failure-after-retries",
    "job-deadline-exceeded",
    "job-indexed-parallel",
    "job-init-container-fails",
    "job-pod-failure-policy",
    "job-suspend-resume",
    "job-ttl-after-finished",
    "job-deleted-while-running",
]


def records(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (RECORDINGS / f"{name}.jsonl").read_text().split("\n") if line]


def plain(status: dict[str, Any]) -> dict[str, Any]:
    """A status without times; which pods are uncounted matters only in number."""
    found = {key: value for key, value in status.items() if key not in TIMES}
    found["times"] = sorted(key for key in TIMES if key in status)
    found["conditions"] = [
        {key: value for key, value in c.items() if key not in TIMES} for c in status.get("conditions") or []
    ]
    listed = status.get("uncountedTerminatedPods") or {}
    found["uncountedTerminatedPods"] = {key: len(value) for key, value in listed.items()}
    return found


def recorded(name: str) -> list[dict[str, Any]]:
    """The distinct statuses in the order in which they were written."""
    found: list[dict[str, Any]] = []
    for record in records(name):
        if record.get("watch") == "jobs" and record["event"]["type"] != "DELETED":
            status = plain(record["event"]["object"].get("status") or {})
            if not found or found[-1] != status:
                found.append(status)
    return found


class Replay:
    """What our controller does in the place of the recorded one.

    It looks when a Job comes or changes, before each thing that the real one did to a pod, and when the real
    one wrote something that ours has not. The pods that it makes are the recorded ones, in order.
    """

    def __init__(self, name: str) -> None:
        self.job: dict[str, Any] | None = None
        self.pods: dict[str, dict[str, Any]] = {}
        self.coming = [r["event"]["object"] for r in records(name) if is_new_pod(r)]
        self.statuses: list[dict[str, Any]] = [plain({})]
        self.events: list[tuple[str, str, str]] = []
        for record in records(name):
            now = START + timedelta(seconds=record["at"]) if "event" in record else START
            if record.get("watch") == "pods":
                self.pod(record["event"]["type"], record["event"]["object"], now)
            elif record.get("watch") == "jobs" and record["event"]["type"] != "DELETED":
                self.seen(record["event"]["object"], now)

    def pod(self, kind: str, obj: dict[str, Any], now: datetime) -> None:
        uid = obj["metadata"]["uid"]
        deleted = "deletionTimestamp" in obj["metadata"]
        ours = self.pods.get(uid)
        if self.job and (ours is None or (deleted and "deletionTimestamp" not in ours["metadata"])):
            self.look(now)
        self.pods.pop(uid, None)
        if kind != "DELETED":
            self.pods[uid] = obj

    def seen(self, obj: dict[str, Any], now: datetime) -> None:
        changed = self.job is None or self.job["spec"] != obj["spec"]
        self.job = {**copy.deepcopy(obj), "status": self.job["status"] if self.job else {}}
        wanted = plain(obj.get("status") or {})
        while changed or wanted not in self.statuses:
            changed = False
            if not self.look(now):
                return

    def look(self, now: datetime) -> bool:
        assert self.job is not None
        plan = core.plan(self.job, list(self.pods.values()), now)
        for kind in ("create", "discard", "delete"):
            self.events += [told(kind, pod) for pod in getattr(plan, kind)]
        self.events += plan.events
        for made in plan.create:
            real = self.coming.pop(0)
            assert template_of(made) == template_of(real)
            self.pods[real["metadata"]["uid"]] = real
        statuses = [*plan.before, *plan.after]
        if statuses:
            self.job["status"] = statuses[-1]
        self.statuses += [plain(status) for status in statuses]
        release(plan, self.pods)
        return bool(statuses)


def is_new_pod(record: dict[str, Any]) -> bool:
    return record.get("watch") == "pods" and record["event"]["type"] == "ADDED"


def template_of(pod: dict[str, Any]) -> dict[str, Any]:
    """What the Job controller says of a pod: no name, no node, no volume of a service account."""
    keys = ("generateName", "labels", "annotations", "finalizers", "ownerReferences")
    found = {key: pod["metadata"].get(key) for key in keys}
    for key in ("hostname", "restartPolicy", "terminationGracePeriodSeconds"):
        found[key] = pod["spec"].get(key)
    for key in ("initContainers", "containers"):
        containers = pod["spec"].get(key) or []
        found[key] = [{k: v for k, v in c.items() if k != "volumeMounts"} for c in containers]
    return found


def told(kind: str, pod: dict[str, Any]) -> tuple[str, str, str]:
    name = pod["metadata"].get("name") or pod["metadata"]["generateName"] + "12345"
    if kind == "create":
        return "Normal", "SuccessfulCreate", f"Created pod: {unnamed(name)}"
    return "Normal", "SuccessfulDelete", f"Deleted pod: {unnamed(name)}"


def unnamed(text: str) -> str:
    """Without the five random characters of a pod's name."""
    return re.sub(r"-[a-z0-9]{5}$", "-*", text)


def recorded_events(name: str) -> list[tuple[str, str, str]]:
    events = [r["event"] for r in records(name) if r.get("watch") == "events"]
    return [
        (obj["type"], obj["reason"], unnamed(obj["message"]))
        for obj in (event["object"] for event in events if event["type"] == "ADDED")
        if obj["involvedObject"]["kind"] == "Job"
    ]


def release(plan: core.Plan, pods: dict[str, dict[str, Any]]) -> None:
    for pod in plan.release:
        pods[pod["metadata"]["uid"]] = {**pod, "metadata": {**pod["metadata"], "finalizers": []}}


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_statuses_are_the_recorded_ones_in_order(name: str) -> None:
    assert Replay(name).statuses == recorded(name)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_events_are_the_recorded_ones(name: str) -> None:
    assert sorted(Replay(name).events) == sorted(recorded_events(name))
