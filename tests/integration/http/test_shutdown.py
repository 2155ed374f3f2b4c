"""A daemon that stops answers whom it has let in, and does not wait for the readers of its streams."""

import asyncio
import socket
from pathlib import Path

import pytest
from tests.integration.http.many import many
from tests.waiting import LONGEST_WAIT, eventually

from kronkeep_daemon.http import server


async def test_an_open_event_stream_ends_with_the_daemon_and_does_not_hold_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "GRACE", 3600.0)
    path = tmp_path / "api.sock"
    async with asyncio.timeout(LONGEST_WAIT), many(tmp_path / "h", 1, 1) as services:
        async with server.serve(services, path):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await reader.readuntil(b": kronkeep")
        await reader.read()
        writer.close()
    assert not path.exists()


REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("sent", [b"", REQUEST[:20], REQUEST], ids=["nothing", "a part", "all"])
async def test_whoever_was_let_in_is_answered_although_the_daemon_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    """A client that is accepted just before the end sends its request, or the rest of it, after that."""
    monkeypatch.setattr(server, "GRACE", 3600.0)
    monkeypatch.setattr(server, "FIRST_REQUEST_SECONDS", 3600.0)
    path = tmp_path / "api.sock"
    async with asyncio.timeout(LONGEST_WAIT), many(tmp_path / "h", 1, 1) as services:
        async with server.serve(services, path):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(sent)
            await asyncio.sleep(0)  # the server's turn to accept, not to read
            answering = asyncio.create_task(send_rest(reader, writer, REQUEST[len(sent) :]))
        assert b" 200 OK" in await answering


async def send_rest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rest: bytes) -> bytes:
    """Send the rest of a request when the socket is closed, and return the answer."""
    path = writer.get_extra_info("peername")
    await eventually(lambda: asyncio.to_thread(is_refused, path), bool)
    writer.write(rest)
    answer = await reader.read()
    writer.close()
    return answer


def is_refused(path: str) -> bool:
    """Whether nobody listens at the path."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(path) != 0


async def test_a_client_that_never_asks_does_not_hold_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "GRACE", 3600.0)
    monkeypatch.setattr(server, "FIRST_REQUEST_SECONDS", 0.01)
    path = tmp_path / "api.sock"
    async with asyncio.timeout(LONGEST_WAIT), many(tmp_path / "h", 1, 1) as services:
        async with server.serve(services, path):
            reader, writer = await asyncio.open_unix_connection(path)
        assert await reader.read() == b""
        writer.close()
