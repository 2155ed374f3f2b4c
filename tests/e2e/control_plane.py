"""An API server that treats nodes as kube-apiserver does: it fetches their logs, and takes none pushed.

    python -m tests.e2e.control_plane KUBECONFIG WRITTEN

serves the embedded cluster of KUBECONFIG that way until it is stopped; WRITTEN leads to it.
"""

import asyncio
import re
import sys
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web
from tests.e2e.faults import Proxy

VERSION = "v1.36.2"
LOG = re.compile(r"(?P<core>.*/api/v1)/namespaces/(?P<namespace>[^/]+)/pods/(?P<pod>[^/]+)/log")
REASONS = {400: "BadRequest", 404: "NotFound"}


class ControlPlane(Proxy):
    """Passes all on but the version and the logs of containers."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/version"):
            return web.json_response({"major": "1", "minor": "36", "gitVersion": VERSION})
        match = LOG.fullmatch(request.path)
        if match is None:
            return await super().handle(request)
        if request.method != "GET":
            return web.Response(status=405)
        return await self._log(request, match)

    async def _log(self, request: web.Request, match: re.Match[str]) -> web.StreamResponse:
        """As kube-apiserver finds a log: the pod's node, its first address, its kubelet's port."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
            pod = await self._get(session, request.path.removesuffix("/log"))
            node = await self._get(session, f"{match['core']}/nodes/{pod['spec']['nodeName']}")
            address = node["status"]["addresses"][0]["address"]
            port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
            container = request.query.get("container") or pod["spec"]["containers"][0]["name"]
            url = f"https://{address}:{port}/containerLogs/{match['namespace']}/{match['pod']}/{container}"
            async with session.get(url, params=dict(request.query), ssl=False) as found:
                if found.status != 200:
                    return _refused(found.status, await found.text())
                return await _passed_on(request, found)

    async def _get(self, session: aiohttp.ClientSession, path: str) -> dict[str, Any]:
        async with session.get(f"{self.target}{path}") as found:
            answer: dict[str, Any] = await found.json()
            assert found.status == 200, answer
            return answer


def _refused(status: int, text: str) -> web.Response:
    """What a kubelet refused, as a Status (apiserver's GenericHttpResponseChecker)."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": text, "code": status}
    return web.json_response(body | {"reason": REASONS.get(status, "InternalError")}, status=status)


async def _passed_on(request: web.Request, found: aiohttp.ClientResponse) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await answer.prepare(request)
    async for chunk in found.content.iter_any():
        await answer.write(chunk)
    return answer


async def serve(kubeconfig: Path, written: Path) -> None:
    """Until it is stopped."""
    config = yaml.safe_load(await asyncio.to_thread(kubeconfig.read_text))
    cluster = config["clusters"][0]["cluster"]
    origin, _, token = cluster["server"].rpartition("/")
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", ControlPlane(origin).handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    cluster["server"] = f"http://127.0.0.1:{runner.addresses[0][1]}/{token}"
    await asyncio.to_thread(written.write_text, yaml.safe_dump(config))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2])))
