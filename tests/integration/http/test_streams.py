"""A stream ends with its connection; what is asked on the same connection after it does not."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from aiohttp import web
from tests.waiting import LONGEST_WAIT

from kronkeep_common.clock import SystemClock
from kronkeep_daemon.http.acceptor import Acceptor
from kronkeep_daemon.http.listening_socket import bind_socket
from kronkeep_daemon.http.streams import count_stream
from kronkeep_daemon.http.user_limits import CountedConnection, UserLimits
from kronkeep_daemon.settings import LimitSettings


async def test_a_write_after_a_stream_on_its_connection_is_done_though_the_client_leaves(
    tmp_path: Path,
) -> None:
    limits = UserLimits(SystemClock(), LimitSettings)
    begun, left, may_end, ended = (asyncio.Event() for _ in range(4))
    outcomes: list[str] = []

    async def send_stream(request: web.Request) -> web.Response:
        with count_stream(
            cast(Any, SimpleNamespace(request=request, services=SimpleNamespace(limits=limits)))
        ):
            return web.Response(text="the log")

    async def write(request: web.Request) -> web.Response:
        begun.set()
        try:
            await may_end.wait()
            outcomes.append("done")
        except asyncio.CancelledError:
            outcomes.append("cancelled")
            raise
        finally:
            ended.set()
        return web.Response()

    class Connection(CountedConnection):
        def connection_lost(self, exc: BaseException | None) -> None:
            super().connection_lost(exc)
            left.set()

    app = web.Application()
    app.router.add_get("/stream", send_stream)
    app.router.add_post("/write", write)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    server = runner.server
    assert server is not None
    listening = bind_socket(tmp_path / "s")
    acceptor = Acceptor(listening, limits, lambda uid: Connection(server, limits, uid))
    async with asyncio.timeout(LONGEST_WAIT):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
        writer.write(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await reader.readuntil(b"the log")).startswith(b"HTTP/1.1 200")
        writer.write(b"POST /write HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        await begun.wait()
        writer.close()
        await left.wait()
        may_end.set()
        await ended.wait()
    assert outcomes == ["done"]
    await acceptor.close()
    await runner.cleanup()
