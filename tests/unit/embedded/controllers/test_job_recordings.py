"""The Job controller's plans against the statuses and Events that a real control plane wrote."""

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.recordings import (
    JOB_SCENARIOS,
    mask_pod_suffix,
    outline_job_status,
    read_recording,
    read_watch_events,
    recorded_job_statuses,
)

from kronkeep_daemon.embedded.controllers.job_plan import JobPlan, plan_job
from kronkeep_daemon.kube.objects import JsonObject

START = datetime(2026, 11, 24, 3, 36, 39, 800_000, tzinfo=UTC)


class Replay:
    """Our controller in the place of the recorded one.

    It looks when a Job comes or changes, before each thing that the real controller did to a pod, and when
    the real one wrote a status that ours has not written. The pods that it creates are the recorded ones, in
    order.
    """

    def __init__(self, name: str) -> None:
        self.job: JsonObject | None = None
        self.pods: dict[str, JsonObject] = {}
        self.recorded_pods = [
            event["object"] for event in read_watch_events(name, "pods") if event["type"] == "ADDED"
        ]
        self.statuses: list[JsonObject] = [outline_job_status({})]
        self.events: list[tuple[str, str, str]] = []
        for record in read_recording(name):
            self.take_record(record)

    def take_record(self, record: dict[str, Any]) -> None:
        now = START + timedelta(seconds=record["at"]) if "event" in record else START
        if record.get("watch") == "pods":
            self.take_pod(record["event"]["type"], record["event"]["object"], now)
        elif record.get("watch") == "jobs" and record["event"]["type"] != "DELETED":
            self.take_job(record["event"]["object"], now)

    def take_pod(self, event_type: str, pod: JsonObject, now: datetime) -> None:
        uid = pod["metadata"]["uid"]
        is_deleting = "deletionTimestamp" in pod["metadata"]
        ours = self.pods.get(uid)
        if self.job and (ours is None or (is_deleting and "deletionTimestamp" not in ours["metadata"])):
            self.look(now)
        self.pods.pop(uid, None)
        if event_type != "DELETED":
            self.pods[uid] = pod

    def take_job(self, job: JsonObject, now: datetime) -> None:
        must_look = self.job is None or self.job["spec"] != job["spec"]
        self.job = {**copy.deepcopy(job), "status": self.job["status"] if self.job else {}}
        expected = outline_job_status(job.get("status") or {})
        while must_look or expected not in self.statuses:
            must_look = False
            if not self.look(now):
                return

    def look(self, now: datetime) -> bool:
        """Carry out one plan; return whether it wrote a status."""
        assert self.job is not None
        plan = plan_job(self.job, list(self.pods.values()), now)
        self.events += [creation_event(pod) for pod in plan.create]
        self.events += [deletion_event(pod) for pod in [*plan.discard, *plan.delete]]
        self.events += plan.events
        for pod in plan.create:
            recorded = self.recorded_pods.pop(0)
            assert outline_new_pod(pod) == outline_new_pod(recorded)
            self.pods[recorded["metadata"]["uid"]] = recorded
        written = [
            status for status in (plan.status_before_release, plan.status_after_release) if status is not None
        ]
        if written:
            self.job["status"] = written[-1]
        self.statuses += [outline_job_status(status) for status in written]
        self.release_pods(plan)
        return bool(written)

    def release_pods(self, plan: JobPlan) -> None:
        for pod in plan.release:
            released = {**pod, "metadata": {**pod["metadata"], "finalizers": []}}
            self.pods[pod["metadata"]["uid"]] = released


def outline_new_pod(pod: JsonObject) -> JsonObject:
    """Return what the Job controller sets in a pod: no name, no node, no volume of a service account."""
    metadata_keys = ("generateName", "labels", "annotations", "finalizers", "ownerReferences")
    outline = {key: pod["metadata"].get(key) for key in metadata_keys}
    for key in ("hostname", "restartPolicy", "terminationGracePeriodSeconds"):
        outline[key] = pod["spec"].get(key)
    for key in ("initContainers", "containers"):
        containers = pod["spec"].get(key) or []
        outline[key] = [{k: v for k, v in c.items() if k != "volumeMounts"} for c in containers]
    return outline


def creation_event(pod: JsonObject) -> tuple[str, str, str]:
    return "Normal", "SuccessfulCreate", f"Created pod: {masked_name(pod)}"


def deletion_event(pod: JsonObject) -> tuple[str, str, str]:
    return "Normal", "SuccessfulDelete", f"Deleted pod: {masked_name(pod)}"


def masked_name(pod: JsonObject) -> str:
    return mask_pod_suffix(pod["metadata"].get("name") or pod["metadata"]["generateName"] + "12345")


def recorded_events(name: str) -> list[tuple[str, str, str]]:
    return [
        (obj["type"], obj["reason"], mask_pod_suffix(obj["message"]))
        for event in read_watch_events(name, "events")
        if event["type"] == "ADDED" and (obj := event["object"])["involvedObject"]["kind"] == "Job"
    ]


@pytest.mark.parametrize("name", JOB_SCENARIOS)
def test_the_statuses_are_the_recorded_ones_in_order(name: str) -> None:
    assert Replay(name).statuses == recorded_job_statuses(name)


@pytest.mark.parametrize("name", JOB_SCENARIOS)
def test_the_events_are_the_recorded_ones(name: str) -> None:
    assert sorted(Replay(name).events) == sorted(recorded_events(name))
