"""What a request over httpx costs besides itself."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kronkeep_common.client.httpx_transport import HttpxTransport

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class ImportRecorder:
    """A finder that finds nothing and keeps the names that were looked for."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def find_spec(self, name: str, *_: Any) -> None:
        self.names.append(name)


@pytest.fixture
def recorder() -> Iterator[ImportRecorder]:
    finder = ImportRecorder()
    sys.meta_path.insert(0, finder)
    yield finder
    sys.meta_path.remove(finder)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each request of a connection until its end."""
    while await reader.readline():
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
    writer.close()


async def test_a_later_request_looks_for_no_module(tmp_path: Path, recorder: ImportRecorder) -> None:
    """httpcore imports sniffio several times a request: where it is missing that is half of the cost."""
    server = await asyncio.start_unix_server(answer, tmp_path / "s")
    transport = HttpxTransport(tmp_path / "s")
    await transport.request("GET", "/first", None, {})
    recorder.names.clear()
    assert (await transport.request("GET", "/second", None, {})).body == b"{}"
    assert recorder.names == []
    await transport.close()
    server.close()
    await server.wait_closed()
