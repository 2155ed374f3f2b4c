"""What happens to each request around its route's handler.

In this order: limits of the user, level, known parameters, body; then the answer with its entity tag, or
for a write the lock on its object, If-Match, Idempotency-Key and dry run; at last the audit trail. Whatever
is raised becomes a problem response.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

import msgspec
from aiohttp import web

from kronkeep_common import api
from kronkeep_common.errors import Denied, Internal, InvalidRequest, KronkeepError, NameTaken, NotFound
from kronkeep_common.text import clean
from kronkeep_daemon.http import access, idempotency, record_prefixes, request_bodies
from kronkeep_daemon.http.access import Level, Peer
from kronkeep_daemon.http.idempotency import StoredAnswer
from kronkeep_daemon.http.json_encoding import encode
from kronkeep_daemon.http.problems import NoSuchRoute, problem_response
from kronkeep_daemon.http.route import AUDITED, AUDITED_NAMES, JSON, ApiCall, Route
from kronkeep_daemon.http.routes import ROUTES, read_forms, read_object
from kronkeep_daemon.http.services import Services
from kronkeep_daemon.http.user_limits import CountedConnection

log = logging.getLogger(__name__)
MAX_BODY = 1024 * 1024
NO_CONTENT = 204
NextHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RequestHandler:
    """Handles the requests of one application; writes on one path are done one after the other."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def application(self) -> web.Application:
        """Return the application; raise ValueError for a route without a level."""
        app = web.Application(client_max_size=MAX_BODY, middlewares=[self._middleware])
        for route in ROUTES:
            if route.level is Level.NONE:
                raise ValueError(f"{route.method} {route.path} has no level")
            decoder: msgspec.json.Decoder[Any] | None = None
            if route.request is not None:
                decoder = msgspec.json.Decoder(route.request)
            handle = partial(self._handle, route, decoder)
            app.router.add_route(route.method, route.path, handle)
            if route.method == "GET":  # RFC 9110: HEAD wherever GET is; aiohttp leaves the body away
                app.router.add_route("HEAD", route.path, handle)
        return app

    @web.middleware
    async def _middleware(self, request: web.Request, handler: NextHandler) -> web.StreamResponse:
        assert isinstance(request.protocol, CountedConnection)
        with request.protocol.without_header_deadline():
            response = await self._respond(request, handler)
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else "none"
        method = request.method if resource is not None else "none"
        self._services.metrics.requests.labels(method, route, response.status).inc()
        return response

    async def _respond(self, request: web.Request, handler: NextHandler) -> web.StreamResponse:
        """Return the handler's response, or the problem response for what it raised."""
        try:
            access.refuse_browsers(request)
            return await handler(request)
        except KronkeepError as error:
            return problem_response(error)
        except web.HTTPRequestEntityTooLarge:
            return problem_response(InvalidRequest(f"The body is larger than {MAX_BODY} bytes."), 413)
        except web.HTTPException as refusal:
            message = f"{request.method} {clean(request.path, 200)} is not served here."
            return problem_response(NoSuchRoute(message), refusal.status, refusal.headers)
        except (ConnectionResetError, asyncio.CancelledError):
            raise
        except Exception:  # the top of a request: the daemon must survive a fault of its own
            log.exception("%s %s failed", request.method, clean(request.path, 200))
            return problem_response(Internal("The daemon failed at this request; its log says how."))

    async def _handle(
        self, route: Route, decoder: "msgspec.json.Decoder[Any] | None", request: web.Request
    ) -> web.StreamResponse:
        peer = access.peer_of(request)
        try:
            self._services.limits.count_request(peer.uid)
            self._require_level(peer, route.level)
            _require_known_parameters(request, route)
            await record_prefixes.expand_id(self._services, route, request.match_info)
            seconds = self._services.limits.settings().body_seconds
            call = ApiCall(
                services=self._services,
                path=dict(request.match_info),
                query=dict(request.query),
                body=await request_bodies.read_body(request, decoder, seconds),
                request=request,
            )
            response = await (self._write(route, call, peer) if route.writes else _read(route, call))
        except KronkeepError as error:
            await self._audit(request, route, peer, error.code)
            raise
        await self._audit(request, route, peer, "done")
        return response

    def _require_level(self, peer: Peer, level: Level) -> None:
        settings = self._services.settings().access
        granted = access.level_of(peer, settings)
        if granted < level:
            raise Denied(
                f"This needs the level {level.name.lower()}; you hold {granted.name.lower()}.",
                next_step=access.advise_group(level, settings),
            )

    async def _write(self, route: Route, call: ApiCall[Any], peer: Peer) -> web.StreamResponse:
        if call.dry_run and "dry_run" not in route.query:
            return await _dry_run(route, call)
        key = call.request.headers.get("Idempotency-Key")
        lock = self._locks.setdefault(route.path.format_map(call.path), asyncio.Lock())
        if key is None:
            async with lock:
                await _require_match(route, call)
                answer = await route.handler(call)
            if route.status == NO_CONTENT:
                return web.Response(status=NO_CONTENT)
            body = msgspec.json.encode(answer)
            return _json_response(body, route.status, {"ETag": idempotency.etag(answer, body)})
        record_id = idempotency.record_id_of(peer.uid, key)
        request = call.request
        fingerprint = idempotency.fingerprint(request.method, request.path, request.query_string, call.body)
        async with lock:
            work = partial(_write_under_key, route, call)
            stored = await self._services.answers.answer_once(record_id, fingerprint, work)
        return _json_response(stored.body.encode(), stored.status, {})

    async def _audit(self, request: web.Request, route: Route, peer: Peer, outcome: str) -> None:
        """Record a write, a Job that was started to read, or a refusal in the audit trail: who, from which
        program, what, and its outcome.

        Refusals for the level, the rate or the number of streams are limited for each uid, since anybody can
        cause any number of them.
        """
        refused = outcome in ("Denied", "TooMany")
        acts = request.get(AUDITED, False) or (route.writes and request.query.get("dry_run") != "true")
        if not refused and not acts:
            return
        if refused:
            if not self._services.limits.may_audit_refusal(peer.uid):
                return
            if self._services.limits.may_log_refusal(peer.uid):
                log.warning("uid %d was refused %s %s: %s", peer.uid, route.method, route.path, outcome)
        names = {**request.match_info, **request.get(AUDITED_NAMES, {})}
        entry = {
            "uid": peer.uid,
            "user": access.user_name(peer.uid),
            "pid": peer.pid,
            "program": access.program_of(request),
            "method": route.method,
            "route": route.path,
            "object": {key: clean(value, 253) for key, value in names.items()},
            "outcome": outcome,
        }
        self._services.history.append_audit(entry)
        await self._services.history.commit()


def _require_known_parameters(request: web.Request, route: Route) -> None:
    for name in request.query:
        if name not in route.parameters:
            message = f"The parameter {clean(repr(name), 60)} is not known here."
            raise InvalidRequest(message, field="query")
    for name in ("dry_run", "follow"):
        if request.query.get(name, "true") not in ("true", "false"):
            raise InvalidRequest(f"{name} is true or false.", field=name)


async def _read(route: Route, call: ApiCall[Any]) -> web.StreamResponse:
    answer = await route.handler(call)
    if isinstance(answer, web.StreamResponse):
        return answer
    body = await encode(answer)
    tag = idempotency.etag(answer, body)
    known = call.request.headers.get("If-None-Match")
    if known is not None and idempotency.matches(known, tag):
        return web.Response(status=304, headers={"ETag": tag})
    return _json_response(body, route.status, {"ETag": tag})


async def _dry_run(route: Route, call: ApiCall[Any]) -> web.Response:
    """Answer the dry run of a route that has none of its own: what it would do, and to what."""
    await _require_match(route, call)
    current = await read_object(route, call)
    answer = api.DryRun(would=route.summary, object=msgspec.to_builtins(current) if current else {})
    return _json_response(msgspec.json.encode(answer), 200, {})


async def _require_match(route: Route, call: ApiCall[Any]) -> None:
    """Raise PreconditionFailed where If-Match names another state of the object, and its NotFound."""
    idempotency.require_match(call.request.headers.get("If-Match"), *await read_forms(route, call))


async def _write_under_key(route: Route, call: ApiCall[Any], record: StoredAnswer) -> StoredAnswer:
    """Do a write and return its record with the answer in it.

    Where an earlier process of the daemon began the work, the object may already exist, or be deleted: that
    is this request's own doing, and is answered as success.
    """
    try:
        if not record.taken_up:
            await _require_match(route, call)
        answer = await route.handler(call._replace(key=record.id))
    except NotFound:
        if not record.taken_up or route.method != "DELETE":
            raise
        answer = None
    except NameTaken:
        # After a restart what is in the way may be this request's own object, created before the daemon was
        # killed; `find_created` raises NameTaken for anybody else's.
        if not record.taken_up or route.find_created is None:
            raise
        answer = await route.find_created(call._replace(key=record.id, begun_at=record.created_at))
    body = "" if route.status == NO_CONTENT else msgspec.json.encode(answer).decode()
    return msgspec.structs.replace(record, state="done", body=body, status=route.status)


def _json_response(body: bytes, status: int, headers: dict[str, str]) -> web.Response:
    if status == NO_CONTENT:
        return web.Response(status=NO_CONTENT)
    return web.Response(body=body, status=status, content_type=JSON, headers=headers)
