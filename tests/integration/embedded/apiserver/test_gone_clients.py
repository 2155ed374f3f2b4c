"""Clients that are gone before the first byte, as in a burst of daemons: no failure on the server's side."""

import asyncio
import logging
import socket
import struct
from urllib.parse import urlsplit

import httpx
import pytest

from kronkeep_daemon.embedded.apiserver import ApiServer

RESET = struct.pack("ii", 1, 0)  # SO_LINGER with 0 s: closing sends RST


def leave(port: int, requests: bytes, *, is_reset: bool) -> None:
    """Send requests and close the connection without reading."""
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(requests)
    if is_reset:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.close()


async def test_watches_whose_clients_have_gone_end_without_an_exception(
    api_server: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    address = urlsplit(api_server.url)
    faults: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))

    def request(path: str) -> bytes:
        return f"GET {address.path}{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()

    watch = request("/api/v1/pods?watch=1&timeoutSeconds=1")
    listing = request("/api/v1/namespaces")
    with caplog.at_level(logging.ERROR, logger="aiohttp.server"):
        async with httpx.AsyncClient(base_url=api_server.url) as client:
            for is_reset in (True, False):
                for requests in (watch, listing * 5 + watch * 3):
                    for _ in range(20):  # before the server's turn, so that they are gone when it comes
                        leave(address.port or 0, requests, is_reset=is_reset)
                    assert (await client.get("/api/v1/namespaces")).status_code == 200
            answer = await client.get("/api/v1/pods?watch=1&timeoutSeconds=1", timeout=60)
            assert answer.status_code == 200
    assert [record.message for record in caplog.records] == []
    assert faults == []
