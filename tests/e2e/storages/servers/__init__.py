"""Real servers for storages: S3, restic's REST protocol, SFTP, each as a process on loopback."""

import getpass
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[4]
PYTHON = ROOT / ".venv/servers/bin/python"
SSHD = Path("/usr/sbin/sshd")
needs_servers = pytest.mark.skipif(
    not PYTHON.exists() or shutil.which("rclone") is None, reason="make servers has not run"
)


class Served(NamedTuple):
    """Where it is, what a Secret of credentials holds for it, and its files where they are a plain folder."""

    settings: dict[str, str | int]
    secret: dict[str, str]
    folder: Path | None


def free_port() -> int:
    """A port that nobody has at this moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        assert process.poll() is None, f"the server ended with {process.returncode}"
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the server does not listen")


@contextmanager
def _running(argv: list[str], port: int, log: Path, **env: str) -> Iterator[None]:
    with log.open("ab") as out:
        process = subprocess.Popen(argv, stdout=out, stderr=out, env={**os.environ, **env})
    try:
        _wait(port, process)
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def s3(folder: Path) -> Iterator[Served]:
    """moto, with signatures checked."""
    with (folder / "s3.log").open("ab") as log:
        process = subprocess.Popen(
            [str(PYTHON), str(Path(__file__).parent / "s3.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    with process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        secret = {"AWS_ACCESS_KEY_ID": line["id"], "AWS_SECRET_ACCESS_KEY": line["secret"]}
        settings = {"endpoint": line["endpoint"], "bucket": "vault"}
        yield Served(settings, secret, None)
        process.kill()


@contextmanager
def rest(folder: Path) -> Iterator[Served]:
    """rclone serve restic, with a user and a password that has signs an address gives a meaning to."""
    port = free_port()
    served = folder / "rest"
    served.mkdir()
    secret = {"RESTIC_REST_USERNAME": "keeper", "RESTIC_REST_PASSWORD": f"p@ss/w:rd%{token_hex(8)}"}
    argv = ["rclone", "serve", "restic", "--addr", f"127.0.0.1:{port}", str(served)]
    env = {"RCLONE_USER": secret["RESTIC_REST_USERNAME"], "RCLONE_PASS": secret["RESTIC_REST_PASSWORD"]}
    with _running(argv, port, folder / "rest.log", **env):
        yield Served({"url": f"http://127.0.0.1:{port}/vault"}, secret, served / "vault")


@contextmanager
def sftp(folder: Path) -> Iterator[Served]:
    """OpenSSH's sshd; where that is not installed, rclone serve sftp."""
    port = free_port()
    served = folder / "sftp"
    served.mkdir()
    for name in ("host", "user"):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)]
        subprocess.run(argv, check=True)
    host = (folder / "host.pub").read_text()
    secret = {
        "ssh-privatekey": (folder / "user").read_text(),
        "known_hosts": f"[127.0.0.1]:{port} {host}",
    }
    command, path = _sshd(folder, port) if SSHD.exists() else _rclone_sftp(folder, port, served)
    settings: dict[str, str | int] = {"host": "127.0.0.1", "port": port, "user": getpass.getuser()}
    with _running(command, port, folder / "sftp.log"):
        yield Served(settings | {"path": path}, secret, served / "vault")


def _sshd(folder: Path, port: int) -> tuple[list[str], str]:
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd's own, which its service would make
    config = folder / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder / 'host'}\nPidFile none\nUsePAM no\n"
        f"StrictModes no\nAuthorizedKeysFile {folder / 'user.pub'}\nPasswordAuthentication no\n"
        "PermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n"
    )
    return [str(SSHD), "-D", "-e", "-f", str(config)], str(folder / "sftp/vault")


def _rclone_sftp(folder: Path, port: int, served: Path) -> tuple[list[str], str]:
    argv = ["rclone", "serve", "sftp", "--addr", f"127.0.0.1:{port}", "--key", str(folder / "host")]
    return [*argv, "--authorized-keys", str(folder / "user.pub"), str(served)], "/vault"


@contextmanager
def rclone(folder: Path) -> Iterator[Served]:
    """rclone serve webdav, as a remote of rclone's own configuration."""
    port = free_port()
    served = folder / "webdav"
    served.mkdir()
    config = f"[vault]\ntype = webdav\nurl = http://127.0.0.1:{port}\nvendor = other\n"
    argv = ["rclone", "serve", "webdav", "--addr", f"127.0.0.1:{port}", str(served)]
    with _running(argv, port, folder / "webdav.log"):
        yield Served({"remote": "vault", "path": "deep"}, {"rclone.conf": config}, served / "deep")
