"""The doctor scrapes where the settings say that the metrics are."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kronkeep_daemon.doctor import metrics_checks
from kronkeep_daemon.doctor.metrics_checks import check_metrics
from kronkeep_daemon.settings import MetricsSettings

OWN = b"HTTP/1.1 200 OK\r\n\r\n# HELP kronkeep_build_info 1\n"
OTHER = b"HTTP/1.1 200 OK\r\n\r\n# HELP node_load1 1\n"


@asynccontextmanager
async def server(answer: bytes | None) -> AsyncIterator[str]:
    """Yield the address of a server; None is one that accepts and says nothing."""

    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            await reader.read()  # until the doctor gives up
        else:
            writer.write(answer)
            await writer.drain()
        writer.close()
        await writer.wait_closed()
        ended.set()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        await ended.wait()
    finally:
        listening.close()


async def status_of(settings: MetricsSettings) -> tuple[str, str]:
    (check,) = [check async for check in check_metrics(settings)]
    return check.status, check.message


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (OWN, "ok", "answers"),
        (OTHER, "fail", "not kronkeepd"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n# HELP kronkeep_x 1\n", "fail", "not kronkeepd"),
        (b"", "fail", "not kronkeepd"),
        (None, "fail", "no answer within"),
    ],
)
async def test_an_address(
    answer: bytes | None, status: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if answer is None:
        monkeypatch.setattr(metrics_checks, "ANSWER_SECONDS", 0.2)
    async with server(answer) as address:
        found = await status_of(MetricsSettings(listen=address))
    assert (found[0], words in found[1]) == (status, True)


async def test_a_port_that_nobody_listens_on() -> None:
    async with server(OWN) as address:
        await status_of(MetricsSettings(listen=address))
    status, message = await status_of(MetricsSettings(listen=address))
    assert (status, "Nothing answers" in message) == ("fail", True)


async def test_a_file_must_be_there_and_new(tmp_path: Path) -> None:
    file = tmp_path / "kronkeep.prom"
    settings = MetricsSettings(textfile=str(file))
    assert (await status_of(settings))[0] == "fail"
    file.write_text("")
    assert (await status_of(settings))[0] == "ok"
    os.utime(file, (0, 0))
    assert "last written" in (await status_of(settings))[1]


async def test_without_an_outlet_that_is_said() -> None:
    status, message = await status_of(MetricsSettings())
    assert (status, "Only the socket" in message) == ("ok", True)
