"""A daemon whose cluster is a separate process, and a proxy between them that fails chosen requests."""

import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import aiohttp
import yaml
from aiohttp import web
from tests import external_cluster
from tests.cluster_process import run_cluster
from tests.daemon_process import Daemon

from kronkeep_daemon.kube import credentials
from kronkeep_daemon.kube.client import Cluster

FailureKind = Literal["refused", "cut", "lost"]
MOST_BODY_BYTES = 2**24


class ClusterProxy:
    """Passes requests on to `target`, except one that a test lets fail.

    A request that is `refused` is answered with 503. For one that is `cut` the connection is closed before
    the cluster gets it, for one that is `lost` afterwards, instead of the answer. While `down` is set every
    request is cut. `failed` says that the request to fail has come. `tls` is for an https target.
    """

    def __init__(self, target: str, tls: ssl.SSLContext | None = None) -> None:
        self.target = target
        self._tls = tls if tls is not None else True
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
            session.request(request.method, url, data=body, headers=headers, ssl=self._tls) as response,
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


@asynccontextmanager
async def other_cluster(folder: Path, *, machine_tools: bool = False) -> AsyncIterator[Path]:
    """Run an embedded cluster in a process of its own, or use the external one, until the block ends.

    Yield its admin's kubeconfig, which is in the folder. The external cluster is emptied first.
    """
    if external_cluster.KUBECONFIG is None:
        with run_cluster(folder, machine_tools=machine_tools) as kubeconfig:
            yield kubeconfig
        return
    if machine_tools:
        external_cluster.require_machine_tools()
    await external_cluster.empty_cluster()
    folder.mkdir()
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(Path(external_cluster.KUBECONFIG).read_text())
    yield kubeconfig


class DaemonOnOtherCluster(Daemon):
    """A daemon whose cluster is one of `other_cluster`, in the folder `cluster` beside its state."""

    def __init__(self, state: Path) -> None:
        super().__init__(state)
        self.embedded = False

    @property
    def claims(self) -> Path:
        if external_cluster.KUBECONFIG is not None:
            return super().claims
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
    daemon = DaemonOnOtherCluster(folder / "s")
    async with AsyncExitStack() as stack:
        kubeconfig = await stack.enter_async_context(
            other_cluster(folder / "cluster", machine_tools=machine_tools)
        )
        token = await create_token(kubeconfig) if create_token is not None else None
        config = yaml.safe_load(kubeconfig.read_text())
        proxy, path = await _lead_to(kubeconfig, token)
        runner, port = await serve_proxy(proxy)
        stack.push_async_callback(runner.cleanup)
        config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{port}{path}"}
        config["users"][0]["user"] = {"token": token} if token is not None else {}
        (folder / "through").write_text(yaml.safe_dump(config))
        text = f'[allow]\nhost_path = true\n[clusters.far]\nkubeconfig = "{folder / "through"}"\n'
        text += external_cluster.NAMESPACES_SETTING
        (folder / "kronkeepd.toml").write_text(text + settings)
        daemon.arguments = ("--config", str(folder / "kronkeepd.toml"))
        await daemon.start()
        stack.push_async_callback(daemon.end)
        yield ProxiedDaemon(daemon, proxy, kubeconfig)


async def _lead_to(kubeconfig: Path, token: str | None) -> tuple[ClusterProxy, str]:
    """Return a proxy to the cluster of a kubeconfig, and the path before all paths of its API.

    The path has the token of an embedded cluster. With another cluster the proxy speaks TLS, and is the
    kubeconfig's admin where no token says who else the daemon is.
    """
    access = (await credentials.load(kubeconfig, None, False)).settings
    if external_cluster.KUBECONFIG is None:
        origin, _, admin_token = access.host.rpartition("/")
        return ClusterProxy(origin), f"/{token or admin_token}"
    tls = ssl.create_default_context(cafile=access.ssl_ca_cert)
    if token is None and access.cert_file is not None:
        tls.load_cert_chain(access.cert_file, access.key_file)
    return ClusterProxy(access.host.rstrip("/"), tls), ""
