"""The application on its socket: access, decoding, answers, problems, audit."""

import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, generate_latest

from kronkeep_common import api
from kronkeep_common.errors import Conflict, Denied, Internal, InvalidRequest, KronkeepError, StateInUse
from kronkeep_common.paths import check_length
from kronkeep_common.text import clean
from kronkeep_daemon.http import access, openapi, streams
from kronkeep_daemon.http.access import Level, Peer
from kronkeep_daemon.http.routes import ROUTES, Call, Route, watch_views
from kronkeep_daemon.http.services import Services

log = logging.getLogger(__name__)
MAX_BODY = 1024 * 1024
SOCKET_MODE = 0o660
PROBLEM = "application/problem+json"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Api:
    """The handlers of one application."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "kronkeep_requests", "Requests answered", ["method", "route", "status"], registry=self._registry
        )

    def application(self) -> web.Application:
        """The application; raises ValueError for a route without a level."""
        app = web.Application(client_max_size=MAX_BODY, middlewares=[self._middleware])
        for route in ROUTES:
            if route.level is Level.NONE:
                raise ValueError(f"{route.method} {route.path} has no level")
            app.router.add_route(route.method, route.path, self._handler(route))
        app.router.add_get("/v1/executions/{id}/logs", self._stream(streams.log))
        app.router.add_get("/v1/events", self._stream(streams.events))
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/version", self._version)
        app.router.add_get("/metrics", self._stream(self._metrics))
        app.router.add_get("/openapi.json", self._openapi)
        return app

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            access.refuse_browsers(request)
            response = await handler(request)
        except KronkeepError as error:
            response = problem(error)
        except web.HTTPRequestEntityTooLarge:
            response = problem(InvalidRequest(f"The body is larger than {MAX_BODY} bytes."), 413)
        except web.HTTPException as refused:
            words = f"{request.method} {clean(request.path, 200)} is not served here."
            response = problem(_NoRoute(words, next_step="See /openapi.json."), refused.status)
        except Exception:  # the top of a request
            log.exception("%s %s failed", request.method, request.path)
            response = problem(Internal("The daemon failed at this request; its log says how."))
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else "none"
        self._requests.labels(request.method, route, response.status).inc()
        return response

    def _handler(self, route: Route) -> Handler:
        decoder: msgspec.json.Decoder[Any] | None = None
        if route.request is not None:
            decoder = msgspec.json.Decoder(route.request)

        async def handle(request: web.Request) -> web.StreamResponse:
            peer = self._allowed(request, route.level)
            try:
                body = await self._body(request, decoder)
                self._known_query(request, route)
                call = Call(self._services, dict(request.match_info), dict(request.query), body)
                answer = await route.handler(call)
            except KronkeepError as error:
                await self._audited(request, route, peer, error.code)
                raise
            await self._audited(request, route, peer, "done")
            return _answer(answer, route.status)

        return handle

    def _stream(self, work: Callable[[web.Request, Services], Awaitable[web.StreamResponse]]) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            self._allowed(request, Level.READ)
            return await work(request, self._services)

        return handle

    def _allowed(self, request: web.Request, level: Level) -> Peer:
        peer = access.peer_of(request)
        held = access.level_of(peer, self._services.settings().access)
        if held < level:
            log.warning("uid %d was refused %s %s", peer.uid, request.method, request.path)
            words = f"This needs the level {level.name.lower()}; you hold {held.name.lower()}."
            raise Denied(words)
        return peer

    @staticmethod
    async def _body(request: web.Request, decoder: "msgspec.json.Decoder[Any] | None") -> Any:
        if decoder is None:
            return None
        raw = await request.read()
        try:
            return decoder.decode(raw or b"{}")
        except (msgspec.ValidationError, msgspec.DecodeError, RecursionError) as fault:
            raise InvalidRequest(f"The body is refused: {clean(str(fault), 300)}.") from fault

    @staticmethod
    def _known_query(request: web.Request, route: Route) -> None:
        for name in request.query:
            if name not in route.query:
                raise InvalidRequest(
                    f"The parameter {clean(repr(name), 60)} is not known here.", field="query"
                )

    async def _audited(self, request: web.Request, route: Route, peer: Peer, outcome: str) -> None:
        """Keeps every change and every refused change: who, what, how it ended."""
        if route.method == "GET" or route.path == "/v1/schedules/check":
            return
        entry = {
            "uid": peer.uid,
            "user": access.user_name(peer.uid),
            "pid": peer.pid,
            "method": route.method,
            "route": route.path,
            "object": {key: clean(value, 253) for key, value in request.match_info.items()},
            "outcome": outcome,
        }
        self._services.history.append_audit(entry)
        await self._services.history.commit()

    async def _healthz(self, _: web.Request) -> web.StreamResponse:
        return web.Response(text="ok")

    async def _readyz(self, _: web.Request) -> web.StreamResponse:
        watches = watch_views(self._services)
        ready = all(watch.status == "live" for watch in watches)
        return _answer(api.Ready(ready=ready, watches=watches), 200 if ready else 503)

    async def _version(self, _: web.Request) -> web.StreamResponse:
        return _answer({"version": api.VERSION, "api": {"min": 1, "max": 1}}, 200)

    async def _openapi(self, _: web.Request) -> web.StreamResponse:
        return _answer(openapi.document(), 200)

    async def _metrics(self, _: web.Request, services: Services) -> web.StreamResponse:
        lines = [generate_latest(self._registry).decode()]
        for name, records in (
            ("executions", services.history.executions),
            ("backups", services.history.backups),
        ):
            lines.append(f"# TYPE kronkeep_{name} gauge\n")
            for status, count in records.count().items():
                lines.append(f'kronkeep_{name}{{status="{status}"}} {count}\n')
        return web.Response(text="".join(lines))


class _NoRoute(KronkeepError):
    """A path or method that is not in the table."""

    code = "NoSuchRoute"
    status = 404


def problem(error: KronkeepError, status: int | None = None) -> web.Response:
    """RFC 9457."""
    code = status or error.status
    body = api.Problem(
        type=f"https://kronkeep.dev/problems/{error.code}",
        title=error.code,
        status=code,
        detail=clean(error.message, 2000),
        code=error.code,
        next_step=error.next_step,
        retryable=error.retryable,
        details=error.details,
    )
    return web.Response(body=msgspec.json.encode(body), status=code, content_type=PROBLEM)


def _answer(body: object, status: int) -> web.Response:
    if status == 204:
        return web.Response(status=204)
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")


def bind(path: Path) -> socket.socket:
    """A listening socket of mode 0660 at `path`; raises StateInUse when another daemon answers there."""
    check_length(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == 0:
                raise StateInUse(f"Another daemon serves {path}.")
        path.unlink()
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o777 & ~SOCKET_MODE)
    try:
        found.bind(str(path))
    except OSError as fault:
        found.close()
        raise Conflict(f"The socket {path} cannot be made: {fault.strerror}.") from fault
    finally:
        os.umask(mask)
    found.listen(512)
    return found


def inherited() -> socket.socket | None:
    """The socket that systemd passed (sd_listen_fds(3)), if it did."""
    if os.environ.pop("LISTEN_PID", None) != str(os.getpid()) or os.environ.pop("LISTEN_FDS", "0") != "1":
        return None
    return socket.socket(fileno=3)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


@asynccontextmanager
async def serve(services: Services, path: Path) -> AsyncIterator[None]:
    """Serves the API on systemd's socket, or on one made at `path` and removed at the end."""
    given = inherited()
    listening = given or bind(path)
    runner = web.AppRunner(
        Api(services).application(), access_log=None, keepalive_timeout=15, shutdown_timeout=2
    )
    await runner.setup()
    await web.SockSite(runner, listening).start()
    try:
        yield
    finally:
        await runner.cleanup()
        if given is None:
            _remove(path)
