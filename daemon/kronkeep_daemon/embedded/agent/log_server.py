"""What a control plane asks of a node: container logs, over TLS, as a kubelet answers them.

kube-apiserver fetches `GET /containerLogs/{namespace}/{pod}/{container}` with the caller's query from the
address and port in the Node's status. It accepts any certificate unless it was given a CA for kubelets, so
one is made for each life of the agent. The server listens on the node's own address only; anywhere but on
loopback a caller needs a certificate of the cluster's own CA, as kube-apiserver has one for kubelets.
"""

import asyncio
import ssl
from ipaddress import ip_address
from pathlib import Path

import msgspec
from aiohttp import web

from kronkeep_common.errors import InvalidSettings, ToolMissing
from kronkeep_daemon.embedded.apiserver.log_reader import open_log
from kronkeep_daemon.embedded.apiserver.log_store import Logs
from kronkeep_daemon.embedded.apiserver.status_responses import Refusal
from kronkeep_daemon.kube.objects import JsonObject


class LogServer:
    """Keeps the logs of one node's containers below `folder` and serves them on `address`."""

    def __init__(self, folder: Path, address: str, client_ca: str | None = None) -> None:
        self._folder = folder
        self._address = address
        self._client_ca = client_ca
        self._logs = Logs(folder / "logs")
        self._pods: dict[tuple[str, str], JsonObject] = {}
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> None:
        """Makes a certificate and listens on a free port.

        Raises ToolMissing without openssl, InvalidSettings where anybody could read.
        """
        if self._client_ca is None and not _on_loopback(self._address):
            raise InvalidSettings(
                f"Whoever reaches {self._address} could read the logs: the kubeconfig names no CA.",
                next_step="Use a kubeconfig with certificate-authority, or the address 127.0.0.1.",
            )
        app = web.Application()
        app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._address, 0, ssl_context=await self._certificate())
        await site.start()
        self.port = int(self._runner.addresses[0][1])

    async def close(self) -> None:
        """Stops listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _certificate(self) -> ssl.SSLContext:
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        key = self._folder / "kubelet.key"
        certificate = self._folder / "kubelet.crt"
        argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "365"]
        argv += ["-subj", "/CN=kronkeep-node", "-keyout", str(key), "-out", str(certificate)]
        try:
            done = await asyncio.create_subprocess_exec(*argv, stderr=asyncio.subprocess.DEVNULL)
        except FileNotFoundError as fault:
            words = "The program openssl is not installed, so no logs can be served."
            raise ToolMissing(words, next_step="Run: apt-get install -y openssl.") from fault
        await done.wait()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        if self._client_ca is not None and not _on_loopback(self._address):
            context.load_verify_locations(self._client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def saw(self, kind: str, pod: JsonObject) -> None:
        """Takes note of a pod of this node; the logs of one that is gone go too."""
        key = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        if kind == "DELETED":
            self._pods.pop(key, None)
            self._logs.remove(pod["metadata"]["uid"])
        else:
            self._pods[key] = pod

    def sink(self, pod: JsonObject, container: str) -> "Sink":
        """What a container's output is written to."""
        return Sink(self._logs, pod["metadata"]["uid"], container)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        parts = request.match_info
        pod = self._pods.get((parts["namespace"], parts["pod"]))
        if pod is None:
            return web.Response(status=404, text=f'pod "{parts["pod"]}" not found')
        try:
            chunks = open_log(self._logs, pod, {**request.query, "container": parts["container"]})
        except Refusal as refusal:
            body = msgspec.json.encode(refusal.body)
            return web.Response(status=refusal.body["code"], body=body, content_type="application/json")
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        async for chunk in chunks:
            await response.write(chunk)
        return response


class Sink:
    """Takes a container's whole lines, in order."""

    def __init__(self, logs: Logs, uid: str, container: str) -> None:
        self._logs = logs
        self._uid = uid
        self._container = container
        self._offset = 0

    async def __call__(self, lines: bytes, final: bool) -> None:
        """Writes lines; `final` says that the container has ended."""
        self._offset = await self._logs.push(self._uid, self._container, self._offset, lines, final)


def _on_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
