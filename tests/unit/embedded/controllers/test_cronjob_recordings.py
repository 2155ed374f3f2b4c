"""The CronJob controller's plans against the statuses that a real control plane wrote."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.recordings import (
    CRONJOB_SCENARIOS,
    outline_cronjob_status,
    read_recording,
    recorded_cronjob_statuses,
)

from kronkeep_daemon.embedded.controllers.cronjob_plan import plan_cronjob
from kronkeep_daemon.kube.objects import JsonObject

START = datetime(2026, 11, 24, 3, 36, 39, 750_000, tzinfo=UTC)


def replay(name: str) -> list[JsonObject]:
    """Return the outlines of what our controller writes while the recorded Jobs come, change and go."""
    cronjob: JsonObject | None = None
    jobs: dict[str, JsonObject] = {}
    status: JsonObject = {}
    outlines = [outline_cronjob_status({})]
    for record in read_recording(name):
        if record.get("watch") not in ("cronjobs", "jobs") or record["event"]["type"] == "BOOKMARK":
            continue
        obj = record["event"]["object"]
        event_type = record["event"]["type"]
        now = START + timedelta(seconds=record["at"])
        if record["watch"] == "cronjobs":
            cronjob = obj
        else:
            jobs.pop(obj["metadata"]["uid"], None)
            if event_type != "DELETED":
                jobs[obj["metadata"]["uid"]] = obj
        if cronjob is None or (record["watch"] == "cronjobs" and event_type == "DELETED"):
            continue
        is_scheduled = "instantiate" not in str(obj["metadata"].get("annotations"))
        if record["watch"] == "jobs" and event_type == "ADDED" and is_scheduled:
            others = [job for job in jobs.values() if job is not obj]
            plan = plan_cronjob({**cronjob, "status": status}, others, now)
            status = plan.status
            assert plan.create is not None
            assert plan.create["metadata"]["name"] == obj["metadata"]["name"]
            reference = {"name": obj["metadata"]["name"], "uid": obj["metadata"]["uid"]}
            status.setdefault("active", []).append(reference)
        plan = plan_cronjob({**cronjob, "status": status}, list(jobs.values()), now)
        if plan.create is None:
            status = plan.status
        if outlines[-1] != outline_cronjob_status(status):
            outlines.append(outline_cronjob_status(status))
    return outlines


@pytest.mark.parametrize("name", CRONJOB_SCENARIOS)
def test_the_statuses_are_the_recorded_ones_in_order(name: str) -> None:
    assert replay(name) == recorded_cronjob_statuses(name)
