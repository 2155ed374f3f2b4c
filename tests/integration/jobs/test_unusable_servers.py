"""Servers that cannot be used, each for a reason of its own, asked by this machine's restic and a newer."""

import asyncio
import os
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.e2e.backup_site import DEBIAN_RESTIC, NEWER_RESTIC
from tests.ssh_client import needs_ssh

from kronkeep_common.reasons import Reason
from kronkeep_daemon.restic import faults
from kronkeep_daemon.restic.faults import Fault

RESTICS = [DEBIAN_RESTIC, *([str(NEWER_RESTIC)] if NEWER_RESTIC.exists() else [])]
KEYS = {"RESTIC_PASSWORD": "p", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key"}
SCHEMES = ["rest", "s3", pytest.param("sftp", marks=needs_ssh)]
LONGEST = 60  # seconds
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read a request, or the greeting of ssh, and close."""
    await reader.readline()
    writer.close()


def answer_with(status: str, body: str = "") -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.read(65536)  # a request that is small, or the first words of TLS
        sent = "" if head.startswith(b"HEAD") else body
        writer.write(
            f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nConnection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{sent}".encode()
        )
        await writer.drain()
        writer.close()

    return answer


NO_SUCH_BUCKET = (
    "<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>"
)


@asynccontextmanager
async def serve(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A certificate for another name than 127.0.0.1."""
    folder = tmp_path_factory.mktemp("tls")
    argv = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=other.example"
    )
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    subprocess.run([*argv.split(), *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


def closed_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


async def explain(restic: str, address: str, folder: Path) -> Fault:
    """Have restic create a repository at an address; return what kronkeep tells of its failure."""
    argv = [restic, "--no-cache", "-r", address, "init"]
    if address.startswith("sftp:"):
        host, port = address.removeprefix("sftp:").split(":")
        command = f"ssh -F none -p {port} -o BatchMode=yes -o StrictHostKeyChecking=yes -l u {host} -s sftp"
        argv = [restic, "-r", "sftp:u@host:/x", "-o", f"sftp.command={command}", "init"]
        # restic loses ssh's messages now and then, so the Job runs ssh alone before it.
        argv = ["sh", "-c", f'{command} </dev/null; "$@"', "sh", *argv]
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **KEYS, "HOME": str(folder)},
    )
    output, _ = await asyncio.wait_for(process.communicate(), LONGEST)
    assert process.returncode != 0, output
    return faults.explain(process.returncode, output, "init")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("restic", RESTICS)
async def test_each_server_is_reported_for_what_it_does(
    restic: str, scheme: str, certificate: ssl.SSLContext, tmp_path: Path
) -> None:
    """The answers are asked for at once: restic takes little CPU time and waits."""
    async with (
        serve(hang_up) as hanging_up,
        serve(answer_with("502 Bad Gateway")) as ill,
        serve(answer_with("404 Not Found", NO_SUCH_BUCKET)) as without_bucket,
        serve(answer_with("400 Bad Request")) as other_name,
        serve(answer_with("301 Moved Permanently")) as other_region,
        serve(answer_with("403 Forbidden")) as without_rights,
        serve(answer_with("200 OK"), certificate) as with_tls,
    ):
        closed = closed_port()
        expected = {
            f"rest:http://127.0.0.1:{closed}/a": (Reason.SERVER_UNREACHABLE, "refuses the connection"),
            f"s3:http://127.0.0.1:{closed}/bucket": (Reason.SERVER_UNREACHABLE, "refuses the connection"),
            f"sftp:127.0.0.1:{closed}": (Reason.SERVER_UNREACHABLE, "refuses the connection"),
            f"rest:http://127.0.0.1:{hanging_up}/a": (Reason.SERVER_UNREACHABLE, "closes the connection"),
            f"s3:http://127.0.0.1:{hanging_up}/bucket": (Reason.SERVER_UNREACHABLE, "closes the connection"),
            f"sftp:127.0.0.1:{hanging_up}": (Reason.SERVER_UNREACHABLE, "closes the connection"),
            f"rest:http://127.0.0.1:{ill}/a": (Reason.SERVER_UNREACHABLE, "502 Bad Gateway"),
            f"s3:http://127.0.0.1:{ill}/bucket": (Reason.SERVER_UNREACHABLE, "502 Bad Gateway"),
            f"rest:https://127.0.0.1:{ill}/a": (Reason.TLS_REFUSED, "speaks no TLS"),
            f"s3:https://127.0.0.1:{ill}/bucket": (Reason.TLS_REFUSED, "speaks no TLS"),
            f"rest:https://127.0.0.1:{with_tls}/a": (Reason.CERTIFICATE_REFUSED, "another name"),
            f"s3:https://127.0.0.1:{with_tls}/bucket": (Reason.CERTIFICATE_REFUSED, "another name"),
            f"s3:http://127.0.0.1:{without_bucket}/bucket": (Reason.BUCKET_MISSING, "does not exist"),
            f"s3:http://127.0.0.1:{other_name}/bucket": (Reason.BUCKET_NAME_REFUSED, "400 Bad Request"),
            f"s3:http://127.0.0.1:{other_region}/bucket": (Reason.BUCKET_ELSEWHERE, "another region"),
            f"s3:http://127.0.0.1:{without_rights}/bucket": (Reason.CREDENTIALS_REFUSED, "Access Denied"),
            f"s3:http://127.0.0.1:{closed}/ab": (Reason.BUCKET_NAME_REFUSED, "shorter than 3"),
        }
        expected = {address: told for address, told in expected.items() if address.startswith(f"{scheme}:")}
        told = await asyncio.gather(*(explain(restic, address, tmp_path) for address in expected))
    for (address, (reason, words)), fault in zip(expected.items(), told, strict=True):
        assert (address, fault.reason) == (address, reason), fault
        assert words in fault.message, (address, fault)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("restic", RESTICS)
async def test_a_name_that_nobody_knows_is_reported_as_one_of_the_dns(
    restic: str, scheme: str, tmp_path: Path
) -> None:
    """Where the tests run without a DNS its silence is told, which is true there."""
    addresses = {
        "rest": "rest:http://nowhere.invalid/a",
        "s3": "s3:http://nowhere.invalid/bucket",
        "sftp": "sftp:nowhere.invalid:22",
    }
    fault = await explain(restic, addresses[scheme], tmp_path)
    assert fault.reason == Reason.SERVER_UNREACHABLE
    assert "DNS" in fault.message
    assert "nowhere.invalid" in fault.message
