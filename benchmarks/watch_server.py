"""A server of Jobs for the watch benchmark: discovery, a list of any length, and a stream sent at full speed.

python -m benchmarks.watch_server EVENTS LISTED     prints its port
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from aiohttp import web

RECORDING = Path(__file__).parents[1] / "tests" / "data" / "recordings" / "job-success.jsonl"
SIZE = 2900  # bytes of a Job as a server sends it, with its managedFields
TOGETHER = 20  # Jobs that go on at once
OWNER = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "dump", "uid": "dump-uid", "controller": True}


def resource(plural: str, kind: str, namespaced: bool) -> dict[str, Any]:
    """A resource as discovery tells of it."""
    verbs = ["create", "get", "list", "patch", "update", "watch"]
    names = {"name": plural, "singularName": kind.lower(), "kind": kind}
    return {**names, "namespaced": namespaced, "verbs": verbs}


GROUPS = {
    "batch": [resource("jobs", "Job", True)],
    "apiextensions.k8s.io": [resource("customresourcedefinitions", "CustomResourceDefinition", False)],
}
CORE = [resource("namespaces", "Namespace", False), resource("events", "Event", True)]


def life() -> list[dict[str, Any]]:
    """The events of one Job from its creation to its end, as they were recorded."""
    found = []
    for line in RECORDING.read_text().splitlines():
        record = json.loads(line)
        if record.get("watch") == "jobs" and record["event"]["type"] in ("ADDED", "MODIFIED"):
            event = record["event"]
            event["object"]["metadata"]["ownerReferences"] = [OWNER]
            padding = SIZE - len(json.dumps(event))
            fields = {"manager": "m", "operation": "Update", "fieldsV1": {"f:x": "y" * max(0, padding - 80)}}
            event["object"]["metadata"]["managedFields"] = [fields]
            found.append(event)
    return found


def job(event: dict[str, Any], number: int, version: int) -> dict[str, Any]:
    """The event for the Job of that number."""
    meta = {**event["object"]["metadata"], "name": f"dump-{number}", "uid": f"uid-{number}"}
    meta["resourceVersion"] = str(version)
    return {"type": event["type"], "object": {**event["object"], "metadata": meta}}


def stream(count: int) -> bytes:
    """So many lines, with some Jobs going on at once."""
    steps = life()
    lines = list[bytes]()
    for first in range(0, count // len(steps), TOGETHER):
        for step in steps:
            for number in range(first, min(first + TOGETHER, count // len(steps))):
                lines.append(json.dumps(job(step, number, 1000 + len(lines))).encode())
    return b"\n".join(lines) + b"\n"


def items(count: int) -> list[bytes]:
    """So many Jobs that have ended, each as JSON."""
    last = life()[-1]
    return [json.dumps(job(last, number, 900)["object"]).encode() for number in range(count)]


class Server:
    """Answers what the readers ask; everything is made before the first question."""

    def __init__(self, events: int, listed: int) -> None:
        self._stream = stream(events)
        self._items = items(listed)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        path = request.path.rstrip("/")
        if path.endswith("/jobs"):
            watches = request.query.get("watch") in ("1", "true", "True")
            return await self._watch(request) if watches else self._list(request)
        if "watch" in request.query:
            return await _quiet(request)
        return web.json_response(_discovery(path))

    def _list(self, request: web.Request) -> web.Response:
        start = int(request.query.get("continue") or 0)
        limit = int(request.query.get("limit") or 0) or len(self._items)
        meta: dict[str, Any] = {"resourceVersion": "1000"}
        if start + limit < len(self._items):
            meta["continue"] = str(start + limit)
        head = json.dumps({"kind": "JobList", "apiVersion": "batch/v1", "metadata": meta})[:-1].encode()
        body = head + b',"items":[' + b",".join(self._items[start : start + limit]) + b"]}"
        return web.Response(body=body, content_type="application/json")

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for place in range(0, len(self._stream), 2**16):
            await response.write(self._stream[place : place + 2**16])
        await asyncio.sleep(600)
        return response


async def _quiet(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    await asyncio.sleep(600)
    return response


def _discovery(path: str) -> dict[str, Any]:
    versions = {name: {"groupVersion": f"{name}/v1", "version": "v1"} for name in GROUPS}
    found: dict[str, dict[str, Any]] = {
        "/version": {"major": "1", "minor": "36", "gitVersion": "v1.36.2"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": CORE},
        "/apis": {
            "kind": "APIGroupList",
            "groups": [{"name": n, "versions": [v], "preferredVersion": v} for n, v in versions.items()],
        },
        "/api/v1/namespaces/kube-system": {"metadata": {"name": "kube-system", "uid": "bench"}},
    }
    for name, resources in GROUPS.items():
        found[f"/apis/{name}/v1"] = {
            "kind": "APIResourceList",
            "groupVersion": f"{name}/v1",
            "resources": resources,
        }
    return found.get(path, {"kind": "List", "metadata": {"resourceVersion": "1000"}, "items": []})


async def main(events: int, listed: int) -> None:
    """Serves until standard input closes."""
    app = web.Application()
    app.router.add_get("/{path:.*}", Server(events, listed).answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
