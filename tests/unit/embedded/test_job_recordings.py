"""The Job controller's core against what a real control plane wrote, times and ids aside."""

import copy
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kronkeep_daemon.embedded.controllers import job as core

RECORDINGS = Path(__file__).parents[2] / "data" / "recordings"
START = datetime(2026, 11, 24, 3, 36, 39, 750_000, tzinfo=UTC)
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


def replayed(name: str) -> list[dict[str, Any]]:
    """What our controller writes on the recorded pods; it looks when a Job comes or changes, and when the
    real one wrote something that ours has not."""
    job: dict[str, Any] | None = None
    pods: dict[str, dict[str, Any]] = {}
    found: list[dict[str, Any]] = [plain({})]
    for record in records(name):
        if "event" not in record:
            continue
        obj, kind, now = (
            record["event"]["object"],
            record["event"]["type"],
            START + timedelta(seconds=record["at"]),
        )
        if record["watch"] == "pods":
            pods.pop(obj["metadata"]["uid"], None)
            if kind != "DELETED":
                pods[obj["metadata"]["uid"]] = obj
        elif record["watch"] == "jobs":
            changed = job is None or job["spec"] != obj["spec"]
            job = {**copy.deepcopy(obj), "status": job["status"] if job else {}}
            seen = plain(obj.get("status") or {})
            while kind != "DELETED" and (changed or seen not in found):
                changed = False
                plan = look(job, list(pods.values()), now)
                if not plan.statuses:
                    break
                job["status"] = plan.statuses[-1]
                found += [plain(status) for status in plan.statuses]
                release(plan, pods)
    return found


def look(job: dict[str, Any], pods: list[dict[str, Any]], now: datetime) -> core.Plan:
    return core.plan({**job, "lastFailure": core.last_failure(pods)}, pods, now)


def release(plan: core.Plan, pods: dict[str, dict[str, Any]]) -> None:
    for pod in plan.release:
        pods[pod["metadata"]["uid"]] = {**pod, "metadata": {**pod["metadata"], "finalizers": []}}


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_statuses_are_the_recorded_ones_in_order(name: str) -> None:
    assert replayed(name) == recorded(name)
