"""Heartbeats of a whole daemon: full disk, cut network, lost Lease fail them, a stopped process is silent."""

import asyncio
import os
import resource
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from tests.cluster_proxy import daemon_behind_proxy
from tests.daemon_process import Daemon
from tests.waiting import eventually

from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster

EVERY = 1.0
LEASE_EVERY = 5  # half of the time after which a Lease that is not renewed counts as lost


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
async def test_a_full_disk_is_reported_and_a_stopped_daemon_is_silent(tmp_path: Path) -> None:
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


async def test_a_cut_network_and_a_stolen_lease_end_the_pings_within_two_intervals(tmp_path: Path) -> None:
    """It takes as long as a Lease lasts, twice: the durations are those of Kubernetes' own controllers."""
    async with monitor() as (url, posted):
        (tmp_path / "url").write_text(url)
        settings = (
            f'[[alerts.heartbeats]]\nname = "outside"\nurl_file = "{tmp_path}/url"\nevery = {LEASE_EVERY}\n'
        )
        async with daemon_behind_proxy(tmp_path, settings=settings) as it:
            await eventually(newest_of(posted), lambda path: path == "/ping")
            count = len(posted)
            it.proxy.down = True
            await eventually(newest_of(posted), lambda path: path == "/ping/fail")
            assert posted[count:].count("/ping") <= 2
            it.proxy.down = False
            await eventually(newest_of(posted), lambda path: path == "/ping")

            count = len(posted)
            cluster = await Cluster.connect(kubeconfig=it.kubeconfig)
            await steal_lease(cluster)
            await eventually(log_of(it.daemon), lambda text: "another daemon acts on far" in text)
            assert posted[count:].count("/ping") <= 2
            await cluster.close()


async def steal_lease(cluster: Cluster) -> None:
    """Write the Lease as another daemon that has just taken it."""
    path = paths.leases("kronkeep", "kronkeepd")
    now = datetime.now(UTC)
    spec = {
        "holderIdentity": "thief",
        "leaseDurationSeconds": 15,
        "renewTime": f"{now:%Y-%m-%dT%H:%M:%S.%fZ}",
    }
    await cluster.patch(path, {"spec": spec})


def log_of(daemon: Daemon) -> Callable[[], Awaitable[str]]:
    async def read() -> str:
        return daemon.log.read_text()

    return read
