"""Emulators of clouds, which are reached through variables of the containers that run restic."""

import base64
import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.e2e.storages.servers import PYTHON, ROOT, free_port, run_server
from tests.external_cluster import find_server_address

AZURITE = ROOT / ".venv/servers/azurite/node_modules/.bin/azurite-blob"
ACCOUNT = "keeper"
AZURE_HOST = f"{ACCOUNT}.blob.core.windows.net"
needs_azurite = pytest.mark.skipif(
    not AZURITE.exists() or shutil.which("node") is None, reason="make azurite has not installed it"
)


class Cloud(NamedTuple):
    """An emulator: the settings and credentials of a storage on it, and the variables that lead to it."""

    settings: dict[str, str | int]
    secret: dict[str, str]
    env: dict[str, str]


def _run_openssl(*argv: str) -> None:
    subprocess.run(["openssl", *argv], check=True, capture_output=True)


@contextmanager
def serve_gs(folder: Path) -> Iterator[Cloud]:
    """Run gcp-storage-emulator; a service account's key gets its tokens from a server beside it."""
    host = find_server_address()
    script = str(Path(__file__).with_name("gs.py"))
    with (folder / "gs.log").open("ab") as log:
        argv = [str(PYTHON), script, host, str(free_port())]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log)
    with process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        _run_openssl("genrsa", "-traditional", "-out", str(folder / "gs.pem"), "2048")
        key = {
            "type": "service_account",
            "client_email": "keeper@example.invalid",
            "private_key": (folder / "gs.pem").read_text(),
            "token_uri": line["token_uri"],
        }
        settings: dict[str, str | int] = {"bucket": "vault", "prefix": "deep"}
        secret = {"credentials.json": json.dumps(key)}
        yield Cloud(settings, secret, {"STORAGE_EMULATOR_HOST": line["endpoint"]})
        process.kill()


@contextmanager
def serve_azure(folder: Path) -> Iterator[Cloud]:
    """Run azurite under the name of an account in Azure, which a proxy leads to it."""
    host = find_server_address()
    port, proxy_port = free_port(), free_port()
    certificate, key = folder / "azure.pem", folder / "azure.key"
    subject = ("-subj", f"/CN={AZURE_HOST}", "-addext", f"subjectAltName=DNS:{AZURE_HOST}")
    files = ("-keyout", str(key), "-out", str(certificate))
    _run_openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *files, *subject)
    password = base64.b64encode(secrets.token_bytes(32)).decode()
    argv = [str(AZURITE), "--blobHost", host, "--blobPort", str(port), "--inMemoryPersistence"]
    argv += ["--cert", str(certificate), "--key", str(key), "--skipApiVersionCheck", "--disableTelemetry"]
    proxy = [
        sys.executable,
        str(Path(__file__).with_name("connect_proxy.py")),
        host,
        str(proxy_port),
        str(port),
    ]
    with ExitStack() as stack:
        log = folder / "azure.log"
        stack.enter_context(run_server(argv, port, log, AZURITE_ACCOUNTS=f"{ACCOUNT}:{password}"))
        stack.enter_context(run_server(proxy, proxy_port, log))
        secret = {
            "AZURE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_ACCOUNT_KEY": password,
            "ca.crt": certificate.read_text(),
        }
        settings: dict[str, str | int] = {"container": "vault", "prefix": "deep"}
        yield Cloud(settings, secret, {"HTTPS_PROXY": f"http://{host}:{proxy_port}"})
