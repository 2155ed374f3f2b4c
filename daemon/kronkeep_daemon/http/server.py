"""The server of the socket API: it accepts connections and answers their requests until it is stopped."""

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

    def build(uid: int) -> CountedConnection:
        options = {"keepalive_timeout": 15, "lingering_time": 1, "access_log": None}
        return CountedConnection(server, services.limits, uid, **options)

    acceptor = Acceptor(listening, services.limits, build)
    try:
        yield
    finally:
        acceptor.close()
        services.limits.end_streams()
        await runner.cleanup()
        if inherited is None:
            remove_socket(path)
