"""The recorded scenarios lived through: the same requests, real processes, and what the watches tell."""

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from tests.unit.embedded.controllers.test_cronjob_recordings import SCENARIOS as CRONJOBS
from tests.unit.embedded.controllers.test_cronjob_recordings import plain as shown
from tests.unit.embedded.controllers.test_cronjob_recordings import recorded as recorded_cronjob
from tests.unit.embedded.controllers.test_job_recordings import SCENARIOS as JOBS
from tests.unit.embedded.controllers.test_job_recordings import plain, recorded, records, unnamed

from kronkeep_daemon.embedded import EmbeddedCluster
from kronkeep_daemon.kube.objects import JsonObject


class Life:
    """One scenario in its own namespace: its requests at their times, and all that the watches tell."""

    def __init__(self, http: aiohttp.ClientSession, url: str, name: str) -> None:
        self._http = http
        self._url = url
        self._name = name
        self._records = records(name)
        self._uids: dict[str, str] = {}
        self.told: list[tuple[str, str, JsonObject]] = []

    async def live(self) -> None:
        """Returns when the recording's time is over, and a second more."""
        namespace = {"metadata": {"name": f"rec-{self._name}"}}
        await self._ask("POST", "/api/v1/namespaces", namespace, "application/json")
        async with asyncio.TaskGroup() as group:
            watches = [group.create_task(self._watch(*found)) for found in self._watched()]
            began = asyncio.get_running_loop().time()
            for record in self._records:
                if "request" in record and record["request"]["method"] != "GET":
                    await asyncio.sleep(began + record["at"] - asyncio.get_running_loop().time())
                    await self._send(record["request"], record["response"].get("body") or {})
            await asyncio.sleep(began + self._records[-1]["at"] + 1.5 - asyncio.get_running_loop().time())
            for watch in watches:
                watch.cancel()

    def _watched(self) -> list[tuple[str, str]]:
        scope = f"/namespaces/rec-{self._name}"
        return [
            ("jobs", f"/apis/batch/v1{scope}/jobs"),
            ("cronjobs", f"/apis/batch/v1{scope}/cronjobs"),
            ("events", f"/api/v1{scope}/events"),
        ]

    async def _watch(self, what: str, path: str) -> None:
        async with self._http.get(f"{self._url}{path}?watch=1") as answer:
            async for line in answer.content:
                event = json.loads(line)
                self.told.append((what, event["type"], event["object"]))

    async def _send(self, request: JsonObject, recorded: JsonObject) -> None:
        """Asks what was asked then, of the objects that are here now."""
        text = json.dumps(request.get("body"))
        for then, now in self._uids.items():
            text = text.replace(then, now)
        found = await self._ask(request["method"], request["path"], json.loads(text), request["contentType"])
        if uid := (recorded.get("metadata") or {}).get("uid"):
            self._uids[uid] = found["metadata"]["uid"]

    async def _ask(self, method: str, path: str, body: Any, kind: str) -> JsonObject:
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": kind}
        async with self._http.request(method, self._url + path, data=data, headers=headers) as answer:
            assert answer.status < 300, await answer.text()
            found: JsonObject = await answer.json()
            return found

    def statuses(self, what: str, shape: Any) -> list[JsonObject]:
        """The distinct statuses in the order in which they were told."""
        found: list[JsonObject] = []
        for told, kind, obj in self.told:
            if told == what and kind != "DELETED":
                status = nameless(shape(obj.get("status") or {}))
                if not found or found[-1] != status:
                    found.append(status)
        return found

    def events(self, kind: str) -> list[tuple[str, str, str]]:
        """Type, reason and message of the events of a kind, without what is random in names."""
        return [
            _event(obj)
            for told, how, obj in self.told
            if told == "events" and how == "ADDED" and _of(obj, kind)
        ]


def nameless(status: Any) -> Any:
    """Without the five random characters in pods' names, wherever messages have them."""
    return json.loads(re.sub(r"-[a-z0-9]{5}\b(?= |\")", "-*", json.dumps(status)))


def _of(event: JsonObject, kind: str) -> bool:
    return bool(event["involvedObject"]["kind"] == kind)


def _event(event: JsonObject) -> tuple[str, str, str]:
    return event["type"], event["reason"], str(nameless(unnamed(event["message"])))


def recorded_events(name: str, kind: str) -> list[tuple[str, str, str]]:
    told = [r["event"] for r in records(name) if r.get("watch") == "events"]
    return [_event(e["object"]) for e in told if e["type"] == "ADDED" and _of(e["object"], kind)]


async def lives(cluster: EmbeddedCluster, names: list[str]) -> dict[str, Life]:
    config = yaml.safe_load(Path(cluster.kubeconfig).read_text())
    url = config["clusters"][0]["cluster"]["server"]
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as http:
        found = {name: Life(http, url, name) for name in names}
        await asyncio.gather(*(life.live() for life in found.values()))
    return found


def told_once(statuses: list[JsonObject], *counters: str) -> list[JsonObject]:
    """Without counters whose steps depend on how long a process took within the controller's second."""
    found: list[JsonObject] = []
    for status in statuses:
        kept = {key: value for key, value in status.items() if key not in counters}
        if not found or found[-1] != kept:
            found.append(kept)
    return found


TIMED = (
    "ready",
    "active",
    "terminating",
    "succeeded",
    "failed",
    "completedIndexes",
    "uncountedTerminatedPods",
)


async def test_jobs_live_as_recorded(embedded_cluster: EmbeddedCluster) -> None:
    found = await lives(embedded_cluster, JOBS)
    for name, life in found.items():
        lived = life.statuses("jobs", plain)
        wanted = nameless(recorded(name))
        assert told_once(lived, *TIMED) == told_once(wanted, *TIMED), name
        assert lived[-1] == wanted[-1], name
        assert sorted(life.events("Job")) == sorted(recorded_events(name, "Job")), name


async def test_a_cronjob_run_by_hand_lives_as_recorded(embedded_cluster: EmbeddedCluster) -> None:
    life = (await lives(embedded_cluster, ["cronjob-manual-run"]))["cronjob-manual-run"]
    assert life.statuses("cronjobs", shown) == recorded_cronjob("cronjob-manual-run")
    for kind in ("Job", "CronJob"):
        assert sorted(life.events(kind)) == sorted(recorded_events("cronjob-manual-run", kind))


@pytest.mark.torture
@pytest.mark.timeout(400)
async def test_cronjobs_live_as_recorded(embedded_cluster: EmbeddedCluster) -> None:
    """Two slots of each: begun, as the recordings were, 20 seconds before a minute."""
    await asyncio.sleep((39.5 - time.time()) % 60)
    names = [name for name in CRONJOBS if name != "cronjob-manual-run"]
    found = await lives(embedded_cluster, names)
    for name, life in found.items():
        assert slotless(life.statuses("cronjobs", shown)) == slotless(recorded_cronjob(name)), name
        for kind in ("Job", "CronJob"):
            told = sorted(slotless(life.events(kind)))
            assert told == sorted(slotless(recorded_events(name, kind))), name


def slotless(found: Any) -> Any:
    """Slots counted from the first: minutes in Jobs' names, instants in statuses."""
    text = json.dumps(found)
    for number, slot in enumerate(sorted(set(re.findall(r"-(\d{8})\b", text)))):
        text = text.replace(f"-{slot}", f"-slot{number}")
    return json.loads(re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:00Z", "SLOT", text))
