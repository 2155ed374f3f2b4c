"""The CronJob controller's core against what a real control plane wrote, times and versions aside."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kronkeep_daemon.embedded.controllers import cronjob_plan as core

RECORDINGS = Path(__file__).parents[3] / "data" / "recordings"
START = datetime(2026, 11, 24, 3, 36, 39, 750_000, tzinfo=UTC)
SCENARIOS = [
    "cronjob-two-runs-and-history-limit",
    "cronjob-concurrency-forbid",
    "cronjob-concurrency-replace",
    "cronjob-manual-run",
]


def records(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (RECORDINGS / f"{name}.jsonl").read_text().split("\n") if line]


def plain(status: dict[str, Any]) -> dict[str, Any]:
    """A status with Jobs by name and the slot, but without when a Job ended."""
    found = {key: value for key, value in status.items() if key in ("lastScheduleTime",)}
    found["active"] = [ref["name"] for ref in status.get("active") or []]
    found["succeeded"] = "lastSuccessfulTime" in status
    return found


def recorded(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for record in records(name):
        if record.get("watch") == "cronjobs" and record["event"]["type"] not in ("DELETED", "BOOKMARK"):
            status = plain(record["event"]["object"].get("status") or {})
            if not found or found[-1] != status:
                found.append(status)
    return found


def replayed(name: str) -> list[dict[str, Any]]:
    """What our controller writes when the recorded Jobs come, change and go."""
    cronjob: dict[str, Any] | None = None
    jobs: dict[str, dict[str, Any]] = {}
    status: dict[str, Any] = {}
    found = [plain({})]
    for record in records(name):
        if record.get("watch") not in ("cronjobs", "jobs") or record["event"]["type"] == "BOOKMARK":
            continue
        obj = record["event"]["object"]
        kind = record["event"]["type"]
        now = START + timedelta(seconds=record["at"])
        if record["watch"] == "cronjobs":
            cronjob = obj
        else:
            jobs.pop(obj["metadata"]["uid"], None)
            if kind != "DELETED":
                jobs[obj["metadata"]["uid"]] = obj
        if cronjob is None or (record["watch"] == "cronjobs" and kind == "DELETED"):
            continue
        scheduled = "instantiate" not in str(obj["metadata"].get("annotations"))
        if record["watch"] == "jobs" and kind == "ADDED" and scheduled:
            plan = core.plan({**cronjob, "status": status}, [j for j in jobs.values() if j is not obj], now)
            status = plan.status
            assert plan.create is not None
            assert plan.create["metadata"]["name"] == obj["metadata"]["name"]
            reference = {"name": obj["metadata"]["name"], "uid": obj["metadata"]["uid"]}
            status.setdefault("active", []).append(reference)
        plan = core.plan({**cronjob, "status": status}, list(jobs.values()), now)
        if plan.create is None:
            status = plan.status
        if found[-1] != plain(status):
            found.append(plain(status))
    return found


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_statuses_are_the_recorded_ones_in_order(name: str) -> None:
    assert replayed(name) == recorded(name)
