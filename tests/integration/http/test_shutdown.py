"""A daemon that stops does not wait for the readers of its streams."""

import asyncio
from pathlib import Path

import pytest
from tests.integration.http.many import many
from tests.waiting import LONGEST_WAIT

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
