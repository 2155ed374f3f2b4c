"""The part of a kubelet that a control plane asks for container logs, over TLS.

kube-apiserver fetches `GET /containerLogs/{namespace}/{pod}/{container}`, with the caller's query, from the
address and port in the Node's status. It accepts any certificate unless it was given a CA for kubelets, so
one is created each time the agent starts. The server listens on the node's own address only. On an address
that is not loopback a caller needs a certificate of the cluster's own CA, which kube-apiserver has for
kubelets.

Not implemented: all other routes of a kubelet (exec, attach, port forwarding, metrics).
"""

import asyncio
import ssl
from ipaddress import ip_address
from pathlib import Path

import msgspec
from aiohttp import web

from kronkeep_common.errors import InvalidSettings, ToolMissing
from kronkeep_daemon.embedded.apiserver.http_responses import stream_response
from kronkeep_daemon.embedded.apiserver.log_reader import open_log
from kronkeep_daemon.embedded.apiserver.log_store import LogStore
from kronkeep_daemon.embedded.apiserver.status_responses import Refusal
from kronkeep_daemon.kube.objects import JsonObject


class LogServer:
    """The logs of a node's containers, stored below `folder` and served on `address`.

    `client_ca` is the file of the CA that callers' certificates must be signed by.
    """

    def __init__(self, folder: Path, address: str, client_ca: str | None = None) -> None:
        self._folder = folder
        self._address = address
        self._client_ca = client_ca
        self._logs = LogStore(folder / "logs")
        self._pods: dict[tuple[str, str], JsonObject] = {}
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> None:
        """Create a certificate and listen on a free port.

        Raises ToolMissing without openssl, InvalidSettings where anybody could read the logs.
        """
        if self._client_ca is None and not _is_loopback(self._address):
            raise InvalidSettings(
                f"Anybody who reaches {self._address} could read the logs: the kubeconfig names no CA.",
                next_step="Use a kubeconfig with certificate-authority, or the address 127.0.0.1.",
            )
        app = web.Application()
        app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._serve_log)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._address, 0, ssl_context=await self._create_tls_context())
        await site.start()
        self.port = int(self._runner.addresses[0][1])

    async def close(self) -> None:
        """Stop listening; open requests end."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _create_tls_context(self) -> ssl.SSLContext:
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        key = self._folder / "kubelet.key"
        certificate = self._folder / "kubelet.crt"
        argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "365"]
        argv += ["-subj", "/CN=kronkeep-node", "-keyout", str(key), "-out", str(certificate)]
        try:
            openssl = await asyncio.create_subprocess_exec(*argv, stderr=asyncio.subprocess.DEVNULL)
        except FileNotFoundError as fault:
            message = "The program openssl is not installed, so no logs can be served."
            raise ToolMissing(message, next_step="Run: apt-get install -y openssl.") from fault
        await openssl.wait()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        if self._client_ca is not None and not _is_loopback(self._address):
            context.load_verify_locations(self._client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # as a kubelet: Python 3.13 refuses more
        return context

    def update_pod(self, event_type: str, pod: JsonObject) -> None:
        """Take a pod of this node from a watch event; the logs of a DELETED one are removed."""
        key = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        if event_type == "DELETED":
            self._pods.pop(key, None)
            self._logs.remove(pod["metadata"]["uid"])
        else:
            self._pods[key] = pod

    def open_writer(self, pod: JsonObject, container: str, instance: int) -> "LogFileWriter":
        """Return the writer for the log of one instance of a container, by the restarts before it."""
        return LogFileWriter(self._logs, pod["metadata"]["uid"], container=container, instance=instance)

    async def _serve_log(self, request: web.Request) -> web.StreamResponse:
        match = request.match_info
        pod = self._pods.get((match["namespace"], match["pod"]))
        if pod is None:
            return web.Response(status=404, text=f'pod "{match["pod"]}" not found')
        try:
            chunks = open_log(self._logs, pod, {**request.query, "container": match["container"]})
        except Refusal as refusal:
            body = msgspec.json.encode(refusal.body)
            return web.Response(status=refusal.code, body=body, content_type="application/json")
        return await stream_response(request, chunks, "text/plain")


class LogFileWriter:
    """A writer that appends the output of one instance of a container to its file in a LogStore."""

    def __init__(self, logs: LogStore, uid: str, *, container: str, instance: int) -> None:
        self._logs = logs
        self._uid = uid
        self._container = container
        self._instance = instance
        self._offset = 0

    async def write(self, lines: bytes, *, final: bool) -> None:
        """Append whole lines; `final` means that the container has ended."""
        self._offset = await self._logs.append(
            uid=self._uid,
            container=self._container,
            instance=self._instance,
            offset=self._offset,
            lines=lines,
            final=final,
        )


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
