"""The application on its socket: access, limits, decoding, answers, problems, audit."""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import msgspec
from aiohttp import web

from kronkeep_common import api
from kronkeep_common.errors import (
    Denied,
    Internal,
    InvalidRequest,
    InvalidSettings,
    KronkeepError,
    NameTaken,
    NotFound,
    StateInUse,
)
from kronkeep_common.socket_path import check_length
from kronkeep_common.text import clean
from kronkeep_daemon.http import access, idempotency, request_bodies
from kronkeep_daemon.http.acceptor import Acceptor
from kronkeep_daemon.http.access import Level, Peer
from kronkeep_daemon.http.idempotency import StoredAnswer
from kronkeep_daemon.http.json_encoding import encode
from kronkeep_daemon.http.problems import NoSuchRoute, problem_response
from kronkeep_daemon.http.route import JSON, ApiCall, Route
from kronkeep_daemon.http.routes import ROUTES, read_forms, read_object
from kronkeep_daemon.http.services import Services
from kronkeep_daemon.http.user_limits import CountedConnection

log = logging.getLogger(__name__)
MAX_BODY = 1024 * 1024
SOCKET_MODE = 0o660
GRACE = 2.0  # seconds for the requests that are being answered when the daemon stops
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ApiHandlers:
    """The handlers of one application."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def application(self) -> web.Application:
        """The application; raises ValueError for a route without a level."""
        app = web.Application(client_max_size=MAX_BODY, middlewares=[self._middleware])
        for route in ROUTES:
            if route.level is Level.NONE:
                raise ValueError(f"{route.method} {route.path} has no level")
            app.router.add_route(route.method, route.path, self._handler(route))
        return app

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        assert isinstance(request.protocol, CountedConnection)
        with request.protocol.working():
            response = await self._answered(request, handler)
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else "none"
        method = request.method if resource is not None else "none"
        self._services.metrics.requests.labels(method, route, response.status).inc()
        return response

    async def _answered(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The handler's answer, or the problem that came instead."""
        try:
            access.refuse_browsers(request)
            return await handler(request)
        except KronkeepError as error:
            return problem_response(error)
        except web.HTTPRequestEntityTooLarge:
            return problem_response(InvalidRequest(f"The body is larger than {MAX_BODY} bytes."), 413)
        except web.HTTPException as refused:
            words = f"{request.method} {clean(request.path, 200)} is not served here."
            return problem_response(NoSuchRoute(words), refused.status, refused.headers)
        except (ConnectionResetError, asyncio.CancelledError):
            raise
        except Exception:  # the top of a request
            log.exception("%s %s failed", request.method, clean(request.path, 200))
            return problem_response(Internal("The daemon failed at this request; its log says how."))

    def _handler(self, route: Route) -> Handler:
        decoder: msgspec.json.Decoder[Any] | None = None
        if route.request is not None:
            decoder = msgspec.json.Decoder(route.request)

        async def handle(request: web.Request) -> web.StreamResponse:
            peer = access.peer_of(request)
            try:
                self._services.limits.request(peer.uid)
                self._allowed(peer, route.level)
                self._known_query(request, route)
                seconds = self._services.limits.settings().body_seconds
                body = await request_bodies.read_body(request, decoder, seconds)
                call = ApiCall(
                    services=self._services,
                    path=dict(request.match_info),
                    query=dict(request.query),
                    body=body,
                    request=request,
                )
                response = await (self._change if route.writes else self._read)(route, call, peer)
            except KronkeepError as error:
                await self._audited(request, route, peer, error.code)
                raise
            await self._audited(request, route, peer, "done")
            return response

        return handle

    async def _read(self, route: Route, call: ApiCall[Any], _: Peer) -> web.StreamResponse:
        answer = await route.handler(call)
        if isinstance(answer, web.StreamResponse):
            return answer
        body = await encode(answer)
        tag = idempotency.etag(answer, body)
        asked = call.request.headers.get("If-None-Match")
        if asked is not None and idempotency.matches(asked, tag):
            return web.Response(status=304, headers={"ETag": tag})
        return _answer(body, route.status, {"ETag": tag})

    async def _change(self, route: Route, call: ApiCall[Any], peer: Peer) -> web.StreamResponse:
        """One write: alone on its object, under the caller's key where there is one."""
        headers = call.request.headers
        lock = self._locks.setdefault(call.request.path, asyncio.Lock())
        if _rehearsed(route, call):
            idempotency.require_match(headers.get("If-Match"), *await read_forms(route, call))
            current = await read_object(route, call)
            shown = api.DryRun(would=route.summary, object=msgspec.to_builtins(current) if current else {})
            return _answer(msgspec.json.encode(shown), 200, {})
        key = headers.get("Idempotency-Key")
        if key is None:
            async with lock:
                idempotency.require_match(headers.get("If-Match"), *await read_forms(route, call))
                return _finished(await route.handler(call), route.status)
        record_id = idempotency.record_id_of(peer.uid, key)
        asked = idempotency.fingerprint(
            call.request.method, call.request.path, call.request.query_string, call.body
        )
        async with lock:
            kept = await self._services.answers.once(
                record_id, asked, lambda begun: self._worked(route, call, begun)
            )
        return _answer(kept.body.encode(), kept.status, {})

    async def _worked(self, route: Route, call: ApiCall[Any], begun: StoredAnswer) -> StoredAnswer:
        """The record with the answer in it; work that an earlier life of the daemon began is taken up."""
        try:
            if not begun.taken_up:
                idempotency.require_match(
                    call.request.headers.get("If-Match"), *await read_forms(route, call)
                )
            answer = await route.handler(call._replace(key=begun.id))
        except (NameTaken, NotFound) as fault:
            if not begun.taken_up:
                raise
            if route.method == "DELETE" and isinstance(fault, NotFound):
                answer = None
            elif route.find_created is not None and isinstance(fault, NameTaken):
                answer = await route.find_created(call)
            else:
                raise
        body = "" if route.status == 204 else msgspec.json.encode(answer).decode()
        return msgspec.structs.replace(begun, state="done", body=body, status=route.status)

    def _allowed(self, peer: Peer, level: Level) -> None:
        held = access.level_of(peer, self._services.settings().access)
        if held < level:
            raise Denied(f"This needs the level {level.name.lower()}; you hold {held.name.lower()}.")

    @staticmethod
    def _known_query(request: web.Request, route: Route) -> None:
        for name in request.query:
            if name not in route.parameters:
                raise InvalidRequest(
                    f"The parameter {clean(repr(name), 60)} is not known here.", field="query"
                )
        for name in ("dry_run", "follow"):
            if request.query.get(name, "true") not in ("true", "false"):
                raise InvalidRequest(f"{name} is true or false.", field=name)

    async def _audited(self, request: web.Request, route: Route, peer: Peer, outcome: str) -> None:
        """Keeps every change and every refusal: who, from where, what, how it ended.

        Of refusals for the level, the rate or the streams ten a second of one uid are kept.
        """
        refused = outcome in ("Denied", "TooMany")
        if not refused and (not route.writes or request.query.get("dry_run") == "true"):
            return
        if refused:
            if not self._services.limits.worth_keeping(peer.uid):
                return
            if self._services.limits.worth_logging(peer.uid):
                log.warning("uid %d was refused %s %s: %s", peer.uid, route.method, route.path, outcome)
        entry = {
            "uid": peer.uid,
            "user": access.user_name(peer.uid),
            "pid": peer.pid,
            "program": access.program_name(peer.pid),
            "method": route.method,
            "route": route.path,
            "object": {key: clean(value, 253) for key, value in request.match_info.items()},
            "outcome": outcome,
        }
        self._services.history.append_audit(entry)
        await self._services.history.commit()


def _rehearsed(route: Route, call: ApiCall[Any]) -> bool:
    """Whether this is a dry run that the handler does not do itself."""
    return call.dry_run and "dry_run" not in route.query


def _finished(answer: object, status: int) -> web.Response:
    if status == 204:
        return web.Response(status=204)
    body = msgspec.json.encode(answer)
    return _answer(body, status, {"ETag": idempotency.etag(answer, body)})


def _answer(body: bytes, status: int, headers: dict[str, str]) -> web.Response:
    if status == 204:
        return web.Response(status=204)
    return web.Response(body=body, status=status, content_type=JSON, headers=headers)


def bind_socket(path: Path) -> socket.socket:
    """A listening socket of mode 0660 at `path`, in place of one that nobody serves.

    Raises StateInUse when another daemon answers there, InvalidSettings where no socket can be made.
    """
    check_length(path)
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if not path.parent.exists():
            path.parent.mkdir(parents=True)
            path.parent.chmod(0o755)  # who may connect is the socket's mode
        _clear(path)
        _bind(found, path)
    except OSError as fault:
        found.close()
        words = f"The socket {path} cannot be made: {fault.strerror}."
        raise InvalidSettings(
            words, next_step="Choose another path: --socket, or socket in the settings."
        ) from fault
    except StateInUse:
        found.close()
        raise
    found.listen()
    return found


def _bind(made: socket.socket, path: Path) -> None:
    """Binds with the socket's own mode from its first moment on."""
    mask = os.umask(0o777 & ~SOCKET_MODE)
    try:
        made.bind(str(path))
    finally:
        os.umask(mask)


def _clear(path: Path) -> None:
    """Removes a socket that nobody serves; whatever else is there stays, and has the bind refused."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise StateInUse(f"Another daemon serves {path}.")
    path.unlink()


def systemd_socket() -> socket.socket | None:
    """The socket that systemd passed (sd_listen_fds(3)), if it did."""
    if os.environ.pop("LISTEN_PID", None) != str(os.getpid()) or os.environ.pop("LISTEN_FDS", "0") != "1":
        return None
    return socket.socket(fileno=3)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


@asynccontextmanager
async def serve(services: Services, path: Path) -> AsyncIterator[None]:
    """Serves the API on systemd's socket, or on one made at `path` and removed at the end."""
    given = systemd_socket()
    listening = given or bind_socket(path)
    runner = web.AppRunner(ApiHandlers(services).application(), access_log=None, shutdown_timeout=GRACE)
    await runner.setup()
    server = runner.server
    assert server is not None

    def connection(uid: int) -> CountedConnection:
        named = {"keepalive_timeout": 15, "lingering_time": 1, "access_log": None}
        return CountedConnection(server, services.limits, uid, **named)

    door = Acceptor(listening, services.limits, connection)
    try:
        yield
    finally:
        door.close()
        services.limits.end_streams()
        await runner.cleanup()
        if given is None:
            _remove(path)
