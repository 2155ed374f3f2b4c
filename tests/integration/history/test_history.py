"""The history on a real disk: acknowledged changes are read again, damage is refused, TinyDB is TinyDB."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import DamagedHistory, HistoryTooNew, KronkeepError, ReadOnlyHistory, StateInUse
from kronkeep_common.models import CronJobExecution
from kronkeep_common.states import ExecutionStatus, Trigger
from kronkeep_daemon.history import History, journal_files
from kronkeep_daemon.history import journal as journal_file

START = datetime(2026, 1, 1, tzinfo=UTC)
KILLS = 100


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


async def test_changes_are_told_after_they_are_durable_and_resumed_without_a_hole(tmp_path: Path) -> None:
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
    changes = list(again.changes_since(0) or [])
    assert [(c.seq, c.op, c.id) for c in changes] == [(1, "put", "u1"), (2, "remove", "u1")]
    assert again.changes_since(7) is None
    await again.close()


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


async def test_the_tail_cut_at_every_byte_loses_only_what_was_not_whole(tmp_path: Path) -> None:
    await fill(tmp_path / "whole", 3)
    (segment,) = (tmp_path / "whole").glob("journal-*.jsonl")
    data = segment.read_bytes()
    last = data.rstrip(b"\n").rfind(b"\n") + 1
    for cut in range(last, len(data)):
        folder = tmp_path / f"cut{cut}"
        folder.mkdir()
        (folder / segment.name).write_bytes(data[:cut])
        history = await open_history(folder)
        assert len(history.table("executions")) == 2
        await history.close()
        assert bool(list(folder.glob("*.torn"))) == (cut > last)


async def flip_every_bit(folder: Path, count: int, room: int) -> None:
    history = await open_history(folder)
    for number in range(count):
        history.table("facts").put_document(None, {"id": str(number)})
        await history.commit()
    await history.close()
    (segment,) = folder.glob("journal-*.jsonl")
    data = segment.read_bytes()
    for place in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data + b"\0" * room)
            flipped[place] ^= 1 << bit
            segment.write_bytes(flipped)
            with pytest.raises(KronkeepError):
                list(journal_files.read_all(folder))


@pytest.mark.parametrize("room", [0, 300])
async def test_no_flipped_bit_is_accepted(tmp_path: Path, room: int) -> None:
    await flip_every_bit(tmp_path, 5, room)


@pytest.mark.torture
@pytest.mark.timeout(1800)
async def test_no_flipped_bit_of_a_hundred_records_is_accepted(tmp_path: Path) -> None:
    await flip_every_bit(tmp_path, 100, 300)


async def test_room_left_by_a_kill_is_no_torn_tail_and_a_block_never_written_is(tmp_path: Path) -> None:
    await fill(tmp_path, 3)
    (segment,) = tmp_path.glob("journal-*.jsonl")
    data = segment.read_bytes()
    last = data.rstrip(b"\n").rfind(b"\n") + 1
    lost = (b"", data[last : last + 20], b"\0" * 9 + data[last + 9 :], data[last:-100] + b"\0" * 512)
    for unwritten in lost:
        segment.write_bytes(data[:last] + unwritten + b"\0" * 4096)
        history = await open_history(tmp_path)
        assert len(history.table("executions")) == 2
        history.executions.put(run(7))
        await history.commit()
        await history.close()
        assert len(list(tmp_path.glob("*.torn"))) == bool(unwritten)
        for torn in tmp_path.glob("*.torn"):
            torn.unlink()
        history = await open_history(tmp_path)
        assert [record.id for record in history.executions.all()] == ["u0", "u1", "u7"]
        await history.close()


@pytest.mark.parametrize("spoil", ["drop", "swap", "double"])
async def test_segments_dropped_swapped_or_doubled_are_refused(tmp_path: Path, spoil: str) -> None:
    history = await open_history(tmp_path)
    for start in (0, 3, 6):
        for number in range(start, start + 3):
            history.executions.put(run(number))
        await history.commit()
        history._segment = history._segment.successor(history.seq)
    await history.close()
    first, second, third = sorted(tmp_path.glob("journal-*.jsonl"))[:3]
    if spoil == "drop":
        second.unlink()
    elif spoil == "swap":
        a = first.read_bytes()
        b = second.read_bytes()
        first.write_bytes(b)
        second.write_bytes(a)
    else:
        third.write_bytes(second.read_bytes())
    with pytest.raises(DamagedHistory) as refusal:
        await open_history(tmp_path)
    assert refusal.value.details["file"].startswith(str(tmp_path))


async def test_a_later_format_is_refused_politely(tmp_path: Path) -> None:
    (tmp_path / "journal-0000000000000000.jsonl").write_bytes(
        journal_file.sign_line(b'{"kronkeep":"history","version":9,"after":0')
    )
    with pytest.raises(HistoryTooNew):
        await open_history(tmp_path)


async def test_a_full_disk_refuses_writes_keeps_reads_and_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = await open_history(tmp_path)
    history.executions.put(run(1))
    await history.commit()
    write = os.pwrite

    def full(handle: int, data: Any, place: int) -> int:
        write(handle, bytes(data)[:10], place)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    history.executions.put(run(2))
    with pytest.raises(ReadOnlyHistory):
        await history.commit()
    assert history.executions.get("u1") is not None
    assert history.executions.get("u2") is None
    monkeypatch.undo()
    history.executions.put(run(2))
    await history.commit()
    await history.close()
    again = await open_history(tmp_path)
    assert [r.id for r in again.executions.all()] == ["u1", "u2"]
    await again.close()


async def test_a_failed_sync_stops_acknowledging_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = await open_history(tmp_path)

    def broken(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", broken)
    history.executions.put(run(1))
    with pytest.raises(DamagedHistory):
        await history.commit()
    monkeypatch.undo()
    assert history.failed.is_set()
    with pytest.raises(DamagedHistory):
        await history.commit()
    await history.close()


async def test_compaction_keeps_everything_and_the_disk_falls(tmp_path: Path) -> None:
    history = await open_history(tmp_path)
    for _ in range(50):
        for number in range(10):
            history.executions.put(run(number))
            history.table("facts").insert({"at": number})
        history.table("facts").truncate()
        await history.commit()
    before = sum(path.stat().st_size for path in tmp_path.glob("*.jsonl"))
    await history.compact()
    history.executions.put(run(99))
    await history.commit()
    await history.close()
    assert sum(path.stat().st_size for path in tmp_path.glob("*.jsonl")) < before / 3
    again = await open_history(tmp_path)
    assert len(again.table("executions")) == 11
    await again.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from kronkeep_common.clock import SystemClock
from kronkeep_daemon.history import History
async def main():
    history = await History.open(Path(sys.argv[1]), clock=SystemClock())
    table = history.table("facts")
    number = int(sys.argv[2])
    while True:
        table.put_document(None, {"id": str(number), "text": "x" * 300})
        await history.commit()
        sys.stdout.write(f"{number}\\n")
        sys.stdout.flush()
        number += 1
asyncio.run(main())
"""


def kill_and_read(folder: Path, rounds: int) -> None:
    acknowledged: list[str] = []
    for number in range(rounds):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), str(number * 1_000_000)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        for _ in range(5 + number % 17):
            acknowledged.append(writer.stdout.readline().strip())
        writer.send_signal(signal.SIGKILL)
        acknowledged += [line for line in writer.stdout.read().split("\n")[:-1] if line]
        writer.stdout.close()
        writer.wait()

    async def read() -> list[str]:
        history = await open_history(folder)
        ids = [document["id"] for document in history.table("facts")]
        await history.close()
        return ids

    documents = asyncio.run(read())
    assert len(documents) == len(set(documents))
    assert set(acknowledged) <= set(documents)


def test_kill_minus_nine_loses_nothing_acknowledged(tmp_path: Path) -> None:
    kill_and_read(tmp_path, KILLS)


@pytest.mark.torture
@pytest.mark.timeout(1800)
def test_kill_minus_nine_a_thousand_times(tmp_path: Path) -> None:
    kill_and_read(tmp_path, 1000)
