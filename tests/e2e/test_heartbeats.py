"""Heartbeats of a whole daemon: a full disk is a failure with its reason, a stopped process is silence."""

import asyncio
import os
import resource
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from tests.daemon_process import Daemon
from tests.waiting import eventually

EVERY = 1.0


@asynccontextmanager
async def monitor() -> AsyncIterator[tuple[str, list[str]]]:
    """Yield a URL and the paths of what is posted below it."""
    paths: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.Response()

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/ping", paths
    await runner.cleanup()


def newest_of(paths: list[str]) -> Callable[[], Awaitable[str]]:
    async def newest() -> str:
        return paths[-1] if paths else ""

    return newest


@pytest.mark.skipif(os.geteuid() != 0, reason="sets another process's limits: needs root")
async def test_a_full_disk_is_told_and_a_stopped_daemon_is_silent(tmp_path: Path) -> None:
    async with monitor() as (url, paths):
        (tmp_path / "url").write_text(url)
        config = tmp_path / "kronkeepd.toml"
        config.write_text(
            f'[[alerts.heartbeats]]\nname = "outside"\nurl_file = "{tmp_path}/url"\nevery = {EVERY}\n'
        )
        daemon = Daemon(tmp_path / "s")
        daemon.arguments = ("--config", str(config))
        await daemon.start()
        try:
            await eventually(newest_of(paths), lambda path: path == "/ping")
            limit = resource.RLIMIT_FSIZE
            resource.prlimit(daemon.pid, limit, (1, resource.RLIM_INFINITY))
            await eventually(newest_of(paths), lambda path: path == "/ping/fail")
            resource.prlimit(daemon.pid, limit, (resource.RLIM_INFINITY,) * 2)
            await eventually(newest_of(paths), lambda path: path == "/ping")
            os.kill(daemon.pid, signal.SIGSTOP)
            await asyncio.sleep(EVERY)  # what was on its way
            count = len(paths)
            await asyncio.sleep(2 * EVERY)
            assert len(paths) == count
            os.kill(daemon.pid, signal.SIGCONT)

            async def number() -> int:
                return len(paths)

            await eventually(number, lambda more: more > count)
        finally:
            await daemon.end()
