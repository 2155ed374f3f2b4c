"""The metrics over HTTP: the answer to `GET /metrics`, on the socket and, where that is set, on TCP."""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from aiohttp import web
from prometheus_client import CollectorRegistry

from kronkeep_common.clock import Clock
from kronkeep_common.monitoring import metric_families as families
from kronkeep_daemon.http.acceptor import Acceptor
from kronkeep_daemon.http.user_limits import CountedConnection, UserLimits
from kronkeep_daemon.metrics import Exposition
from kronkeep_daemon.metrics.event_counters import make_counter
from kronkeep_daemon.metrics.exposition import content_type
from kronkeep_daemon.settings import LimitSettings, parse_address

log = logging.getLogger(__name__)
LIMITS = LimitSettings(connections=33, connections_per_uid=16)  # of the TCP address, where nobody has a uid
SEND_SECONDS = 30.0
RETRY_SECONDS = 10.0


class RequestMetrics:
    """The daemon's registry of figures, and the counter of answered requests."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = make_counter(families.REQUESTS, self.registry)


async def send_exposition(request: web.Request, exposition: Exposition) -> web.StreamResponse:
    """Answer a scrape, in the format that it asks for; give up after 30 s on a client that does not read."""
    format_name = content_type(request.headers.get("Accept", ""))
    response = web.StreamResponse(headers={"Content-Type": format_name})
    if request.method == "HEAD":
        await response.prepare(request)
        return response
    async with asyncio.timeout(SEND_SECONDS):
        await response.prepare(request)
        async for text in exposition.slices(format_name):
            await response.write(text)
        await response.write_eof()
    return response


class MetricsListener:
    """The TCP address of the metrics, where nothing else is served; it is tried again where it is in use."""

    def __init__(self, address: str, exposition: Exposition, clock: Clock) -> None:
        self._address = parse_address(address)
        self._exposition = exposition
        self._clock = clock
        self._limits = UserLimits(clock, _limits)
        self.port: int | None = None  # while it listens

    async def run(self) -> None:
        """Serve scrapes until the task is cancelled."""
        while True:
            try:
                listening = _bind(self._address)
            except OSError as fault:
                log.error("metrics.listen: %s port %d: %s", *self._address, fault.strerror)
                await self._clock.sleep(RETRY_SECONDS)
                continue
            async with self._serve(listening):
                await asyncio.Event().wait()

    @asynccontextmanager
    async def _serve(self, listening: socket.socket) -> AsyncIterator[None]:
        application = web.Application()
        application.router.add_get("/metrics", self._answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0)
        await runner.setup()
        assert runner.server is not None
        build = partial(_build_connection, runner.server, self._limits)
        acceptor = Acceptor(listening, self._limits, build, identify=_own_uid)
        self.port = listening.getsockname()[1]
        try:
            yield
        finally:
            self.port = None
            await acceptor.close()
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        headers = request.headers
        if "Origin" in headers or headers.get("Sec-Fetch-Site", "none") != "none":
            raise web.HTTPForbidden(text="Requests from web pages are refused.")
        assert isinstance(request.protocol, CountedConnection)
        with request.protocol.without_header_deadline():
            return await send_exposition(request, self._exposition)


def _bind(address: tuple[str, int]) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError:
        listening.close()
        raise
    return listening


def _build_connection(server: web.Server, limits: UserLimits, uid: int) -> CountedConnection:
    options = {"keepalive_timeout": 75, "lingering_time": 1, "access_log": None}
    return CountedConnection(server, limits, uid, **options)


def _limits() -> LimitSettings:
    return LIMITS


def _own_uid(_: socket.socket) -> int:
    return os.getuid()
