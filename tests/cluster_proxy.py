"""A cluster of its own process, and between it and a daemon a proxy that fails the requests a test names."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Literal

import aiohttp
import yaml
from aiohttp import web
from tests.e2e.conftest import Daemon, cluster_apart

from kronkeep_daemon.kube.client import Cluster

How = Literal["refused", "cut", "lost"]


class Proxy:
    """Passes everything on; `fail` names one request to come, counted among those that match.

    `refused` answers 503 instead, `cut` closes the connection before the cluster hears of it, `lost` after;
    `down` cuts every request.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self._pattern: re.Pattern[str] | None = None
        self._how: How = "refused"
        self._left = 0
        self.failed = False
        self.down = False

    def fail(self, pattern: str, number: int, how: How) -> None:
        """Fails the `number`th (from 0) request whose `METHOD /path` matches, and no other."""
        self._pattern = re.compile(pattern)
        self._left = number
        self._how = how
        self.failed = False

    def heal(self) -> None:
        """Fails nothing more."""
        self._pattern = None

    def _due(self, request: web.Request) -> bool:
        line = f"{request.method} {request.path}"
        if self.failed or self._pattern is None or not self._pattern.search(line):
            return False
        self._left -= 1
        self.failed = self._left < 0
        return self.failed

    async def handle(self, request: web.Request) -> web.StreamResponse:
        due = self._due(request)
        if self.down:
            return _hang_up(request)
        if due and self._how == "refused":
            status = {"kind": "Status", "status": "Failure", "message": "etcdserver: request timed out"}
            return web.json_response(status, status=503)
        if due and self._how == "cut":
            return _hang_up(request)
        return await self._pass_on(request, lost=due)

    async def _pass_on(self, request: web.Request, *, lost: bool) -> web.StreamResponse:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in ("host", "content-length")}
        url = f"{self.target}{request.raw_path}"
        body = await request.read()
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session,
            session.request(request.method, url, data=body, headers=headers) as found,
        ):
            if lost:
                await found.read()
                return _hang_up(request)
            answer = web.StreamResponse(status=found.status)
            answer.content_type = found.content_type
            try:
                await answer.prepare(request)
                async for chunk in found.content.iter_any():
                    await answer.write(chunk)
            except (aiohttp.ClientError, ConnectionResetError):
                return _hang_up(request)
            return answer


def _hang_up(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


class Outside(Daemon):
    """A daemon whose cluster is another process."""

    def __init__(self, state: Path) -> None:
        super().__init__(state)
        self.embedded = False

    @property
    def claims(self) -> Path:
        return self.state.parent / "cluster" / "node" / "claims"

    async def cluster(self) -> Cluster:
        return await Cluster.connect(kubeconfig=self.state.parent / "cluster" / "kubeconfig")

    @property
    def pid(self) -> int:
        """The running process."""
        assert self._process is not None
        return self._process.pid


@asynccontextmanager
async def proxied(
    folder: Path, identify: Callable[[Path], Awaitable[str]] | None = None, settings: str = ""
) -> AsyncIterator[tuple[Outside, Proxy, Path]]:
    """The daemon, the proxy, and the admin's kubeconfig that leads around it.

    `identify` gives the token that the daemon shall use; without it, it is the admin too. `settings` are
    added to its file.
    """
    runner: web.AppRunner | None = None
    daemon = Outside(folder / "s")
    apart = ExitStack()
    kubeconfig = apart.enter_context(cluster_apart(folder / "cluster"))
    try:
        config = yaml.safe_load(kubeconfig.read_text())
        server = config["clusters"][0]["cluster"]
        origin, _, token = server["server"].rpartition("/")
        if identify is not None:
            token = await identify(kubeconfig)
            config["users"][0]["user"]["token"] = token
        proxy = Proxy(origin)
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", proxy.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server["server"] = f"http://127.0.0.1:{runner.addresses[0][1]}/{token}"
        (folder / "through").write_text(yaml.safe_dump(config))
        text = f'[allow]\nhost_path = true\n[clusters.far]\nkubeconfig = "{folder / "through"}"\n'
        (folder / "kronkeepd.toml").write_text(text + settings)
        daemon.arguments = ("--config", str(folder / "kronkeepd.toml"))
        await daemon.start()
        yield daemon, proxy, kubeconfig
    finally:
        if daemon.line:
            await daemon.stop()
        if runner is not None:
            await runner.cleanup()
        apart.close()
