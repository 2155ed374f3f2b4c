"""An API server of a large cluster: CronJobs, their ended Jobs, and a burst of new Jobs when asked for.

python -m benchmarks.fleet_server CRONJOBS JOBS     prints its port

A line `burst JOBS SECONDS` on its standard input makes so many Jobs start and succeed in so many seconds, and
prints `sent` once every event is written. Objects are made when they are listed, so that a list of any length
takes no memory.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from benchmarks.watch_server import describe_resource, discovery_document, read_job_events

PAGE = 500
NAMESPACES = 200
CHUNK_BYTES = 2**16
VERSION = 1000  # the resource version of every list
RUN = timedelta(seconds=2)  # from a Job's start to its end
CORE = [
    describe_resource(plural, kind, plural != "namespaces")
    for plural, kind in (
        ("namespaces", "Namespace"),
        ("pods", "Pod"),
        ("events", "Event"),
        ("configmaps", "ConfigMap"),
        ("secrets", "Secret"),
        ("persistentvolumeclaims", "PersistentVolumeClaim"),
    )
]
GROUPS = {
    "batch": [describe_resource("jobs", "Job", True), describe_resource("cronjobs", "CronJob", True)],
    "coordination.k8s.io": [describe_resource("leases", "Lease", True)],
    "apiextensions.k8s.io": [
        describe_resource("customresourcedefinitions", "CustomResourceDefinition", False)
    ],
}


def write_time(moment: datetime) -> str:
    """Return a time as Kubernetes writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def make_cronjob(number: int, now: datetime) -> dict[str, Any]:
    """Return the CronJob of that number; it runs once an hour."""
    container = {"name": "main", "image": "busybox:1.36", "command": ["true"], "resources": {}}
    pod = {"containers": [container], "restartPolicy": "Never"}
    return {
        "kind": "CronJob",
        "apiVersion": "batch/v1",
        "metadata": {
            "name": f"dump-{number}",
            "namespace": f"team-{number % NAMESPACES}",
            "uid": f"{number:08d}-0000-4000-8000-000000000001",
            "resourceVersion": "900",
            "generation": 1,
            "creationTimestamp": write_time(now - timedelta(days=9)),
        },
        "spec": {
            "schedule": f"{number % 60} * * * *",
            "concurrencyPolicy": "Allow",
            "suspend": True,
            "jobTemplate": {"spec": {"template": {"spec": pod}}},
        },
        "status": {},
    }


class JobWriter:
    """Writes Job objects, each in the states that a real server recorded."""

    def __init__(self, cronjobs: int) -> None:
        self._cronjobs = cronjobs
        self._events = [event["object"] for event in read_job_events()]

    @property
    def states(self) -> int:
        """How many states a Job has from its creation to its end."""
        return len(self._events)

    def write(self, number: int, state: int, start: datetime, version: int) -> bytes:
        """Return the Job of that number in one of its states."""
        cronjob = number % self._cronjobs
        owner = make_cronjob(cronjob, start)["metadata"]
        template = self._events[state]
        uid = f"{number:08d}-0000-4000-8000-000000000002"
        meta = {
            **template["metadata"],
            "name": f"{owner['name']}-{number}",
            "namespace": owner["namespace"],
            "uid": uid,
            "resourceVersion": str(version),
            "creationTimestamp": write_time(start),
            "annotations": {"batch.kubernetes.io/cronjob-scheduled-timestamp": write_time(start)},
            "ownerReferences": [
                {
                    "apiVersion": "batch/v1",
                    "kind": "CronJob",
                    "name": owner["name"],
                    "uid": owner["uid"],
                    "controller": True,
                }
            ],
        }
        status = {**template["status"]}
        if "startTime" in status:
            status["startTime"] = write_time(start)
        if "completionTime" in status:
            status["completionTime"] = write_time(start + RUN)
        return json.dumps({**template, "metadata": meta, "status": status}).encode()


class FleetServer:
    """Answers the daemon's requests."""

    def __init__(self, cronjobs: int, jobs: int) -> None:
        self._cronjobs = cronjobs
        self._jobs = jobs
        self._writer = JobWriter(cronjobs)
        self._began = datetime.now(UTC).replace(microsecond=0)
        self._watches: set[web.StreamResponse] = set()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request of a client."""
        path = request.path.rstrip("/")
        plural = path.rpartition("/")[2]
        if "watch" in request.query:
            return await self._watch(request, plural)
        if request.method != "GET":
            return _not_found()
        if plural == "cronjobs":
            return self._list(request, self._cronjobs, self._write_cronjob)
        if plural == "jobs":
            return self._list(request, self._jobs, self._write_ended_job)
        if "/namespaces/" in path and plural != "kube-system":
            return self._get(*path.split("/")[-2:])
        return web.json_response(discovery_document(path, CORE, GROUPS))

    def _get(self, plural: str, name: str) -> web.Response:
        """Return one Job of the list, or an empty list of Events; there is no other object."""
        number = name.rpartition("-")[2]
        if name == "events":
            return web.json_response({"kind": "List", "metadata": {}, "items": []})
        if plural == "jobs" and number.isdecimal() and int(number) < self._jobs:
            return web.Response(body=self._write_ended_job(int(number)), content_type="application/json")
        return _not_found()

    def _write_cronjob(self, number: int) -> bytes:
        return json.dumps(make_cronjob(number, self._began)).encode()

    def _write_ended_job(self, number: int) -> bytes:
        """Return an ended Job; those of one CronJob are an hour apart."""
        age = timedelta(hours=1 + number // self._cronjobs)
        return self._writer.write(number, self._writer.states - 1, self._began - age, VERSION - 1)

    def _list(self, request: web.Request, count: int, write: Callable[[int], bytes]) -> web.Response:
        start = int(request.query.get("continue") or 0)
        end = min(start + min(int(request.query.get("limit") or PAGE), PAGE), count)
        meta: dict[str, Any] = {"resourceVersion": str(VERSION)}
        if end < count:
            meta |= {"continue": str(end), "remainingItemCount": count - end}
        head = json.dumps({"kind": "List", "apiVersion": "v1", "metadata": meta})[:-1].encode()
        body = head + b',"items":[' + b",".join(map(write, range(start, end))) + b"]}"
        return web.Response(body=body, content_type="application/json")

    async def _watch(self, request: web.Request, plural: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        if plural == "jobs":
            self._watches.add(response)
        try:
            await asyncio.sleep(3600)
        finally:
            self._watches.discard(response)
        return response

    async def send_burst(self, jobs: int, seconds: float) -> None:
        """Send the events of so many Jobs, evenly over so many seconds."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        steps = max(1, round(seconds * 10))
        lines = list(self._write_burst(jobs))
        for step in range(steps):
            part = lines[step * len(lines) // steps : (step + 1) * len(lines) // steps]
            for response in list(self._watches):
                with suppress(ConnectionResetError):  # the client may open its watch again
                    await response.write(b"".join(part))
            await asyncio.sleep(max(0.0, start + (step + 1) * seconds / steps - loop.time()))

    def _write_burst(self, jobs: int) -> Iterator[bytes]:
        now = datetime.now(UTC).replace(microsecond=0)
        version = VERSION
        for number in range(self._jobs, self._jobs + jobs):
            for state in range(self._writer.states):
                version += 1
                job = self._writer.write(number, state, now, version)
                kind = b"MODIFIED" if state else b"ADDED"
                yield b'{"type":"' + kind + b'","object":' + job + b"}\n"


def _not_found() -> web.Response:
    return web.json_response({"kind": "Status", "code": 404, "reason": "NotFound"}, status=404)


async def main(cronjobs: int, jobs: int) -> None:
    """Serve until standard input is closed."""
    server = FleetServer(cronjobs, jobs)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        _, count, seconds = line.split()
        await server.send_burst(int(count), float(seconds))
        print("sent", flush=True)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
