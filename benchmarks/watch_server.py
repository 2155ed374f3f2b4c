"""A server of Jobs for the watch benchmark: discovery, a list of any length, and a stream at full speed.

python -m benchmarks.watch_server EVENTS LISTED     prints its port
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from aiohttp import web

RECORDING = Path(__file__).parents[1] / "tests" / "data" / "recordings" / "job-success.jsonl"
EVENT_BYTES = 2900  # of a Job as a server sends it, with its managedFields
PARALLEL_JOBS = 20
CHUNK_BYTES = 2**16
OWNER = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "dump", "uid": "dump-uid", "controller": True}


def describe_resource(plural: str, kind: str, namespaced: bool) -> dict[str, Any]:
    """Return the discovery entry of a resource."""
    verbs = ["create", "get", "list", "patch", "update", "watch"]
    names = {"name": plural, "singularName": kind.lower(), "kind": kind}
    return {**names, "namespaced": namespaced, "verbs": verbs}


GROUPS = {
    "batch": [describe_resource("jobs", "Job", True)],
    "apiextensions.k8s.io": [
        describe_resource("customresourcedefinitions", "CustomResourceDefinition", False)
    ],
}
CORE = [describe_resource("namespaces", "Namespace", False), describe_resource("events", "Event", True)]


def read_job_events() -> list[dict[str, Any]]:
    """Return the recorded events of one Job from its creation to its end."""
    events = []
    for line in RECORDING.read_text().splitlines():
        record = json.loads(line)
        if record.get("watch") == "jobs" and record["event"]["type"] in ("ADDED", "MODIFIED"):
            event = record["event"]
            event["object"]["metadata"]["ownerReferences"] = [OWNER]
            padding = EVENT_BYTES - len(json.dumps(event))
            fields = {"manager": "m", "operation": "Update", "fieldsV1": {"f:x": "y" * max(0, padding - 80)}}
            event["object"]["metadata"]["managedFields"] = [fields]
            events.append(event)
    return events


def renumber_event(event: dict[str, Any], number: int, version: int) -> dict[str, Any]:
    """Return the event for the Job of that number."""
    meta = {**event["object"]["metadata"], "name": f"dump-{number}", "uid": f"uid-{number}"}
    meta["resourceVersion"] = str(version)
    return {"type": event["type"], "object": {**event["object"], "metadata": meta}}


def build_stream(count: int) -> bytes:
    """Return so many lines of events; some Jobs run at the same time."""
    events = read_job_events()
    lines = list[bytes]()
    for first in range(0, count // len(events), PARALLEL_JOBS):
        for event in events:
            for number in range(first, min(first + PARALLEL_JOBS, count // len(events))):
                lines.append(json.dumps(renumber_event(event, number, 1000 + len(lines))).encode())
    return b"\n".join(lines) + b"\n"


def build_items(count: int) -> list[bytes]:
    """Return so many ended Jobs, each as JSON."""
    last = read_job_events()[-1]
    return [json.dumps(renumber_event(last, number, 900)["object"]).encode() for number in range(count)]


class JobServer:
    """Answers the clients' requests; all answers are built before the first request."""

    def __init__(self, events: int, listed: int) -> None:
        self._stream = build_stream(events)
        self._items = build_items(listed)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request of a client."""
        path = request.path.rstrip("/")
        if path.endswith("/jobs"):
            watches = request.query.get("watch") in ("1", "true", "True")
            return await self._watch(request) if watches else self._list(request)
        if "watch" in request.query:
            return await _send_nothing(request)
        return web.json_response(discovery_document(path, CORE, GROUPS))

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
        for start in range(0, len(self._stream), CHUNK_BYTES):
            await response.write(self._stream[start : start + CHUNK_BYTES])
        await asyncio.sleep(600)
        return response


async def _send_nothing(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    await asyncio.sleep(600)
    return response


def discovery_document(
    path: str, core: list[dict[str, Any]], groups: dict[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    """Return what a server with these resources answers at a path of its discovery, else an empty list."""
    versions = {name: {"groupVersion": f"{name}/v1", "version": "v1"} for name in groups}
    documents: dict[str, dict[str, Any]] = {
        "/version": {"major": "1", "minor": "36", "gitVersion": "v1.36.2"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": core},
        "/apis": {
            "kind": "APIGroupList",
            "groups": [{"name": n, "versions": [v], "preferredVersion": v} for n, v in versions.items()],
        },
        "/api/v1/namespaces/kube-system": {"metadata": {"name": "kube-system", "uid": "bench"}},
    }
    for name, resources in groups.items():
        documents[f"/apis/{name}/v1"] = {
            "kind": "APIResourceList",
            "groupVersion": f"{name}/v1",
            "resources": resources,
        }
    return documents.get(path, {"kind": "List", "metadata": {"resourceVersion": "1000"}, "items": []})


async def main(events: int, listed: int) -> None:
    """Serve until standard input is closed."""
    app = web.Application()
    app.router.add_get("/{path:.*}", JobServer(events, listed).answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
