"""Answers that go on: logs, and the history's changes as server-sent events."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import msgspec
from aiohttp import web

from kronkeep_common import api
from kronkeep_common.errors import InvalidRequest, KronkeepError
from kronkeep_common.models import Alert, BackupExecution, BackupStorage, CronJobExecution, Restore
from kronkeep_common.text import clean
from kronkeep_daemon.history import Change
from kronkeep_daemon.http import access
from kronkeep_daemon.http.list_handlers import filter_of
from kronkeep_daemon.http.route import Call
from kronkeep_daemon.http.services import Services
from kronkeep_daemon.http.user_limits import Connection

QUEUE = 1000
HEARTBEAT = 15.0
PATIENCE = 30.0
KINDS: dict[str, type] = {
    "executions": CronJobExecution,
    "backups": BackupExecution,
    "restores": Restore,
    "storages": BackupStorage,
    "alerts": Alert,
}
SHOWN = tuple(KINDS)


async def log(call: Call) -> web.StreamResponse:
    """A run's log as text; refused before anything is sent when there is none."""
    with _stream(call):
        return await _log(call.request, call.services)


async def backup_log(call: Call) -> web.StreamResponse:
    """What a backup's Jobs said as text; refused before anything is sent when nothing is kept."""
    backup = call.services.backups.get(call.path["id"])
    with _stream(call):
        return await _text(call.request, call.services.backup_logs.read(backup))


async def _log(request: web.Request, services: Services) -> web.StreamResponse:
    run = services.cronjobs.execution(request.match_info["id"])
    follow = request.query.get("follow") == "true"
    return await _text(request, services.cronjobs.reader.log(run, follow=follow))


async def _text(request: web.Request, chunks: AsyncIterator[bytes]) -> web.StreamResponse:
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


async def events(call: Call) -> web.StreamResponse:
    """Changes after Last-Event-ID without a hole; `lost` when they are gone or the reader is too slow."""
    with _stream(call):
        return await _events(call)


@contextmanager
def _stream(call: Call) -> Iterator[None]:
    """One of the user's streams, until it or its connection ends; raises TooMany."""
    connection = call.request.protocol
    assert isinstance(connection, Connection)
    with call.services.limits.stream(access.peer_of(call.request).uid, call.request.task):
        connection.carries(call.request.task)
        yield


async def _events(call: Call) -> web.StreamResponse:
    reader = Reader(_wanted(call))
    history = call.services.history
    after = _after(call.request)
    past = history.changes_since(after) if after is not None else iter(())
    stop = history.subscribe(reader.offer)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    try:
        await response.prepare(call.request)
        await _write(response, b": kronkeep %d\n\n" % history.seq)
        if past is None:
            await _write(response, b"event: lost\ndata: {}\n: take a new snapshot\n\n")
            return response
        for change in past:
            if reader.wants(change):
                await _write(response, _block(change))
        await _live(response, reader)
    except ConnectionResetError:
        return response
    except TimeoutError:
        call.request.protocol.force_close()
        if call.request.transport is not None:
            call.request.transport.abort()
    finally:
        stop()
    return response


class Reader:
    """What waits for one reader: at most 1,000 changes; after one more it is `lost` and gets no others."""

    def __init__(self, wants: Callable[[Change], bool]) -> None:
        self.wants = wants
        self.queue: deque[Change] = deque()
        self.lost = False
        self.news = asyncio.Event()

    def offer(self, change: Change) -> None:
        """Takes a change, if it is wanted and there is room."""
        if self.lost or not self.wants(change):
            return
        if len(self.queue) >= QUEUE:
            self.lost = True
        else:
            self.queue.append(change)
        self.news.set()


async def _live(response: web.StreamResponse, reader: Reader) -> None:
    while True:
        while reader.queue:
            await _write(response, _block(reader.queue.popleft()))
        if reader.lost:
            await _write(response, b"event: lost\ndata: {}\n: the reader is too slow\n\n")
            return
        reader.news.clear()
        try:
            async with asyncio.timeout(HEARTBEAT):
                await reader.news.wait()
        except TimeoutError:
            await _write(response, b": well\n\n")


async def _write(response: web.StreamResponse, block: bytes) -> None:
    """Writes a block; raises TimeoutError for a reader that takes nothing for 30 s."""
    async with asyncio.timeout(PATIENCE):
        await response.write(block)


def _block(change: Change) -> bytes:
    event = api.Event(seq=change.seq, table=change.table, id=change.id, op=change.op)
    if change.body is not None:  # it is JSON already, and every reader gets the same
        event = msgspec.structs.replace(event, record=msgspec.Raw(change.body))
    return b"id: %d\ndata: %s\n\n" % (change.seq, msgspec.json.encode(event))


def _wanted(call: Call) -> Callable[[Change], bool]:
    """Which changes the reader asked for: `table` names some, `filter` is the lists' grammar.

    What was removed passes every filter: a reader must learn that it is gone.
    """
    tables = tuple(call.query["table"].split(",")) if "table" in call.query else SHOWN
    if unknown := set(tables) - set(SHOWN):
        raise InvalidRequest(f"There are no events of {clean(min(unknown), 60)}.", field="table")
    text = call.query.get("filter", "")
    found = filter_of(call)
    clock = call.services.clock

    def wants(change: Change) -> bool:
        if change.table not in tables:
            return False
        if not text or change.body is None:
            return True
        return found.takes(msgspec.json.decode(change.body, type=KINDS[change.table]), clock.now())

    return wants


def _after(request: web.Request) -> int | None:
    text = request.headers.get("Last-Event-ID")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InvalidRequest("Last-Event-ID must be a number.", field="Last-Event-ID")
    return int(text)
