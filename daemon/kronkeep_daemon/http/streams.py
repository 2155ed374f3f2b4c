"""Responses that last: each counts against its user's streams, and logs are sent as text."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress

from aiohttp import web

from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.http import access
from kronkeep_daemon.http.route import ApiCall
from kronkeep_daemon.http.user_limits import CountedConnection

TAIL_BYTES = 256 * 1024  # of a log, of which the last lines are taken


@contextmanager
def count_stream(call: ApiCall[object]) -> Iterator[None]:
    """Count one stream of the user until it or its connection ends; raise TooMany."""
    connection = call.request.protocol
    assert isinstance(connection, CountedConnection)
    task = call.request.task
    uid = access.peer_of(call.request).uid
    with call.services.limits.count_stream(uid, task), connection.cancel_on_close(task):
        yield


async def tail_lines(chunks: AsyncIterator[bytes], count: int) -> AsyncIterator[bytes]:
    """Yield the last lines of a log, of at most TAIL_BYTES, in one chunk."""
    end = bytearray()
    async for chunk in chunks:
        end += chunk
        if len(end) > 2 * TAIL_BYTES:
            del end[:-TAIL_BYTES]
    lines = bytes(end[-TAIL_BYTES:]).splitlines(keepends=True)
    yield b"".join(lines[-count:])


async def send_text(request: web.Request, chunks: AsyncIterator[bytes]) -> web.StreamResponse:
    """Send the chunks of a log as they come; a fault after the first chunk is sent as the last line."""
    first = await anext(chunks, b"")
    if request.method == "HEAD":
        return web.Response(content_type="text/plain", charset="utf-8")
    response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
    with suppress(ConnectionResetError):  # the client may be gone, also before the headers are sent
        await response.prepare(request)
        try:
            await response.write(first)
            async for chunk in chunks:
                await response.write(chunk)
        except KronkeepError as fault:
            await response.write(f"\n[kronkeep: {fault}]\n".encode())
    return response
