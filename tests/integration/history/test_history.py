"""The history on a real disk: acknowledged changes are read again, damage is refused, TinyDB is TinyDB."""

import asyncio
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from tests.waiting import LONGEST_WAIT

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import DamagedHistory, ReadOnlyHistory, StateInUse
from kronkeep_common.models import CronJobExecution
from kronkeep_common.states import ExecutionStatus, Trigger
from kronkeep_daemon.cronjobs.run_changes import RunChanges
from kronkeep_daemon.events import Bus, ExecutionChanged
from kronkeep_daemon.history import Change, ForgottenChanges, History, change_log, database
from kronkeep_daemon.history.change_log import ChangeLog
from kronkeep_daemon.history.database_check import check_whole


def check_folder(folder: Path) -> list[str]:
    with closing(database.connect(folder / "history.db")) as connection:
        return check_whole(connection)


@contextmanager
def limit_file_size(size: int) -> Iterator[None]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)


START = datetime(2026, 1, 1, tzinfo=UTC)
KILLS = 20


def run(number: int, cronjob: str = "a") -> CronJobExecution:
    return CronJobExecution(
        id=f"u{number}",
        cluster="c",
        namespace="n",
        cronjob=cronjob,
        cronjob_id=f"id-{cronjob}",
        status=ExecutionStatus.RUNNING,
        trigger=Trigger.MANUAL,
        created_at=START + timedelta(seconds=number),
    )


async def open_history(folder: Path) -> History:
    return await History.open(folder, clock=SystemClock())


async def fill(folder: Path, count: int) -> None:
    history = await open_history(folder)
    for number in range(count):
        history.executions.put(run(number))
        await history.commit()
    await history.close()


async def test_pages_newest_first_by_cronjob_and_counts(tmp_path: Path) -> None:
    history = await open_history(tmp_path)
    for number in range(10):
        history.executions.put(run(number, "ab"[number % 2]))
    await history.commit()
    first = history.executions.newest(limit=3, cronjob="a")
    second = history.executions.newest(limit=3, cronjob="a", cursor=first.next_cursor)
    assert [r.id for r in first.items + second.items] == ["u8", "u6", "u4", "u2", "u0"]
    assert second.next_cursor is None
    assert history.executions.count(cronjob="b") == {"running": 5}
    ranged = history.executions.newest(since=START + timedelta(seconds=3), until=START + timedelta(seconds=6))
    assert [r.id for r in ranged.items] == ["u5", "u4", "u3"]
    await history.close()


async def test_changes_are_sent_after_they_are_durable_and_resumed_without_a_hole(
    tmp_path: Path,
) -> None:
    history = await open_history(tmp_path)
    told: list[int] = []
    history.subscribe(lambda change: told.append(change.seq))
    history.executions.put(run(1))
    assert told == []
    await asyncio.gather(*(history.commit() for _ in range(5)))
    history.executions.remove("u1")
    await history.commit()
    await history.close()
    assert told == [1, 2]
    again = await open_history(tmp_path)
    assert again.seq == 2
    changes = again.changes_since(0)
    assert changes is not None
    assert [(c.seq, c.op, c.id) async for c in changes] == [(1, "put", "u1"), (2, "remove", "u1")]
    assert again.changes_since(7) is None
    await again.close()


async def test_a_listener_that_fails_ends_its_commit_and_no_later_one(tmp_path: Path) -> None:
    def refuse(change: Change) -> None:
        raise ValueError(change.id)

    history = await open_history(tmp_path)
    async with asyncio.timeout(LONGEST_WAIT):
        unsubscribe = history.subscribe(refuse)
        history.executions.put(run(1))
        history.executions.put(run(2))
        waiting = [asyncio.create_task(history.commit()) for _ in range(2)]
        faults = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(fault) for fault in faults] == [ValueError, ValueError]
        unsubscribe()
        history.executions.put(run(3))
        assert await history.commit() == 3
        assert history.executions.get("u2") is not None
    await history.close()


async def test_a_second_daemon_is_refused(tmp_path: Path) -> None:
    history = await open_history(tmp_path)
    with pytest.raises(StateInUse):
        await open_history(tmp_path)
    await history.close()


async def test_a_commit_whose_caller_is_cancelled_is_written_once(tmp_path: Path) -> None:
    history = await open_history(tmp_path)
    for number in range(5):
        history.executions.put(run(number))
        task = asyncio.ensure_future(history.commit())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    history.executions.put(run(9))
    await history.commit()
    await history.close()
    again = await open_history(tmp_path)
    assert len(again.table("executions")) == 6
    await again.close()


async def test_a_full_disk_refuses_writes_keeps_reads_and_resumes(tmp_path: Path) -> None:
    history = await open_history(tmp_path)
    history.executions.put(run(1))
    await history.commit()
    with limit_file_size(1):
        history.executions.put(run(2))
        history.executions.put(msgspec.structs.replace(run(1), status=ExecutionStatus.FAILED))
        with pytest.raises(ReadOnlyHistory):
            await history.commit()
        assert history.executions.get("u1") == run(1)
        assert history.executions.get("u2") is None
        assert history.executions.count() == {"running": 1}
    history.executions.put(run(2))
    await history.commit()
    await history.close()
    again = await open_history(tmp_path)
    assert [r.id for r in again.executions.all()] == ["u1", "u2"]
    await again.close()


async def test_a_commit_of_nothing_needs_no_write(tmp_path: Path) -> None:
    history = await History.open(tmp_path, clock=SystemClock())
    history.table("t").insert({"id": "1"})
    writing = asyncio.create_task(history.commit())
    await asyncio.sleep(0)
    commits: list[float] = []
    history.subscribe_commits(commits.append)
    assert await history.commit() == 1  # what the batch that was being written has made durable
    assert await writing == 1
    assert await history.commit() == 1
    assert len(commits) == 1
    await history.close()


async def test_all_whose_changes_share_a_batch_without_space_are_refused(tmp_path: Path) -> None:
    history = await open_history(tmp_path)
    table = history.table("facts")
    await history.commit()

    async def change(name: str, *, late: bool = False) -> None:
        table.put_document(None, {"id": name})
        if late:
            await asyncio.sleep(0)  # by now another caller's commit has taken it along
        await history.commit()

    for late in (False, True):
        with limit_file_size(1):
            outcomes = await asyncio.gather(
                *(change(str(n), late=late and n == 2) for n in range(3)), return_exceptions=True
            )
        assert [type(outcome) for outcome in outcomes] == [ReadOnlyHistory] * 3
        assert len(table) == 0
        await change("x")
        table.truncate()
        await history.commit()
    await history.close()


async def test_a_change_after_a_refused_one_is_written_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = await open_history(tmp_path)
    history.executions.put(run(1))
    history.executions.put(run(2))
    await history.commit()
    with limit_file_size(1):
        history.executions.remove("u1")
        history.executions.put(msgspec.structs.replace(run(2), message="refused"))
        refused = asyncio.create_task(history.commit())
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # the batch is taken
        history.executions.put(msgspec.structs.replace(run(1), message="later"))
        history.executions.put(msgspec.structs.replace(run(2), message="later"))
        with pytest.raises(ReadOnlyHistory):
            await refused
    await history.commit()
    assert [(r.id, r.message) for r in history.executions.newest().items] == [
        ("u2", "later"),
        ("u1", "later"),
    ]
    assert history.executions.count() == {"running": 2}
    await history.close()
    assert check_folder(tmp_path) == []


async def test_a_batch_of_which_anothers_refused_commit_took_a_part_is_refused_as_a_whole(
    tmp_path: Path,
) -> None:
    history = await open_history(tmp_path)
    published: list[object] = []
    bus = Bus()
    bus.subscribe(ExecutionChanged, published.append)
    changes = RunChanges(history, bus)
    changes.put(None, run(1))
    with limit_file_size(1), pytest.raises(ReadOnlyHistory):
        await history.commit()
    changes.put(None, run(2))
    with pytest.raises(ReadOnlyHistory):
        await changes.commit()
    assert published == []
    again = RunChanges(history, bus)
    for number in (1, 2):
        again.put(None, run(number))
    await again.commit()
    assert len(published) == 2
    assert [r.id for r in history.executions.all()] == ["u1", "u2"]
    await history.close()


async def test_a_failed_disk_stops_acknowledging_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = await open_history(tmp_path)

    def fail(*_: object) -> None:
        fault = sqlite3.OperationalError("disk I/O error")
        fault.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
        raise fault

    monkeypatch.setattr(ChangeLog, "append", fail)
    history.executions.put(run(1))
    with pytest.raises(DamagedHistory):
        await history.commit()
    monkeypatch.undo()
    assert history.failed.is_set()
    with pytest.raises(DamagedHistory):
        await history.commit()
    await history.close()


async def test_a_damaged_row_is_refused_when_it_is_read(tmp_path: Path) -> None:
    await fill(tmp_path, 3)
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection, connection:
        connection.execute("UPDATE executions SET body = replace(body, 'MANUAL', 'MANUEL')")
        connection.execute("UPDATE executions SET body = replace(body, '\"u1\"', '\"u9\"') WHERE number = 2")
    assert check_folder(tmp_path) != []
    with pytest.raises(DamagedHistory, match="document 2"):
        await open_history(tmp_path)  # a small database is checked as a whole when it is opened


async def test_a_row_that_is_damaged_while_it_is_open_is_refused_and_others_are_read(tmp_path: Path) -> None:
    await fill(tmp_path, 3)
    history = await open_history(tmp_path)
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection, connection:
        connection.execute("UPDATE executions SET body = replace(body, '\"u1\"', '\"u9\"') WHERE number = 2")
    with pytest.raises(DamagedHistory, match="document 2"):
        history.executions.get("u1")
    with pytest.raises(DamagedHistory, match="document 2"):
        history.executions.newest()
    assert history.executions.get("u2") == run(2)
    await history.close()


async def test_a_long_wal_is_written_into_the_database_between_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "CHECKPOINT_BYTES", 200_000)
    history = await open_history(tmp_path)
    largest = 0
    for number in range(50):
        history.table("facts").put_document(None, {"id": str(number), "text": "x" * 10_000})
        await history.commit()
        largest = max(largest, (tmp_path / "history.db-wal").stat().st_size)
    assert (tmp_path / "history.db").stat().st_size > 200_000
    assert largest < 500_000
    await history.close()
    assert not (tmp_path / "history.db-wal").exists()


async def test_a_log_that_was_not_whole_is_removed(tmp_path: Path) -> None:
    await fill(tmp_path, 1)
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / "7").write_bytes(b"half")
    history = await open_history(tmp_path)
    assert not (tmp_path / "tmp" / "7").exists()
    await history.close()


async def test_past_changes_that_are_removed_while_they_are_read_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_log, "MOST_ROWS", 300)
    history = await open_history(tmp_path)

    async def change(count: int) -> None:
        for number in range(count):
            history.table("facts").put_document(None, {"id": f"{history.seq}-{number}"})
        await history.commit()

    await change(300)
    past = history.changes_since(1)
    assert past is not None
    read = [await anext(past) for _ in range(200)]
    assert [c.seq for c in read] == list(range(2, 202))
    await change(300)
    with pytest.raises(ForgottenChanges):
        await anext(past)
    assert history.changes_since(1) is None
    await history.close()


def kill_and_compare(folder: Path, rounds: int) -> None:
    words = [sys.executable, "-m", "tests.integration.history.killed_writers", str(folder), str(rounds)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > rounds


def test_kill_minus_nine_loses_nothing_acknowledged(tmp_path: Path) -> None:
    kill_and_compare(tmp_path, KILLS)


@pytest.mark.torture
@pytest.mark.timeout(1800)
def test_kill_minus_nine_a_thousand_times(tmp_path: Path) -> None:
    kill_and_compare(tmp_path, 1000)


async def test_counts_are_right_while_what_they_count_becomes_durable(tmp_path: Path) -> None:
    """The writer's thread commits between any two statements of the event loop's thread."""
    history = await open_history(tmp_path)
    wrong = []
    for number in range(300):
        history.executions.put(run(number, str(number)))
        commit = asyncio.create_task(history.commit())
        await asyncio.sleep(0)
        while not commit.done():
            counted = history.executions.values("cronjob", cronjob_id=f"id-{number}")
            if counted != {str(number): 1}:
                wrong.append((number, counted))
            await asyncio.sleep(0)
    assert wrong == []
    await history.close()
