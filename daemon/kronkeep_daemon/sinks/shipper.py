"""One sink: ships the history's changes in their order, and the whole history where changes are missing.

The sink itself says how far it is. Where the change at that place is no longer in the history, or is another
one (the history was put back from an older copy), every document is shipped again by table and number, then
the changes since. Reading happens in a thread; the event loop only waits.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TypeVar

from kronkeep_common.clock import Clock
from kronkeep_common.errors import DamagedHistory, KronkeepError
from kronkeep_daemon.history import History
from kronkeep_daemon.history.changes import Change
from kronkeep_daemon.history.database import connect as connect_history
from kronkeep_daemon.history.database_faults import DiskFailed, translate_faults
from kronkeep_daemon.history.history_folder import DATABASE
from kronkeep_daemon.history.shipped_pages import (
    ChangePage,
    ChangePlace,
    DocumentPage,
    find_end,
    holds_place,
    read_changes,
    read_documents,
)
from kronkeep_daemon.sinks.batch import TableBatch, batches_of, puts_of
from kronkeep_daemon.sinks.position import TABLES, SinkPosition, advance_copy, begin_copy
from kronkeep_daemon.sinks.postgres import PostgresSink, TlsSettings, connect
from kronkeep_daemon.sinks.sink_state import SinkState

log = logging.getLogger(__name__)
T = TypeVar("T")
MOST_CHANGES = 4_000  # in one transaction of the sink
MOST_BYTES = 512 * 1024  # of documents in one transaction
GATHER_SECONDS = 0.2  # in which changes gather after one has come
SEEN_SECONDS = 30.0  # between two signs of life of a sink that has nothing to ship
LONGEST_PAUSE = 15.0  # between two attempts to reach a sink
READER_CACHE = 1024  # KiB


class Shipper:
    """Ships to one sink until it is cancelled.

    address: returns the sink's URL and TLS; it raises a KronkeepError.
    report: is called when the sink has taken changes.
    """

    def __init__(
        self,
        *,
        name: str,
        history: History,
        clock: Clock,
        daemon_name: str,
        address: Callable[[], Awaitable[tuple[str, TlsSettings]]],
        report: Callable[[], None],
    ) -> None:
        self._name = name
        self._history = history
        self._clock = clock
        self._daemon_name = daemon_name
        self._address = address
        self._report = report
        self._changed = asyncio.Event()
        self._pause = 1.0
        self.state = SinkState(since=clock.now())

    async def run(self) -> None:
        """Connect and ship, again and again, with pauses that grow to LONGEST_PAUSE seconds."""
        unsubscribe = self._history.subscribe(self._notice_change)
        try:
            while True:
                try:
                    url, tls = await self._address()
                    async with connect(url, tls) as sink:
                        await self._ship(sink)
                except KronkeepError as fault:
                    self._fail(fault)
                self._check_backlog()
                await self._clock.sleep(self._pause)
                self._pause = min(2 * self._pause, LONGEST_PAUSE)
        finally:
            unsubscribe()

    def _notice_change(self, _: Change) -> None:
        self._changed.set()

    def _fail(self, fault: KronkeepError) -> None:
        if self.state.fault is None or self.state.fault.code != fault.code:
            log.warning("sink %s: %s", self._name, fault)
        self.state.fault = fault
        self.state.set_status("failed", self._clock.now())

    def _check_backlog(self) -> None:
        """Notice that changes which a sink that does not answer needs were removed to make place."""
        place = self.state.place
        oldest = self._history.oldest_change
        self.state.was_passed = place is not None and place < oldest - 1

    async def _ship(self, sink: PostgresSink) -> None:
        position = await sink.open(self._history.history_id, self._daemon_name)
        refused = self.state.refused
        if position is None:
            position = await self._begin_copy(sink, None)
        while True:
            self._take_note(position, refused + sink.refused)
            self._changed.clear()
            if position.copied_to is not None:
                position = await self._copy_page(sink, position)
                continue
            page = await self._read_changes(position.place)
            if page is None:
                log.warning("sink %s: it gets the whole history again", self._name)
                position = await self._begin_copy(sink, position)
            elif page.place != position.place:
                position = position._replace(place=page.place)
                await sink.write(await asyncio.to_thread(batches_of, page.changes), position)
            else:
                self.state.set_status("live", self._clock.now())
                self._pause = 1.0
                await self._wait_for_change(sink)

    def _take_note(self, position: SinkPosition, refused: int) -> None:
        """Set the state by a position that the sink has."""
        state = self.state
        state.fault = None
        state.was_passed = False
        state.place = position.place.sequence
        state.refused = refused
        state.shipped_at = self._clock.now()
        if position.copied_to is not None:
            self.state.set_status("copying", self._clock.now())
        elif state.status != "live" or self._history.seq - position.place.sequence > MOST_CHANGES:
            self.state.set_status("behind", self._clock.now())
        self._report()

    async def _begin_copy(self, sink: PostgresSink, position: SinkPosition | None) -> SinkPosition:
        position = begin_copy(position, await self._read(find_end))
        await sink.write({}, position)
        self.state.copied = 0
        return position

    async def _read_changes(self, place: ChangePlace) -> ChangePage | None:
        """Return the next changes; None where they are no longer there, or are damaged."""
        try:
            return await self._read(partial(_read_changes, place))
        except DiskFailed:
            raise
        except DamagedHistory as fault:
            log.error("sink %s: %s", self._name, fault)
            return None

    async def _copy_page(self, sink: PostgresSink, position: SinkPosition) -> SinkPosition:
        """Ship a page of documents; what changed after the copy began follows after it."""
        assert position.copied_to is not None
        page, batch = await self._read(partial(_read_documents, position))
        following = advance_copy(position, page.last_number)
        await sink.write({position.copied_to.table: batch}, following)
        self.state.copied += len(page.documents)
        return following

    async def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `read` returns of a connection of its own, in a thread; raise DamagedHistory."""
        return await asyncio.to_thread(_read_history, self._history.folder, read)

    async def _wait_for_change(self, sink: PostgresSink) -> None:
        try:
            async with asyncio.timeout(SEEN_SECONDS):
                await self._changed.wait()
        except TimeoutError:
            await sink.mark_seen()
        else:
            await self._clock.sleep(GATHER_SECONDS)


def _read_history(folder: Path, read: Callable[[sqlite3.Connection], T]) -> T:
    with (
        translate_faults(folder),
        closing(connect_history(folder / DATABASE, cache_kib=READER_CACHE)) as reader,
    ):
        reader.execute("BEGIN")  # one state of the database for all that is read
        return read(reader)


def _read_changes(place: ChangePlace, reader: sqlite3.Connection) -> ChangePage | None:
    if not holds_place(reader, place):
        return None
    return read_changes(reader, place, TABLES, most_changes=MOST_CHANGES, most_bytes=MOST_BYTES)


def _read_documents(position: SinkPosition, reader: sqlite3.Connection) -> tuple[DocumentPage, TableBatch]:
    assert position.copied_to is not None
    page = read_documents(
        reader,
        position.copied_to.table,
        position.copied_to.number,
        most_documents=MOST_CHANGES,
        most_bytes=MOST_BYTES,
    )
    return page, TableBatch(puts_of(page.documents, position.place.sequence), [], [])
