"""The server of the socket API: it accepts connections and answers their requests until it is stopped."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from kronkeep_daemon.http.acceptor import Acceptor
from kronkeep_daemon.http.listening_socket import bind_socket, remove_socket, systemd_socket
from kronkeep_daemon.http.request_handler import RequestHandler
from kronkeep_daemon.http.services import Services
from kronkeep_daemon.http.user_limits import CountedConnection

GRACE = 2.0  # seconds for the requests that are being answered when the daemon stops
FIRST_REQUEST_SECONDS = 1.0  # for a client that has connected and not sent its request yet


@asynccontextmanager
async def serve(services: Services, path: Path) -> AsyncIterator[None]:
    """Serve the API on systemd's socket, or on one that is bound at `path` and removed at the end."""
    inherited = systemd_socket()
    listening = inherited or bind_socket(path)
    application = RequestHandler(services).application()
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=GRACE)
    await runner.setup()
    server = runner.server
    assert server is not None
    without_request: set[asyncio.Future[None]] = set()

    def build(uid: int) -> CountedConnection:
        options = {"keepalive_timeout": 15, "lingering_time": 1, "access_log": None}
        connection = CountedConnection(server, services.limits, uid, **options)
        without_request.add(connection.first_request)
        connection.first_request.add_done_callback(without_request.discard)
        return connection

    acceptor = Acceptor(listening, services.limits, build)
    try:
        yield
    finally:
        await acceptor.close()
        services.limits.end_streams()
        await _wait_for_first_requests(without_request)
        await runner.cleanup()
        if inherited is None:
            remove_socket(path)


async def _wait_for_first_requests(without_request: set[asyncio.Future[None]]) -> None:
    """Wait until each connection that was accepted has sent its request, or has ended.

    Its client has been let in and cannot know that the daemon stops; without this it would get no answer, and
    could not tell whether what it asked for was done.
    """
    if without_request:
        await asyncio.wait(without_request, timeout=FIRST_REQUEST_SECONDS)
