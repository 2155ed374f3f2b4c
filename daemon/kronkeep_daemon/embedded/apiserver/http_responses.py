"""The two forms of an answer: one JSON document, or a stream of lines."""

from collections.abc import AsyncIterator
from contextlib import suppress

import msgspec
from aiohttp import web

from kronkeep_daemon.kube.objects import JsonObject


def json_response(body: JsonObject, code: int = 200) -> web.Response:
    """Return an answer in JSON."""
    return web.Response(body=msgspec.json.encode(body), status=code, content_type="application/json")


async def stream_response(
    request: web.Request, chunks: AsyncIterator[bytes], content_type: str
) -> web.StreamResponse:
    """Send the chunks as they come, until they end or the client disconnects."""
    response = web.StreamResponse(headers={"Content-Type": content_type})
    response.enable_chunked_encoding()
    with suppress(ConnectionResetError):  # a client may be gone before the headers are sent
        await response.prepare(request)
        async for chunk in chunks:
            await response.write(chunk)
    return response
