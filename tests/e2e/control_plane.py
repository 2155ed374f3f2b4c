"""An API server that treats nodes as kube-apiserver does: it fetches their logs, and refuses pushed ones.

    python -m tests.e2e.control_plane KUBECONFIG PROXY_KUBECONFIG

serves the embedded cluster of KUBECONFIG that way until it is stopped, and writes PROXY_KUBECONFIG, by which
it is reached.
"""

import asyncio
import re
import sys
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web
from tests.cluster_proxy import ClusterProxy, serve_proxy

VERSION = "v1.36.2"
LOG_PATH = re.compile(r"(?P<core>.*/api/v1)/namespaces/(?P<namespace>[^/]+)/pods/(?P<pod>[^/]+)/log")
REASONS = {400: "BadRequest", 404: "NotFound"}


class ControlPlane(ClusterProxy):
    """Passes all requests on but those for the version and for container logs."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/version"):
            return web.json_response({"major": "1", "minor": "36", "gitVersion": VERSION})
        match = LOG_PATH.fullmatch(request.path)
        if match is None:
            return await super().handle(request)
        if request.method != "GET":
            return web.Response(status=405)
        return await self._fetch_log(request, match)

    async def _fetch_log(self, request: web.Request, match: re.Match[str]) -> web.StreamResponse:
        """Fetch a log as kube-apiserver does: from the kubelet at the first address of the pod's node."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
            pod = await self._get(session, request.path.removesuffix("/log"))
            node = await self._get(session, f"{match['core']}/nodes/{pod['spec']['nodeName']}")
            address = node["status"]["addresses"][0]["address"]
            port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
            container = request.query.get("container") or pod["spec"]["containers"][0]["name"]
            url = f"https://{address}:{port}/containerLogs/{match['namespace']}/{match['pod']}/{container}"
            async with session.get(url, params=dict(request.query), ssl=False) as response:
                if response.status != 200:
                    return _status_response(response.status, await response.text())
                return await _pass_on(request, response)

    async def _get(self, session: aiohttp.ClientSession, path: str) -> dict[str, Any]:
        async with session.get(f"{self.target}{path}") as response:
            body: dict[str, Any] = await response.json()
            assert response.status == 200, body
            return body


def _status_response(status: int, text: str) -> web.Response:
    """Return a kubelet's refusal as a Status, as apiserver's GenericHttpResponseChecker does."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": text, "code": status}
    return web.json_response(body | {"reason": REASONS.get(status, "InternalError")}, status=status)


async def _pass_on(request: web.Request, response: aiohttp.ClientResponse) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await answer.prepare(request)
    async for chunk in response.content.iter_any():
        await answer.write(chunk)
    return answer


async def serve(kubeconfig: Path, proxy_kubeconfig: Path) -> None:
    """Serve until stopped."""
    config = yaml.safe_load(await asyncio.to_thread(kubeconfig.read_text))
    cluster = config["clusters"][0]["cluster"]
    origin, _, token = cluster["server"].rpartition("/")
    _, port = await serve_proxy(ControlPlane(origin))
    cluster["server"] = f"http://127.0.0.1:{port}/{token}"
    await asyncio.to_thread(proxy_kubeconfig.write_text, yaml.safe_dump(config))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2])))
