"""Real servers for storages: S3, restic's REST protocol, SFTP, each as a process that pods can reach."""

import getpass
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import NamedTuple

import pytest
from tests.external_cluster import find_server_address
from tests.quick_repository import write_quick_repository

ROOT = Path(__file__).parents[4]
PYTHON = ROOT / ".venv/servers/bin/python"
SSHD = Path("/usr/sbin/sshd")
needs_servers = pytest.mark.skipif(
    not PYTHON.exists() or shutil.which("rclone") is None, reason="make servers has not run"
)


class StorageServer(NamedTuple):
    """A server: its settings, what a Secret of credentials has for it, its files where they are a folder.

    upload: puts a folder's files below a prefix of a server whose files are no folder.
    """

    settings: dict[str, str | int]
    secret: dict[str, str]
    folder: Path | None
    upload: Callable[[Path, str], None] | None = None

    def write_repository(self, name: str, password: str) -> None:
        """Write an empty repository of that name, which opens quickly, beside the server's own folder."""
        if self.folder is not None:
            write_quick_repository(self.folder.with_name(name), password)
            return
        assert self.upload is not None
        with tempfile.TemporaryDirectory() as folder:
            write_quick_repository(Path(folder), password)
            self.upload(Path(folder), name)


def free_port() -> int:
    """Return a port that is free at this moment."""
    with socket.socket() as listener:
        listener.bind((find_server_address(), 0))
        return int(listener.getsockname()[1])


def _wait_for_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        assert process.poll() is None, f"the server ended with {process.returncode}"
        with socket.socket() as trial:
            if trial.connect_ex((find_server_address(), port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the server does not listen")


@contextmanager
def run_server(argv: list[str], port: int, log: Path, **env: str) -> Iterator[None]:
    """Run a server until the end of the block; it listens when this begins."""
    with log.open("ab") as out:
        process = subprocess.Popen(argv, stdout=out, stderr=out, env={**os.environ, **env})
    try:
        _wait_for_port(port, process)
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def serve_s3(folder: Path) -> Iterator[StorageServer]:
    """Run moto, which checks signatures."""
    with (folder / "s3.log").open("ab") as log:
        process = subprocess.Popen(
            [str(PYTHON), str(Path(__file__).parent / "s3.py"), find_server_address()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    with process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        secret = {"AWS_ACCESS_KEY_ID": line["id"], "AWS_SECRET_ACCESS_KEY": line["secret"]}
        settings: dict[str, str | int] = {"endpoint": line["endpoint"], "bucket": "vault"}
        yield StorageServer(settings, secret, None, partial(_upload, process, "vault"))
        process.kill()


def _upload(server: "subprocess.Popen[bytes]", bucket: str, folder: Path, prefix: str) -> None:
    """Have the S3 server's process put the folder's files into its bucket."""
    assert server.stdin is not None
    assert server.stdout is not None
    task = {"bucket": bucket, "folder": str(folder), "prefix": prefix}
    server.stdin.write(json.dumps(task).encode() + b"\n")
    server.stdin.flush()
    assert server.stdout.readline() == b"\n"


@contextmanager
def serve_rest(folder: Path) -> Iterator[StorageServer]:
    """Run `rclone serve restic` with a password whose characters have a meaning in an address."""
    port = free_port()
    files = folder / "rest"
    files.mkdir()
    secret = {"RESTIC_REST_USERNAME": "keeper", "RESTIC_REST_PASSWORD": f"p@ss/w:rd%{token_hex(8)}"}
    argv = ["rclone", "serve", "restic", "--addr", f"{find_server_address()}:{port}", str(files)]
    env = {"RCLONE_USER": secret["RESTIC_REST_USERNAME"], "RCLONE_PASS": secret["RESTIC_REST_PASSWORD"]}
    with run_server(argv, port, folder / "rest.log", **env):
        yield StorageServer({"url": f"http://{find_server_address()}:{port}/vault"}, secret, files / "vault")


@contextmanager
def serve_sftp(folder: Path) -> Iterator[StorageServer]:
    """Run OpenSSH's sshd; where that is not installed, `rclone serve sftp`."""
    port = free_port()
    files = folder / "sftp"
    files.mkdir()
    for name in ("host", "user"):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)]
        subprocess.run(argv, check=True)
    host = (folder / "host.pub").read_text()
    secret = {
        "ssh-privatekey": (folder / "user").read_text(),
        "known_hosts": f"[{find_server_address()}]:{port} {host}",
    }
    command, path = _sshd(folder, port) if SSHD.exists() else _rclone_sftp(folder, port, files)
    settings: dict[str, str | int] = {"host": find_server_address(), "port": port, "user": getpass.getuser()}
    with run_server(command, port, folder / "sftp.log"):
        yield StorageServer(settings | {"path": path}, secret, files / "vault")


def _sshd(folder: Path, port: int) -> tuple[list[str], str]:
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd's own, which its service would make
    config = folder / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress {find_server_address()}\nHostKey {folder / 'host'}\n"
        "PidFile none\nUsePAM no\n"
        f"StrictModes no\nAuthorizedKeysFile {folder / 'user.pub'}\nPasswordAuthentication no\n"
        "PermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n"
    )
    return [str(SSHD), "-D", "-e", "-f", str(config)], str(folder / "sftp/vault")


def _rclone_sftp(folder: Path, port: int, files: Path) -> tuple[list[str], str]:
    argv = [
        "rclone",
        "serve",
        "sftp",
        "--addr",
        f"{find_server_address()}:{port}",
        "--key",
        str(folder / "host"),
    ]
    return [*argv, "--authorized-keys", str(folder / "user.pub"), str(files)], "/vault"


@contextmanager
def serve_rclone(folder: Path) -> Iterator[StorageServer]:
    """Run `rclone serve webdav` as a remote of rclone's own configuration."""
    port = free_port()
    files = folder / "webdav"
    files.mkdir()
    config = f"[vault]\ntype = webdav\nurl = http://{find_server_address()}:{port}\nvendor = other\n"
    argv = ["rclone", "serve", "webdav", "--addr", f"{find_server_address()}:{port}", str(files)]
    with run_server(argv, port, folder / "webdav.log"):
        yield StorageServer({"remote": "vault", "path": "deep"}, {"rclone.conf": config}, files / "deep")
