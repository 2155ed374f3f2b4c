"""The checks of where Prometheus finds the metrics: the TCP address and the file of the settings."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kronkeep_common.api import Check
from kronkeep_common.text import age
from kronkeep_daemon.settings import MetricsSettings, parse_address

ANSWER_SECONDS = 5.0
READ_BYTES = 16_384  # enough for the first families of the answer
OLD = timedelta(seconds=120)  # of a file that is replaced every 15 s


async def check_metrics(settings: MetricsSettings) -> AsyncIterator[Check]:
    """Check each outlet of the settings; without any, say that there is none."""
    if settings.listen is None and settings.textfile is None:
        message = "Only the socket has them, which most Prometheus cannot read."
        next_step = "Set metrics.listen or metrics.textfile, if they are wanted."
        yield Check(name="metrics", status="ok", message=message, next_step=next_step)
    if settings.listen is not None:
        yield await _check_listener(settings.listen)
    if settings.textfile is not None:
        yield await asyncio.to_thread(_check_textfile, Path(settings.textfile))


async def _check_listener(listen: str) -> Check:
    """Scrape the address as Prometheus does; another program may hold it."""
    name = f"metrics {listen}"
    host, port = parse_address(listen)
    if host in ("0.0.0.0", "::"):  # noqa: S104 - every address, so this machine's own too
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            answer = await _scrape(host, port)
    except (OSError, TimeoutError) as fault:
        why = getattr(fault, "strerror", None) or f"no answer within {ANSWER_SECONDS:.0f} s"
        message = f"Nothing answers there: {why}."
        next_step = "kronkeepd tries it again every 10 s; its log says why, and `ss -ltnp` who has the port."
        return Check(name=name, status="fail", message=message, next_step=next_step)
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0] or b"# HELP kronkeep_" not in body:
        message = "What answers there is not kronkeepd."
        next_step = "Choose another port: metrics.listen, which is read at the start."
        return Check(name=name, status="fail", message=message, next_step=next_step)
    return Check(name=name, status="ok", message="GET /metrics answers.")


async def _scrape(host: str, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        await writer.drain()
        answer = b""
        while len(answer) < READ_BYTES and (chunk := await reader.read(READ_BYTES)):
            answer += chunk
        return answer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _check_textfile(file: Path) -> Check:
    name = f"metrics {file}"
    next_step = "kronkeepd's log says why it cannot write it; its unit needs ReadWritePaths= for the folder."
    try:
        written_at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    except OSError as fault:
        message = f"The file cannot be read: {fault.strerror}."
        return Check(name=name, status="fail", message=message, next_step=next_step)
    now = datetime.now(UTC)
    if now - written_at > OLD:
        message = f"The file was last written {age(written_at, now)} ago."
        return Check(name=name, status="fail", message=message, next_step=next_step)
    return Check(name=name, status="ok", message="It is written.")
