"""A Proxmox VE API of one storage on loopback, with TLS; it answers in the shape of Proxmox VE 8."""

import hashlib
import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TOKEN = "kronkeep@pve!vault=canary-token"
STATUS = {
    "active": 1,
    "avail": 642330189824,
    "content": "images,rootdir",
    "enabled": 1,
    "shared": 0,
    "total": 1006632960000,
    "type": "zfspool",
    "used": 364302770176,
}


class ProxmoxApi(ThreadingHTTPServer):
    """An HTTPS server that answers `status` for the storage tank on the node pve1."""

    status: dict[str, Any]
    requested_paths: list[str]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, ProxmoxApi)
        server.requested_paths.append(self.path)
        if self.headers["Authorization"] != f"PVEAPIToken={TOKEN}":
            return self._answer(401, "authentication failure", {"data": None})
        if self.path != "/api2/json/nodes/pve1/storage/tank/status":
            return self._answer(500, "storage 'other' does not exist", {"data": None})
        return self._answer(200, "OK", {"data": server.status})

    def _answer(self, code: int, reason: str, body: object) -> None:
        raw = json.dumps(body).encode()
        self.send_response(code, reason)
        self.send_header("Content-Type", "application/json;charset=UTF-8")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        """Print no line for a request."""


def create_certificate(folder: Path, name: str) -> tuple[Path, str]:
    """Create a self-signed certificate and its key in one file; return it and the fingerprint."""
    file = folder / f"{name}.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    argv += [
        "-subj",
        "/CN=pve1.example",
        "-days",
        "2",
        "-keyout",
        str(file),
        "-out",
        str(folder / f"{name}.crt"),
    ]
    subprocess.run(argv, check=True, capture_output=True)
    text = (folder / f"{name}.crt").read_text()
    file.write_text(file.read_text() + text)
    digits = hashlib.sha256(ssl.PEM_cert_to_DER_cert(text)).hexdigest().upper()
    return file, ":".join(digits[i : i + 2] for i in range(0, 64, 2))


@contextmanager
def serve(file: Path) -> Iterator[ProxmoxApi]:
    """Serve the API with the certificate of `file`, on a free port."""
    server = ProxmoxApi(("127.0.0.1", 0), _Handler)
    server.status = dict(STATUS)
    server.requested_paths = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
