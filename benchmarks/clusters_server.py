"""One process that plays many clusters, at /NUMBER of its port, for `bench_clusters`.

python -m benchmarks.clusters_server CLUSTERS     prints its port

Objects of all clusters have the same uids, as after restores of one etcd. It takes lines on standard input:
`run JOBS SECONDS` lets each cluster run so many Jobs, evenly over the seconds, and prints `done`;
`fault NUMBER KIND` lets a cluster fail: `none` (it works), `leave` (connections are closed), `hang` (requests
are not answered, and watches are silent), `refuse` (503), `page` (a proxy's page with the status 200).
"""

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from benchmarks.fleet_server import JobWriter, make_cronjob

CRONJOBS = 10  # of each cluster
GROUPS = int(os.environ.get("CLUSTERS_GROUPS", "20"))  # of clusters whose Jobs start at one moment
TEAMS = ("cronjobs", "jobs", "pods", "events", "persistentvolumeclaims")


class PlayedCluster:
    """One cluster: its Jobs, what its watches must send, and its fault."""

    def __init__(self, number: int, writer: JobWriter, began: datetime) -> None:
        self._number = number
        self._began = began
        self._writer = writer
        self._jobs: dict[int, bytes] = {}
        self._lines: list[tuple[int, bytes]] = []
        self._version = 1000
        self._open: list[web.Request] = []
        self._news = asyncio.Event()  # of Jobs or of the fault; another one is made when it is set
        self._fault_news = asyncio.Event()
        self.fault = "none"

    def set_fault(self, kind: str) -> None:
        """Let the cluster fail, or work again; a cluster that leaves closes its connections."""
        self.fault = kind
        self._fault_news.set()
        self._fault_news = asyncio.Event()
        self._announce()
        if kind not in ("none", "hang"):
            for request in list(self._open):
                if request.transport is not None:
                    request.transport.abort()

    def _announce(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def advance_job(self, number: int, state: int, now: datetime) -> None:
        """Bring a Job into a state and have the watches send it."""
        self._version += 1
        self._jobs[number] = job = self._writer.write(number, state, now, self._version)
        kind = b"MODIFIED" if state else b"ADDED"
        self._lines.append((self._version, b'{"type":"' + kind + b'","object":' + job + b"}\n"))
        self._announce()

    async def answer(self, request: web.Request, path: str) -> web.StreamResponse:
        """Answer one request, or fail."""
        self._open.append(request)
        try:
            if self.fault != "none":
                return await self._fail(request)
            return await self._answer_well(request, path)
        finally:
            self._open.remove(request)

    async def _fail(self, request: web.Request) -> web.StreamResponse:
        if self.fault == "page":
            return web.Response(text="<html>Sign in</html>", content_type="text/html")
        if self.fault == "refuse":
            return web.json_response({"kind": "Status", "code": 503, "message": "etcd is away"}, status=503)
        while self.fault == "hang":
            await self._fault_news.wait()
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    async def _answer_well(self, request: web.Request, path: str) -> web.StreamResponse:
        plural = path.rpartition("/")[2]
        if path.endswith("/namespaces/kube-system"):
            return web.json_response({"metadata": {"name": "kube-system", "uid": f"cluster-{self._number}"}})
        if request.method != "GET":
            return web.json_response({"kind": "Status", "code": 404, "reason": "NotFound"}, status=404)
        if "watch" in request.query:
            return await self._watch(request, plural)
        if plural == "cronjobs":
            return self._list(json.dumps(make_cronjob(n, self._began)).encode() for n in range(CRONJOBS))
        if plural in TEAMS:
            return self._list(iter(self._jobs.values() if plural == "jobs" else ()))
        if plural == "version":
            return web.json_response({"major": "1", "minor": "36", "gitVersion": "v1.36.0"})
        return web.json_response({"kind": "Status", "code": 404, "reason": "NotFound"}, status=404)

    def _list(self, items: Iterator[bytes]) -> web.Response:
        head = b'{"kind":"List","metadata":{"resourceVersion":"%d"},"items":[' % self._version
        return web.Response(body=head + b",".join(items) + b"]}", content_type="application/json")

    async def _watch(self, request: web.Request, plural: str) -> web.StreamResponse:
        version = int(request.query.get("resourceVersion") or 0)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        loop = asyncio.get_running_loop()
        end = loop.time() + float(request.query.get("timeoutSeconds") or 60)
        with suppress(ConnectionResetError):
            await response.prepare(request)
            place = 0
            while loop.time() < end and self.fault in ("none", "hang"):
                new = self._lines[place:] if plural == "jobs" and self.fault == "none" else []
                place += len(new)
                if unsent := b"".join(line for at, line in new if at > version):
                    await response.write(unsent)
                news = self._news if plural == "jobs" else self._fault_news
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, end - loop.time())):
                        await news.wait()
        return response


class ManyClusters:
    """The clusters of the process."""

    def __init__(self, count: int) -> None:
        writer = JobWriter(CRONJOBS)
        self._states = writer.states
        began = datetime.now(UTC).replace(microsecond=0)
        self.each = [PlayedCluster(number, writer, began) for number in range(count)]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Pass a request on to the cluster that its path begins with."""
        number, _, path = request.path.strip("/").partition("/")
        return await self.each[int(number)].answer(request, f"/{path}")

    async def run_jobs(self, jobs: int, seconds: float) -> None:
        """Let each cluster run so many Jobs one after the other, evenly over the seconds."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        steps = jobs * self._states * GROUPS
        for step in range(steps):
            now = datetime.now(UTC).replace(microsecond=0)
            number, state = divmod(step // GROUPS, self._states)
            for cluster in self.each[step % GROUPS :: GROUPS]:
                cluster.advance_job(number, state, now)
            await asyncio.sleep(max(0.0, start + (step + 1) * seconds / steps - loop.time()))
        print("done", flush=True)


async def main(count: int) -> None:
    """Serve until standard input is closed."""
    clusters = ManyClusters(count)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", clusters.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=2000).start()
    print(runner.addresses[0][1], flush=True)
    running: set[asyncio.Task[None]] = set()
    while line := await asyncio.to_thread(sys.stdin.readline):
        words: list[Any] = line.split()
        if words[0] == "fault":
            clusters.each[int(words[1])].set_fault(words[2])
        else:
            running.add(asyncio.create_task(clusters.run_jobs(int(words[1]), float(words[2]))))
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
