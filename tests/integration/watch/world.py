"""An API server that plays what a test tells it: lists in pages, watches with a window, and every fault."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import yaml
from aiohttp import web

from kronkeep_common.clock import SystemClock
from kronkeep_daemon.kube.objects import JsonObject

Fault = Callable[[web.Request], web.Response | None]
KINDS = {"cronjobs": "/apis/batch/v1", "jobs": "/apis/batch/v1", "pods": "/api/v1", "events": "/api/v1"}


class Quick(SystemClock):
    """A clock on which a test need not wait: sleeps are so many times shorter, and noted."""

    def __init__(self, times: float = 50) -> None:
        self._times = times
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(seconds / self._times)


class World:
    """Objects by kind, what happened to them since the window began, and the connections of watches."""

    def __init__(self) -> None:
        self.version = 100
        self.floor = 0
        self.token = ""
        self.uid = "world"  # of kube-system
        self.fault: Fault = lambda _: None
        self.requests: list[str] = []
        self.objects: dict[str, dict[str, JsonObject]] = {kind: {} for kind in KINDS}
        self._events: dict[str, list[tuple[int, bytes]]] = {kind: [] for kind in KINDS}
        self._open: list[web.Request] = []
        self.silent = False
        self.answers = asyncio.Event()  # while it is not set, requests are taken and not answered
        self.answers.set()
        self.page = 500

    def put(self, kind: str, obj: JsonObject) -> None:
        """Create or change an object; watches send it when they look next."""
        self.version += 1
        known = obj["metadata"]["uid"] in self.objects[kind]
        obj = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}}
        self.objects[kind][obj["metadata"]["uid"]] = obj
        self._tell(kind, "MODIFIED" if known else "ADDED", obj)

    def delete(self, kind: str, uid: str) -> None:
        """Delete an object; watches send that when they look next."""
        self.version += 1
        obj = self.objects[kind].pop(uid)
        obj["metadata"]["resourceVersion"] = str(self.version)
        self._tell(kind, "DELETED", obj)

    def _tell(self, kind: str, what: str, obj: JsonObject) -> None:
        self.say(kind, json.dumps({"type": what, "object": obj}).encode())

    def say(self, kind: str, line: bytes) -> None:
        """Send a line as it is to every watch."""
        self._events[kind].append((self.version, line + b"\n"))

    def lose_events(self, kind: str) -> None:
        """Forget the events that no watch has been sent yet."""
        self._events[kind].clear()

    def restart(self) -> None:
        """Every connection breaks, and no version of before can be watched from."""
        self.floor = self.version
        self.hang_up()

    def hang_up(self) -> None:
        """Break every connection of a watch."""
        for request in list(self._open):
            if request.transport is not None:
                request.transport.abort()

    def hang_up_idle(self) -> None:
        """Every connection breaks, those that wait for a next request too."""
        assert self._runner.server is not None
        for connection in self._runner.server.connections:
            connection.force_close()

    def count(self, what: str) -> int:
        """How many requests held these words."""
        return sum(what in request for request in self.requests)

    @asynccontextmanager
    async def serve(
        self, folder: Path, tls: ssl.SSLContext | None = None, *, port: int = 0
    ) -> AsyncIterator[Path]:
        """Serve on a port, a free one for 0, and yield the kubeconfig for it, without the CA of TLS."""
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
        self._runner = runner
        self.port = runner.addresses[0][1]
        file = folder / "kubeconfig"
        self.write(file, f"http{'s' if tls else ''}://127.0.0.1:{self.port}", {"token": "x"})
        try:
            yield file
        finally:
            self.hang_up()
            await runner.cleanup()

    @staticmethod
    def write(file: Path, server: str, user: JsonObject, **fields: str) -> None:
        """Write a kubeconfig with these credentials; `fields` are of its cluster."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "w",
            "contexts": [{"name": "w", "context": {"cluster": "w", "user": "w"}}],
            "clusters": [{"name": "w", "cluster": {"server": server, **fields}}],
            "users": [{"name": "w", "user": user}],
        }
        file.write_text(yaml.safe_dump(config))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request.path_qs)
        await self.answers.wait()
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")  # RFC 9110: any case
        if self.token and (scheme.lower(), token) != ("bearer", self.token):
            return status(401, "Unauthorized")
        if (fault := self.fault(request)) is not None:
            return fault
        if request.path.endswith("/kube-system"):
            return web.json_response({"metadata": {"name": "kube-system", "uid": self.uid}})
        kind = request.path.rpartition("/")[2]
        if kind not in KINDS:
            return status(404, "NotFound")
        return await self._watch(request, kind) if "watch" in request.query else self._list(request, kind)

    def _list(self, request: web.Request, kind: str) -> web.Response:
        items = list(self.objects[kind].values())
        start = int(request.query.get("continue", 0))
        limit = min(self.page, int(request.query["limit"]))
        meta: JsonObject = {"resourceVersion": str(self.version)}
        if start + limit < len(items):
            meta["continue"] = str(start + limit)
        return web.json_response({"metadata": meta, "items": items[start : start + limit]})

    async def _watch(self, request: web.Request, kind: str) -> web.StreamResponse:
        version = int(request.query["resourceVersion"])
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        self._open.append(request)
        try:
            if version < self.floor:
                refusal = status(410, "Expired").text
                assert refusal is not None
                await response.write(
                    json.dumps({"type": "ERROR", "object": json.loads(refusal)}).encode() + b"\n"
                )
                return response
            async with asyncio.timeout(float(request.query.get("timeoutSeconds", 3600))):
                await self._stream(response, kind, version)
        except (ConnectionResetError, TimeoutError):
            return response
        finally:
            self._open.remove(request)
        return response

    async def _stream(self, response: web.StreamResponse, kind: str, version: int) -> None:
        place = 0
        while True:
            happened = self._events[kind]
            new = b"".join(line for at, line in happened[place:] if at > version)
            place = len(happened)
            if new and not self.silent:
                await response.write(new)
            await asyncio.sleep(0.005)


def status(code: int, reason: str, **headers: str) -> web.Response:
    """A refusal as a Kubernetes Status."""
    body = {
        "kind": "Status",
        "status": "Failure",
        "reason": reason,
        "message": reason,
        "code": code,
        "metadata": {},
    }
    return web.json_response(body, status=code, headers=headers)


def job(name: str, uid: str, *, owner: str = "dump", ended: bool = False, bad: bool = False) -> JsonObject:
    """A Job of the CronJob `owner`."""
    at = "2026-01-15T10:00:00Z"
    kind = "Failed" if bad else "Complete"
    conditions = [{"type": kind, "status": "True", "lastTransitionTime": at}] if ended else []
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": uid,
            "creationTimestamp": at,
            "annotations": {"cronjob.kubernetes.io/instantiate": "manual"},
            "ownerReferences": [
                {"kind": "CronJob", "name": owner, "uid": f"{owner}-uid", "controller": True}
            ],
        },
        "spec": {"template": {"spec": {"containers": [{"name": "main"}]}}},
        "status": {"startTime": at, "active": 0 if ended else 1, "ready": 1, "conditions": conditions},
    }
