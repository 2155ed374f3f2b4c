"""The reader over a canned client: what its events change, and how it learns that the daemon is silent."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.records import make_backup
from tests.ui.canned import CRONJOBS, NOW, CannedBackups, CannedClient, FixedClock, cronjob
from tests.waiting import LONGEST_WAIT

from kronkeep_common import api
from kronkeep_common.errors import EventsLost
from kronkeep_common.models import BackupExecution, BackupResult
from kronkeep_tui import reader as reader_module
from kronkeep_tui.reader import SILENT_SECONDS, Reader
from kronkeep_tui.store import SHOWN_TABLES, Store, apply_events, store_from


def put(table: str, record_id: str, record: msgspec.Struct | None, seq: int = 1) -> api.ChangeEvent:
    """An event that says what a record is now; None: removed."""
    body = None if record is None else msgspec.to_builtins(record)
    return api.ChangeEvent(
        seq=seq, table=table, id=record_id, op="remove" if body is None else "put", record=body
    )


def watch(name: str, status: str) -> api.WatchView:
    return api.WatchView(name=name, cluster="c", status=status, since=NOW)


def store_of(*cronjobs: Any, watches: tuple[api.WatchView, ...] = ()) -> Store:
    snapshot = api.Snapshot(
        seq=7,
        now=NOW,
        version="0",
        cronjobs=list(cronjobs),
        executions=[],
        backups=[],
        storages=[],
        watches=list(watches),
    )
    return store_from(snapshot)


def test_a_cronjob_s_event_replaces_adds_or_removes_it_whatever_its_sequence() -> None:
    store = store_of(cronjob("b"), cronjob("d"))
    suspended = cronjob("b", suspended=True)
    events = [
        put("cronjobs", "id-b", suspended, seq=7),
        put("cronjobs", "id-c", cronjob("c"), seq=7),
        put("cronjobs", "id-a", cronjob("a"), seq=7),
        put("cronjobs", "id-d", None, seq=7),
    ]
    store = apply_events(store, events, NOW)
    assert [job.name for job in store.cronjobs] == ["a", "b", "c"], "by namespace and name, as the daemon"
    assert store.cronjobs[1].suspended
    assert store.seq == 7


def test_a_watch_s_event_replaces_adds_or_removes_it() -> None:
    store = store_of(watches=(watch("jobs", "live"), watch("pods", "live")))
    events = [put("watches", "cjobs", watch("jobs", "stale")), put("watches", "cpods", None)]
    store = apply_events(store, events, NOW)
    assert store.watches == (watch("jobs", "stale"),)
    assert store.stale_watches == [watch("jobs", "stale")]


def test_what_no_event_names_stays_the_same_object() -> None:
    store = store_of(cronjob("a"), watches=(watch("jobs", "live"),))
    after = apply_events(store, [put("executions", "gone", None, seq=8)], NOW)
    assert after.cronjobs is store.cronjobs
    assert after.watches is store.watches


class StreamingClient(CannedClient):
    """A canned daemon whose events a test sends; an exception among them is raised."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: asyncio.Queue[api.ChangeEvent | Exception] = asyncio.Queue()
        self.tables: list[Sequence[str] | None] = []
        self.snapshots = 0
        self.probes = 0

    async def snapshot(self) -> api.Snapshot:
        self.snapshots += 1
        return await super().snapshot()

    async def ready(self) -> api.Ready:
        self.probes += 1
        return await super().ready()

    async def events(
        self, after: int | None = None, *, tables: Sequence[str] | None = None
    ) -> AsyncIterator[api.ChangeEvent]:
        self.tables.append(tables)
        while True:
            event = await self.sent.get()
            if isinstance(event, Exception):
                raise event
            yield event


async def until(is_met: Callable[[], object]) -> None:
    async with asyncio.timeout(LONGEST_WAIT):
        while not is_met():  # noqa: ASYNC110 - the conditions are those of tasks without an event
            await asyncio.sleep(0.005)


async def following(client: StreamingClient, clock: FixedClock) -> tuple[Reader, asyncio.Task[None]]:
    reader = Reader(client, clock)  # type: ignore[arg-type]
    task = asyncio.create_task(reader.follow())
    await until(lambda: client.tables)
    return reader, task


async def test_the_lists_of_cronjobs_and_watches_are_followed_by_events_alone() -> None:
    client = StreamingClient()
    reader, task = await following(client, FixedClock())
    assert client.tables == [SHOWN_TABLES]
    changed = msgspec.structs.replace(CRONJOBS[0], suspended=True)
    client.sent.put_nowait(put("cronjobs", changed.id, changed))
    await until(lambda: reader.has_changes and client.sent.empty())
    await until(lambda: reader.flush() and reader.store.cronjobs[0].suspended)
    assert client.snapshots == 1
    task.cancel()


async def test_missed_events_and_a_resync_lead_to_a_new_snapshot_and_the_daemon_stays_live() -> None:
    client = StreamingClient()
    reader, task = await following(client, FixedClock())
    client.sent.put_nowait(EventsLost("Events were missed."))
    await until(lambda: client.snapshots == 2 and len(client.tables) == 2)
    assert reader.live
    reader.resync()
    await until(lambda: client.snapshots == 3 and len(client.tables) == 3)
    assert reader.live
    assert reader.lost is None
    task.cancel()


class SteppingClock(FixedClock):
    """A clock that moves when somebody sleeps, a step for each permission."""

    def __init__(self) -> None:
        self.steps = asyncio.Semaphore(0)
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        end = self.seconds + seconds
        await self.steps.acquire()
        self.seconds = end


async def test_a_daemon_that_sends_nothing_is_asked_whether_it_is_there() -> None:
    client = StreamingClient()
    clock = SteppingClock()
    reader, task = await following(client, clock)
    silence = asyncio.create_task(reader.check_silence())
    client.answers.clear()
    clock.steps.release()
    await until(lambda: reader.asked_at is not None)
    client.answers.set()
    await until(lambda: reader.asked_at is None)
    assert (client.probes, clock.seconds) == (1, SILENT_SECONDS)
    reader.flush()
    clock.seconds += 2
    client.sent.put_nowait(put("watches", "cjobs", watch("jobs", "live")))
    await until(lambda: reader.has_changes)
    clock.steps.release()
    await until(lambda: clock.seconds == 2 * SILENT_SECONDS)
    await asyncio.sleep(0)
    assert client.probes == 1, "an event came within the time"
    for one in (task, silence):
        one.cancel()


@pytest.mark.parametrize("ahead", [timedelta(hours=2), timedelta(hours=-3), timedelta()], ids=str)
async def test_a_clock_that_is_not_the_daemon_s_is_known(ahead: timedelta) -> None:
    clock = FixedClock()
    clock.moment = NOW + ahead
    reader, task = await following(StreamingClient(), clock)
    assert reader.clock_ahead == ahead
    task.cancel()


async def test_after_a_jump_of_the_clock_everything_is_read_again() -> None:
    client = StreamingClient()
    clock = SteppingClock()
    reader, task = await following(client, clock)
    silence = asyncio.create_task(reader.check_silence())
    await asyncio.sleep(0)  # it has looked at the clock, and waits
    clock.moment = NOW + timedelta(seconds=SILENT_SECONDS)
    clock.steps.release()
    await until(lambda: clock.seconds == SILENT_SECONDS)
    assert client.snapshots == 1
    clock.moment -= timedelta(hours=3)
    clock.steps.release()
    await until(lambda: client.snapshots == 2)
    await until(lambda: reader.clock_ahead < timedelta(hours=-2))
    for one in (task, silence):
        one.cancel()


class PagedBackups(CannedBackups):
    """`client.backups` whose lists are as long as they are asked for."""

    async def list(self, filter: str | None = None, **query: Any) -> api.ListOf[BackupExecution]:
        every = (await super().list(filter, **query)).items
        start = int(query.get("cursor") or 0)
        end = start + query["limit"]
        return api.ListOf(items=every[start:end], next_cursor=str(end) if end < len(every) else None)


def backups_given(count: int) -> list[BackupExecution]:
    """Backups with a snapshot, one a minute, the newest first."""
    return [
        make_backup(
            id=f"b{number}",
            created_at=NOW - timedelta(minutes=number),
            ended_at=NOW,
            result=BackupResult(snapshot_id=f"{number:08x}"),
        )
        for number in range(count)
    ]


def states(reader: Reader, *ids: str) -> list[str | None]:
    """What became of the snapshots of backups; None for a backup that is not known."""
    backups = (reader.store.backups.get(each) for each in ids)
    return [each.snapshot_state if each is not None else None for each in backups]


async def connect_again(client: StreamingClient, reader: Reader) -> None:
    before = len(client.tables)
    reader.resync()
    await until(lambda: len(client.tables) > before)


async def test_what_retention_removed_during_a_loss_is_seen_beyond_the_first_screen_too() -> None:
    """A snapshot of the daemon has its newest records only; older ones were read by somebody who scrolled."""
    client = StreamingClient()
    client.backups_given = backups_given(300)
    client.backups = PagedBackups(client)
    reader, task = await following(client, FixedClock())
    await reader.read_older_backups()
    assert states(reader, "b0", "b250", "b298", "b299") == ["present"] * 4
    client.backups_given[299] = msgspec.structs.replace(client.backups_given[299], snapshot_removed_at=NOW)
    del client.backups_given[250]
    await connect_again(client, reader)
    assert states(reader, "b0", "b250", "b298", "b299") == ["present", None, "present", "removed"]
    assert reader.forgotten == 0
    task.cancel()


async def test_backups_too_old_to_be_read_again_at_once_are_forgotten_and_can_be_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reader_module, "PAGE", 250)
    client = StreamingClient()
    client.backups_given = backups_given(300)
    client.backups = PagedBackups(client)
    cronjob_id = client.backups_given[0].cronjob_id
    reader, task = await following(client, FixedClock())
    for _ in range(2):
        await reader.read_older_backups(cronjob_id=cronjob_id)
    assert states(reader, "b249", "b299") == ["present", "present"]
    await connect_again(client, reader)
    assert states(reader, "b249", "b299") == ["present", None]
    assert reader.forgotten == 1
    for _ in range(2):
        await reader.read_older_backups(cronjob_id=cronjob_id)
    assert states(reader, "b299") == ["present"]
    task.cancel()


async def test_what_a_view_reads_while_the_backups_are_read_again_is_kept() -> None:
    client = StreamingClient()
    client.backups_given = backups_given(300)
    paged = PagedBackups(client)
    client.backups = paged
    reader, task = await following(client, FixedClock())
    await reader.read_older_backups()
    asked = asyncio.Event()
    answered = asyncio.Event()

    async def list_late(filter: str | None = None, **query: Any) -> api.ListOf[BackupExecution]:
        asked.set()
        await answered.wait()
        return api.ListOf(items=client.backups_given[:201])

    paged.list = list_late  # type: ignore[method-assign]
    before = len(client.tables)
    reader.resync()
    await asked.wait()
    run = msgspec.structs.replace(client.runs_given[0], id="old-run", backup_id="read-meanwhile")
    client.runs_given.append(run)
    client.backups_given.append(make_backup(id="read-meanwhile", ended_at=NOW))
    await reader.fetch_run(run.id)
    answered.set()
    await until(lambda: len(client.tables) > before)
    assert states(reader, "b299", "read-meanwhile") == [None, "none"]
    task.cancel()
