"""A daemon whose cluster is a separate process, and a proxy between them that fails chosen requests."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import aiohttp
import yaml
from aiohttp import web
from tests.cluster_process import run_cluster
from tests.daemon_process import Daemon

from kronkeep_daemon.kube.client import Cluster

FailureKind = Literal["refused", "cut", "lost"]
MOST_BODY_BYTES = 2**24


class ClusterProxy:
    """Passes requests on to `target`, except one that a test lets fail.

    A request that is `refused` is answered with 503. For one that is `cut` the connection is closed before
    the cluster gets it, for one that is `lost` afterwards, instead of the answer. While `down` is set every
    request is cut. `failed` says that the request to fail has come.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self._pattern: re.Pattern[str] | None = None
        self._kind: FailureKind = "refused"
        self._matches_before = 0
        self.failed = False
        self.down = False

    def fail(self, pattern: str, number: int, kind: FailureKind) -> None:
        """Let one request fail: the one of that number, from 0, among those whose `METHOD /path` matches."""
        self._pattern = re.compile(pattern)
        self._matches_before = number
        self._kind = kind
        self.failed = False

    def heal(self) -> None:
        """Let no request fail any more."""
        self._pattern = None

    def _must_fail(self, request: web.Request) -> bool:
        """Whether this is the request to fail; each call counts one request."""
        line = f"{request.method} {request.path}"
        if self.failed or self._pattern is None or not self._pattern.search(line):
            return False
        self._matches_before -= 1
        self.failed = self._matches_before < 0
        return self.failed

    async def handle(self, request: web.Request) -> web.StreamResponse:
        must_fail = self._must_fail(request)
        if self.down:
            return _close_connection(request)
        if must_fail and self._kind == "refused":
            status = {"kind": "Status", "status": "Failure", "message": "etcdserver: request timed out"}
            return web.json_response(status, status=503)
        if must_fail and self._kind == "cut":
            return _close_connection(request)
        return await self._pass_on(request, lose_answer=must_fail)

    async def _pass_on(self, request: web.Request, *, lose_answer: bool) -> web.StreamResponse:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in ("host", "content-length")}
        url = f"{self.target}{request.raw_path}"
        body = await request.read()
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session,
            session.request(request.method, url, data=body, headers=headers) as response,
        ):
            if lose_answer:
                await response.read()
                return _close_connection(request)
            answer = web.StreamResponse(status=response.status)
            answer.content_type = response.content_type
            try:
                await answer.prepare(request)
                async for chunk in response.content.iter_any():
                    await answer.write(chunk)
            except (aiohttp.ClientError, ConnectionResetError):
                return _close_connection(request)
            return answer


def _close_connection(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def serve_proxy(proxy: ClusterProxy, address: str = "127.0.0.1") -> tuple[web.AppRunner, int]:
    """Serve the proxy on an address; return its runner, which the caller cleans up, and its port."""
    app = web.Application(client_max_size=MOST_BODY_BYTES)
    app.router.add_route("*", "/{path:.*}", proxy.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, address, 0).start()
    return runner, int(runner.addresses[0][1])


class DaemonOnOtherCluster(Daemon):
    """A daemon whose cluster is a separate process, in the folder `cluster` beside its state."""

    def __init__(self, state: Path) -> None:
        super().__init__(state)
        self.embedded = False

    @property
    def claims(self) -> Path:
        return self.state.parent / "cluster" / "node" / "claims"

    async def cluster(self) -> Cluster:
        return await Cluster.connect(kubeconfig=self.state.parent / "cluster" / "kubeconfig")


class ProxiedDaemon(NamedTuple):
    """A daemon, the proxy to its cluster, and the admin's kubeconfig, which leads past the proxy."""

    daemon: DaemonOnOtherCluster
    proxy: ClusterProxy
    kubeconfig: Path


@asynccontextmanager
async def daemon_behind_proxy(
    folder: Path,
    create_token: Callable[[Path], Awaitable[str]] | None = None,
    settings: str = "",
    *,
    machine_tools: bool = False,
) -> AsyncIterator[ProxiedDaemon]:
    """Run a daemon that reaches its cluster through a proxy, until the block ends.

    `create_token` takes the admin's kubeconfig and returns the token that the daemon uses; without it the
    daemon is the admin too. `settings` are added to its settings file. With `machine_tools` containers of
    images that the cluster does not have see this machine's programs.
    """
    runner: web.AppRunner | None = None
    daemon = DaemonOnOtherCluster(folder / "s")
    stack = ExitStack()
    kubeconfig = stack.enter_context(run_cluster(folder / "cluster", machine_tools=machine_tools))
    try:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        origin, _, token = cluster["server"].rpartition("/")
        if create_token is not None:
            token = await create_token(kubeconfig)
            config["users"][0]["user"]["token"] = token
        proxy = ClusterProxy(origin)
        runner, port = await serve_proxy(proxy)
        cluster["server"] = f"http://127.0.0.1:{port}/{token}"
        (folder / "through").write_text(yaml.safe_dump(config))
        text = f'[allow]\nhost_path = true\n[clusters.far]\nkubeconfig = "{folder / "through"}"\n'
        (folder / "kronkeepd.toml").write_text(text + settings)
        daemon.arguments = ("--config", str(folder / "kronkeepd.toml"))
        await daemon.start()
        yield ProxiedDaemon(daemon, proxy, kubeconfig)
    finally:
        if daemon.announcement:
            await daemon.stop()
        if runner is not None:
            await runner.cleanup()
        stack.close()
