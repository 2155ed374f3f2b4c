"""Answers that go on: logs, and the history's changes as server-sent events."""

import asyncio

import msgspec
from aiohttp import web

from kronkeep_common import api
from kronkeep_common.errors import InvalidRequest, KronkeepError
from kronkeep_daemon.history import Change
from kronkeep_daemon.http.services import Services

QUEUE = 1000
HEARTBEAT = 15.0
SHOWN = ("executions", "backups", "restores", "storages")


async def log(request: web.Request, services: Services) -> web.StreamResponse:
    """A run's log as text; refused before anything is sent when there is none."""
    chunks = services.cronjobs.log(request.match_info["id"], follow=request.query.get("follow") == "true")
    first = await anext(chunks, b"")
    response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
    await response.prepare(request)
    try:
        await response.write(first)
        async for chunk in chunks:
            await response.write(chunk)
    except KronkeepError as fault:
        await response.write(f"\n[kronkeep: {fault}]\n".encode())
    except ConnectionResetError:
        return response
    return response


async def events(request: web.Request, services: Services) -> web.StreamResponse:
    """Changes after Last-Event-ID without a hole; `lost` when they are gone or the reader is too slow."""
    queue: asyncio.Queue[Change | None] = asyncio.Queue(QUEUE)

    def offer(change: Change) -> None:
        if queue.qsize() < QUEUE - 1:
            queue.put_nowait(change)
        elif not queue.full():
            queue.put_nowait(None)

    after = _after(request)
    past = services.history.changes_since(after) if after is not None else iter(())
    stop = services.history.subscribe(offer)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    try:
        await response.prepare(request)
        await response.write(b": kronkeep\n\n")
        if past is None:
            await response.write(b"event: lost\ndata: {}\n\n".replace(b"data: {}", b": take a new snapshot"))
            return response
        for change in past:
            await _send(response, change)
        await _live(response, queue)
    except ConnectionResetError:
        return response
    finally:
        stop()
    return response


async def _live(response: web.StreamResponse, queue: "asyncio.Queue[Change | None]") -> None:
    while True:
        try:
            change = await asyncio.wait_for(queue.get(), HEARTBEAT)
        except TimeoutError:
            await response.write(b": well\n\n")
            continue
        if change is None:
            await response.write(b"event: lost\n: the reader is too slow\n\n")
            return
        await _send(response, change)


async def _send(response: web.StreamResponse, change: Change) -> None:
    if change.table not in SHOWN:
        return
    event = api.Event(seq=change.seq, table=change.table, id=change.id, op=change.op, record=change.doc)
    await response.write(b"id: %d\ndata: %s\n\n" % (change.seq, msgspec.json.encode(event)))


def _after(request: web.Request) -> int | None:
    text = request.headers.get("Last-Event-ID")
    if text is None:
        return None
    if not text.isdigit():
        raise InvalidRequest("Last-Event-ID must be a number.", field="Last-Event-ID")
    return int(text)
