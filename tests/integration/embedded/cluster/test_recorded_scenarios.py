"""The recorded scenarios on the embedded cluster: the same requests, with real processes."""

import asyncio
import contextlib
import json
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from tests.recordings import (
    CRONJOB_SCENARIOS,
    JOB_SCENARIOS,
    mask_pod_suffix,
    outline_cronjob_status,
    outline_job_status,
    read_recording,
    read_watch_events,
    recorded_cronjob_statuses,
    recorded_job_statuses,
    without_repetitions,
)

from kronkeep_daemon.embedded import EmbeddedCluster
from kronkeep_daemon.kube.objects import JsonObject

EventText = tuple[str, str, str]  # type, reason, message
WatchEvent = tuple[str, str, JsonObject]  # plural of the kind, type, object
# Counters whose steps depend on how long a process takes within the controller's second.
TIMED_COUNTERS = (
    "ready",
    "active",
    "terminating",
    "succeeded",
    "failed",
    "completedIndexes",
    "uncountedTerminatedPods",
)
ANSWER_SECONDS = 0.5  # a request is recorded with its answer, after the first events that follow from it
LONGEST_WAIT = 60.0  # seconds for what the recording has seen before a request


class Scenario:
    """One recording, run in a namespace of its own: its requests at their times, and all watch events.

    On a busy machine each request waits until as much has happened as had in the recording.
    """

    def __init__(self, http: aiohttp.ClientSession, url: str, name: str) -> None:
        self._http = http
        self._url = url
        self._name = name
        self._records = read_recording(name)
        self._uids: dict[str, str] = {}
        self._watch_events: list[WatchEvent] = []
        self._watched = asyncio.Event()

    async def run(self) -> None:
        """Send the requests; return a second and a half after the recording's last time, or later."""
        namespace = {"metadata": {"name": f"rec-{self._name}"}}
        await self._request("POST", "/api/v1/namespaces", namespace, "application/json")
        async with asyncio.TaskGroup() as group:
            watches = [group.create_task(self._watch(plural, path)) for plural, path in self._watch_paths()]
            start = asyncio.get_running_loop().time()
            for record in self._records:
                if "request" in record and record["request"]["method"] != "GET":
                    await self._sleep_until(start + record["at"])
                    deletes = record["request"]["method"] == "DELETE"
                    await self._catch_up(record["at"] - ANSWER_SECONDS, counters=deletes)
                    await self._repeat(record["request"], record["response"].get("body") or {})
            await self._sleep_until(start + self._records[-1]["at"] + 1.5)
            await self._catch_up(self._records[-1]["at"] + ANSWER_SECONDS)
            for watch in watches:
                watch.cancel()

    @staticmethod
    async def _sleep_until(end: float) -> None:
        await asyncio.sleep(end - asyncio.get_running_loop().time())

    async def _catch_up(self, at: float, *, counters: bool = False) -> None:
        """Wait until as many Events and statuses were written as the recording has before a time.

        counters: whether the Job's newest status must have the counters of ready and ending pods too, which
            no later one brings up to date once the Job is deleted.
        """
        before = [
            (record["watch"], record["event"]["type"], record["event"]["object"])
            for record in self._records
            if "watch" in record and record["at"] < at
        ]
        expected = count_changes(before, counters=counters)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_WAIT):
                while expected - count_changes(self._watch_events, counters=counters):
                    self._watched.clear()
                    await self._watched.wait()

    def _watch_paths(self) -> list[tuple[str, str]]:
        scope = f"/namespaces/rec-{self._name}"
        return [
            ("jobs", f"/apis/batch/v1{scope}/jobs"),
            ("cronjobs", f"/apis/batch/v1{scope}/cronjobs"),
            ("events", f"/api/v1{scope}/events"),
        ]

    async def _watch(self, plural: str, path: str) -> None:
        async with self._http.get(f"{self._url}{path}?watch=1") as response:
            async for line in response.content:
                event = json.loads(line)
                self._watch_events.append((plural, event["type"], event["object"]))
                self._watched.set()

    async def _repeat(self, request: JsonObject, recorded: JsonObject) -> None:
        """Send a recorded request with the uids of the objects that exist here."""
        text = json.dumps(request.get("body"))
        for recorded_uid, uid in self._uids.items():
            text = text.replace(recorded_uid, uid)
        body = await self._request(
            request["method"], request["path"], json.loads(text), request["contentType"]
        )
        if created_uid := (recorded.get("metadata") or {}).get("uid"):
            self._uids[created_uid] = body["metadata"]["uid"]

    async def _request(self, method: str, path: str, body: Any, content_type: str) -> JsonObject:
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": content_type}
        async with self._http.request(method, self._url + path, data=data, headers=headers) as response:
            assert response.status < 300, await response.text()
            answer: JsonObject = await response.json()
            return answer

    def statuses(self, plural: str, outline: Callable[[JsonObject], JsonObject]) -> list[JsonObject]:
        """Return the distinct statuses of a kind in the order in which they were written."""
        statuses = [
            mask_pod_names(outline(obj.get("status") or {}))
            for watched, event_type, obj in self._watch_events
            if watched == plural and event_type != "DELETED"
        ]
        return without_repetitions(statuses)

    def events(self, kind: str) -> list[EventText]:
        """Return the Events about objects of a kind."""
        return [
            event_text(obj)
            for plural, event_type, obj in self._watch_events
            if plural == "events" and event_type == "ADDED" and is_about(obj, kind)
        ]


def count_changes(events: list[WatchEvent], *, counters: bool) -> Counter[str]:
    """Return how many Events of each reason and how many statuses Jobs and CronJobs have.

    With `counters` the newest status of a Job is counted as it is.
    """
    counts = Counter(
        f"{obj['involvedObject']['kind']} {obj['reason']}"
        for plural, event_type, obj in events
        if plural == "events" and event_type == "ADDED" and obj["involvedObject"]["kind"] != "Pod"
    )
    for plural, outline in (("jobs", outline_job_status), ("cronjobs", outline_cronjob_status)):
        statuses = [
            outline(obj.get("status") or {})
            for watched, event_type, obj in events
            if watched == plural and event_type not in ("DELETED", "BOOKMARK")
        ]
        counts[plural] = len(without_counters(statuses))
        if counters and plural == "jobs" and statuses:
            counts[json.dumps(mask_pod_names(statuses[-1]), sort_keys=True)] = 1
    return counts


def mask_pod_names(status: Any) -> Any:
    """Return the status without the five random characters of pods' names, wherever messages have them."""
    return json.loads(re.sub(r"-[a-z0-9]{5}\b(?= |\")", "-*", json.dumps(status)))


def is_about(event: JsonObject, kind: str) -> bool:
    return bool(event["involvedObject"]["kind"] == kind)


def event_text(event: JsonObject) -> EventText:
    return event["type"], event["reason"], str(mask_pod_names(mask_pod_suffix(event["message"])))


def recorded_events(name: str, kind: str) -> list[EventText]:
    events = [event["object"] for event in read_watch_events(name, "events") if event["type"] == "ADDED"]
    return [event_text(event) for event in events if is_about(event, kind)]


async def run_scenarios(cluster: EmbeddedCluster, names: list[str]) -> dict[str, Scenario]:
    """Run the scenarios beside each other."""
    config = yaml.safe_load(Path(cluster.kubeconfig).read_text())
    url = config["clusters"][0]["cluster"]["server"]
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as http:
        scenarios = {name: Scenario(http, url, name) for name in names}
        await asyncio.gather(*(scenario.run() for scenario in scenarios.values()))
    return scenarios


def without_counters(statuses: list[JsonObject]) -> list[JsonObject]:
    return without_repetitions(
        [{key: value for key, value in status.items() if key not in TIMED_COUNTERS} for status in statuses]
    )


async def test_jobs_have_the_recorded_statuses_and_events(embedded_cluster: EmbeddedCluster) -> None:
    scenarios = await run_scenarios(embedded_cluster, JOB_SCENARIOS)
    for name, scenario in scenarios.items():
        statuses = scenario.statuses("jobs", outline_job_status)
        expected = mask_pod_names(recorded_job_statuses(name))
        assert without_counters(statuses) == without_counters(expected), name
        assert statuses[-1] == expected[-1], name
        assert sorted(scenario.events("Job")) == sorted(recorded_events(name, "Job")), name


async def test_a_cronjob_that_is_run_by_hand_has_the_recorded_statuses_and_events(
    embedded_cluster: EmbeddedCluster,
) -> None:
    name = "cronjob-manual-run"
    scenario = (await run_scenarios(embedded_cluster, [name]))[name]
    assert scenario.statuses("cronjobs", outline_cronjob_status) == recorded_cronjob_statuses(name)
    for kind in ("Job", "CronJob"):
        assert sorted(scenario.events(kind)) == sorted(recorded_events(name, kind))


@pytest.mark.torture
@pytest.mark.timeout(400)
async def test_cronjobs_have_the_recorded_statuses_and_events(embedded_cluster: EmbeddedCluster) -> None:
    """Two slots of each; they begin 20 seconds before a minute, as the recordings did."""
    await asyncio.sleep((39.5 - time.time()) % 60)
    names = [name for name in CRONJOB_SCENARIOS if name != "cronjob-manual-run"]
    scenarios = await run_scenarios(embedded_cluster, names)
    for name, scenario in scenarios.items():
        statuses = scenario.statuses("cronjobs", outline_cronjob_status)
        assert mask_slots(statuses) == mask_slots(recorded_cronjob_statuses(name)), name
        for kind in ("Job", "CronJob"):
            events = sorted(mask_slots(scenario.events(kind)))
            assert events == sorted(mask_slots(recorded_events(name, kind))), name


def mask_slots(value: Any) -> Any:
    """Return a value with its slots counted from the first: minutes in Jobs' names, times in statuses."""
    text = json.dumps(value)
    for number, slot in enumerate(sorted(set(re.findall(r"-(\d{8})\b", text)))):
        text = text.replace(f"-{slot}", f"-slot{number}")
    return json.loads(re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:00Z", "SLOT", text))
