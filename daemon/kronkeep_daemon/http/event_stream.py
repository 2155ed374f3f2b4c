"""The stream of `/v1/events`: changes of the history, of CronJobs and of watches as server-sent events."""

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec
from aiohttp import web

from kronkeep_common import api
from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import CronJobExecution
from kronkeep_common.text import clean
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.history import Change, ForgottenChanges
from kronkeep_daemon.http.list_pages import filter_of
from kronkeep_daemon.http.route import ApiCall

LOST = b"event: lost\ndata: {}\n: take a new snapshot\n\n"
QUEUE = 1000  # changes that may wait for one reader
HEARTBEAT = 15.0  # seconds without a change after which a comment is sent
PATIENCE = 30.0  # seconds that a reader may accept nothing


async def send(call: ApiCall[object]) -> web.StreamResponse:
    """Send the changes after Last-Event-ID, or after now, without a gap, until the reader leaves.

    `event: lost` ends the stream where some of them are no longer known or the reader is too slow.
    """
    tables = _tables(call)
    queue = StreamQueue(_selector(call, tables))
    history = call.services.history
    live = call.services.live if set(tables) & set(api.LIVE_TABLES) else None
    after = _last_event_id(call.request)
    if call.request.method == "HEAD":
        return web.Response(content_type="text/event-stream")
    if live is not None:
        await live.ensure_started()
    # Nothing is awaited from here until both subscriptions stand: no change falls between past and queue.
    past = history.changes_since(after if after is not None else history.seq)
    past_live = live.since(after) if live is not None and after is not None else []
    unsubscribe = [history.subscribe(queue.offer)]
    if live is not None:
        unsubscribe.append(live.subscribe(queue.offer_live, queue.request_snapshot))
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    try:
        await response.prepare(call.request)
        await _write(response, b": kronkeep %d\n\n" % history.seq)
        if past is None or past_live is None:
            await _write(response, LOST)
            return response
        records = call.services.backup_records
        async for change in past:
            if queue.selects(change):
                await _write(response, _block(_with_backup(change, records)))
        for change in filter(queue.selects, past_live):
            await _write(response, _block(_with_backup(change, records)))
        await _send_queue(response, queue, records)
    except ForgottenChanges:
        await _write(response, LOST)
    except ConnectionResetError:
        return response
    except TimeoutError:
        call.request.protocol.force_close()
        if call.request.transport is not None:
            call.request.transport.abort()
    finally:
        for stop in unsubscribe:
            stop()
    return response


class StreamQueue:
    """The changes that wait to be sent to one reader.

    Of the history's changes at most QUEUE wait: after one more the reader is `lost` and gets no others. Of a
    CronJob or a watch only the latest change waits, so their number bounds them; they are sent when none of
    the history's changes waits, so that a run comes before the CronJob that shows it.
    """

    def __init__(self, selects: Callable[[Change], bool]) -> None:
        self.selects = selects
        self.lost = False
        self.filled = asyncio.Event()
        self._changes: deque[Change] = deque()
        self._live: dict[tuple[str, str], Change] = {}

    def offer(self, change: Change) -> None:
        """Add a change of the history, if it is selected and there is space."""
        if self.lost or not self.selects(change):
            return
        if len(self._changes) >= QUEUE:
            self.lost = True
        else:
            self._changes.append(change)
        self.filled.set()

    def offer_live(self, change: Change) -> None:
        """Add a change of a CronJob or a watch in place of an earlier one, if it is selected."""
        if self.selects(change):
            key = (change.table, change.id)
            self._live.pop(key, None)
            self._live[key] = change
            self.filled.set()

    def request_snapshot(self) -> None:
        """Tell the reader that changes were lost, so that the client must take a new snapshot."""
        self.lost = True
        self.filled.set()

    def next(self) -> Change | None:
        """Take the change that is to be sent next; None where none waits."""
        if self._changes:
            return self._changes.popleft()
        return self._live.pop(next(iter(self._live))) if self._live else None


async def _send_queue(response: web.StreamResponse, queue: StreamQueue, records: BackupRecords) -> None:
    while True:
        queue.filled.clear()
        while (change := queue.next()) is not None:
            await _write(response, _block(_with_backup(change, records)))
        if queue.lost:
            await _write(response, b"event: lost\ndata: {}\n: the reader is too slow\n\n")
            return
        try:
            async with asyncio.timeout(HEARTBEAT):
                await queue.filled.wait()
        except TimeoutError:
            await _write(response, b": well\n\n")


async def _write(response: web.StreamResponse, block: bytes) -> None:
    """Write a block; raise TimeoutError for a reader that accepts nothing for PATIENCE."""
    async with asyncio.timeout(PATIENCE):
        await response.write(block)


def _with_backup(change: Change, records: BackupRecords) -> Change:
    """Return a run's change with the backup that belongs to it, which the run's record does not name."""
    if change.table != "executions" or change.body is None:
        return change
    run = msgspec.json.decode(change.body, type=CronJobExecution)
    linked = records.link_to_backup(run)
    return change if linked is run else change._replace(body=msgspec.json.encode(linked))


def _block(change: Change) -> bytes:
    event = api.ChangeEvent(seq=change.seq, table=change.table, id=change.id, op=change.op)
    if change.body is not None:  # it is JSON already, and every reader gets the same
        event = msgspec.structs.replace(event, record=msgspec.Raw(change.body))
    data = msgspec.json.encode(event)
    if change.table in api.LIVE_TABLES:
        return b"data: %s\n\n" % data  # without an id: it is no place in the history to resume from
    return b"id: %d\ndata: %s\n\n" % (change.seq, data)


def _tables(call: ApiCall[object]) -> tuple[str, ...]:
    """Return the tables that the reader named, else those of the history; raise InvalidRequest."""
    if "table" not in call.query:
        return tuple(api.HISTORY_TABLES)
    tables = tuple(call.query["table"].split(","))
    if unknown := set(tables) - {*api.HISTORY_TABLES, *api.LIVE_TABLES}:
        raise InvalidRequest(f"There are no events of {clean(min(unknown), 60)}.", field="table")
    return tables


def _selector(call: ApiCall[object], tables: tuple[str, ...]) -> Callable[[Change], bool]:
    """Return whether a change is of these tables and passes the request's filter; raise InvalidFilter.

    A removal passes every filter: the reader must learn of it.
    """
    text = call.query.get("filter", "")
    accepted = filter_of(call, *tables)
    clock = call.services.clock
    records = call.services.backup_records
    kinds = api.HISTORY_TABLES | api.LIVE_TABLES

    def selects(change: Change) -> bool:
        if change.table not in tables:
            return False
        if not text or change.body is None:
            return True
        body = _with_backup(change, records).body or b""
        return accepted.matches(msgspec.json.decode(body, type=kinds[change.table]), clock.now())

    return selects


def _last_event_id(request: web.Request) -> int | None:
    text = request.headers.get("Last-Event-ID")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InvalidRequest("Last-Event-ID must be a number.", field="Last-Event-ID")
    return int(text)
