"""Sealed months as Parquet files, written by the real process and read with pyarrow."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from tests.records import make_backup, make_run
from tests.waiting import eventually

from kronkeep_common.clock import SystemClock
from kronkeep_common.states import BackupStatus, ExecutionStatus
from kronkeep_daemon.history import History
from kronkeep_daemon.history.facts import parquet_months_key, watch_key
from kronkeep_daemon.settings import HistorySettings, Settings, SinkSettings
from kronkeep_daemon.sinks import parquet_shipper
from kronkeep_daemon.sinks.errors import SinkDriverMissing, SinkRefused
from kronkeep_daemon.sinks.parquet_shipper import ParquetShipper
from kronkeep_daemon.sinks.service import SinkService
from kronkeep_daemon.supervisor import Supervisor
from kronkeep_daemon.testing import FakeClock

parquet = pytest.importorskip("pyarrow.parquet")
OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[History]:
    opened = await History.open(tmp_path / "h", clock=SystemClock())
    yield opened
    await opened.close()


def shipper_of(history: History, folder: Path, now: datetime, *, trusted: bool = True) -> ParquetShipper:
    return ParquetShipper(
        name="months",
        history=history,
        clock=FakeClock(now),
        daemon_name="east/1",
        folder=folder / "parquet",
        is_time_trusted=lambda: trusted,
        watched_until=lambda: now,
    )


async def put_runs(history: History, begin: datetime, count: int, **fields: Any) -> None:
    status = {"status": ExecutionStatus.SUCCEEDED} | fields
    for number in range(count):
        created_at = begin + timedelta(minutes=number)
        history.executions.put(make_run(id=f"{created_at:%m%dT%H%M%S.%f}", created_at=created_at, **status))
    await history.commit()


def list_files(folder: Path) -> list[str]:
    root = folder / "parquet"
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def file_of(folder: Path, month: str) -> Path:
    return folder / "parquet" / "runs" / "daemon=east_1" / f"{month}.parquet"


async def test_months_that_are_over_are_written_once_whole_and_stay(history: History, tmp_path: Path) -> None:
    await put_runs(history, OCTOBER, 6000)
    await put_runs(history, NOVEMBER - timedelta(microseconds=1), 1)
    await put_runs(history, NOVEMBER, 2)
    await put_runs(history, DECEMBER, 3)
    history.backups.put(make_backup(id="b", created_at=NOVEMBER, status=BackupStatus.SUCCEEDED))
    await history.commit()
    shipper = shipper_of(history, tmp_path, DECEMBER + timedelta(days=1))
    await shipper.ship()
    assert shipper.state.status == "live"
    files = ["backups/daemon=east_1/2026-11.parquet"]
    files += [f"runs/daemon=east_1/2026-{month}.parquet" for month in (10, 11)]
    assert list_files(tmp_path) == files
    october = parquet.read_table(file_of(tmp_path, "2026-10")).to_pylist()
    assert len(october) == 6001
    runs = sorted(history.executions.all(), key=lambda run: run.created_at)[:6001]
    assert [row["id"] for row in october] == [run.id for run in runs]
    assert [row["created_at"] for row in october] == [run.created_at for run in runs]
    assert msgspec.json.decode(october[7]["body"], type=type(runs[0])) == runs[7]
    inode = file_of(tmp_path, "2026-10").stat().st_ino
    await put_runs(history, OCTOBER + timedelta(days=9), 1, cronjob="late")
    await shipper_of(history, tmp_path, DECEMBER + timedelta(days=2)).ship()
    assert file_of(tmp_path, "2026-10").stat().st_ino == inode


async def test_a_month_waits_for_what_has_not_ended_and_for_a_time_that_is_trusted(
    history: History, tmp_path: Path
) -> None:
    await put_runs(history, NOVEMBER, 2, status=ExecutionStatus.RUNNING)
    await shipper_of(history, tmp_path, DECEMBER + timedelta(hours=23)).ship()
    await shipper_of(history, tmp_path, DECEMBER + timedelta(days=30)).ship()
    await shipper_of(history, tmp_path, DECEMBER + timedelta(days=31), trusted=False).ship()
    assert list_files(tmp_path) == []
    await shipper_of(history, tmp_path, DECEMBER + timedelta(days=31)).ship()
    assert parquet.read_table(file_of(tmp_path, "2026-11"))["status"].to_pylist() == ["running"] * 2


@pytest.mark.parametrize(
    ("harm", "words"), [("change", "is not as it was written"), ("remove", "cannot be read")]
)
async def test_a_file_that_is_changed_or_gone_is_noticed_and_later_months_are_written(
    history: History, tmp_path: Path, harm: str, words: str
) -> None:
    await put_runs(history, OCTOBER, 2)
    await shipper_of(history, tmp_path, NOVEMBER + timedelta(days=1)).ship()
    path = file_of(tmp_path, "2026-10")
    whole = path.read_bytes()
    if harm == "change":
        path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    else:
        path.unlink()
    await put_runs(history, NOVEMBER, 2)
    shipper = shipper_of(history, tmp_path, DECEMBER + timedelta(days=1))
    with pytest.raises(SinkRefused, match=words) as refused:
        await shipper.ship()
    assert "Put the file back" in (refused.value.next_step or "")
    assert file_of(tmp_path, "2026-11").exists()
    path.write_bytes(whole)
    await shipper_of(history, tmp_path, DECEMBER + timedelta(days=1)).ship()


async def test_a_file_whose_record_was_lost_is_taken_as_it_is_and_one_of_another_history_is_refused(
    history: History, tmp_path: Path
) -> None:
    await put_runs(history, OCTOBER, 2)
    await shipper_of(history, tmp_path, DECEMBER).ship()
    inode = file_of(tmp_path, "2026-10").stat().st_ino
    key = parquet_months_key("months", "executions")
    history.facts.set(key, DECEMBER, name=None)
    await history.commit()
    await shipper_of(history, tmp_path, DECEMBER).ship()
    assert "2026-10" in (getattr(history.facts.get(key), "name", None) or "")
    assert file_of(tmp_path, "2026-10").stat().st_ino == inode
    other = await History.open(tmp_path / "other", clock=SystemClock())
    await put_runs(other, OCTOBER, 2)
    with pytest.raises(SinkRefused, match="not of this history"):
        await shipper_of(other, tmp_path, DECEMBER).ship()
    await other.close()


async def test_a_folder_that_cannot_be_written_and_a_missing_library_are_said_with_what_to_do(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put_runs(history, OCTOBER, 2)
    (tmp_path / "parquet").write_text("no folder")
    with pytest.raises(SinkRefused, match="A month could not be written") as refused:
        await shipper_of(history, tmp_path, DECEMBER).ship()
    assert "ReadWritePaths" in (refused.value.next_step or "")
    program = (
        "import sys; sys.modules['pyarrow'] = None;"
        "from kronkeep_daemon.sinks.parquet_process import main; sys.exit(main())"
    )
    monkeypatch.setattr(parquet_shipper, "PROGRAM", (sys.executable, "-c", program))
    with pytest.raises(SinkDriverMissing, match="pyarrow") as missing:
        await shipper_of(history, tmp_path, DECEMBER).ship()
    assert "kronkeep[parquet]" in (missing.value.next_step or "")


async def test_kills_leave_no_half_file_and_no_month_twice(history: History, tmp_path: Path) -> None:
    await put_runs(history, OCTOBER, 8000)
    chance = random.Random(7)
    for _ in range(6):
        task = asyncio.create_task(shipper_of(history, tmp_path, DECEMBER).ship())
        await asyncio.wait([task], timeout=chance.uniform(0.05, 0.6))
        task.cancel()  # kills the process
        await asyncio.wait([task])
        for path in (tmp_path / "parquet").rglob("*.parquet"):
            assert parquet.read_metadata(path).num_rows == 8000
    await shipper_of(history, tmp_path, DECEMBER).ship()
    assert list_files(tmp_path) == ["runs/daemon=east_1/2026-10.parquet"]
    assert len(set(parquet.read_table(file_of(tmp_path, "2026-10"))["id"].to_pylist())) == 8000


class OneCluster(list[SimpleNamespace]):
    """The clusters of a daemon that has one, whose time is trusted."""

    def __init__(self) -> None:
        super().__init__([SimpleNamespace(id="c")])

    def has_trusted_time(self) -> bool:
        return True


def service_of(history: History, folder: Path, clock: FakeClock, supervisor: Supervisor) -> SinkService:
    sink = SinkSettings(name="months", kind="parquet", folder=str(folder / "parquet"), daemon="east/1")
    settings = Settings(history=HistorySettings(sinks=(sink,), keep_runs_per_cronjob=0))
    clusters: Any = OneCluster()
    return SinkService(
        history=history, clock=clock, settings=lambda: settings, supervisor=supervisor, clusters=clusters
    )


async def wait_until_live(service: SinkService) -> None:
    async def look() -> list[str]:
        return [view.status for view in service.views()]

    await eventually(look, lambda states: states == ["live"], 60)


async def test_a_month_waits_for_the_runs_that_a_start_after_its_end_records(
    history: History, tmp_path: Path
) -> None:
    """kronkeepd was not there at the end of the month; Kubernetes still has Jobs of it."""
    await put_runs(history, OCTOBER, 2)
    history.facts.set(watch_key("c"), NOVEMBER - timedelta(days=1))
    clock = FakeClock(NOVEMBER + timedelta(days=2))
    supervisor = Supervisor(clock)
    service = service_of(history, tmp_path, clock, supervisor)
    service.start()
    await wait_until_live(service)
    assert list_files(tmp_path) == []
    history.facts.set(watch_key("c"), clock.now())
    await put_runs(history, NOVEMBER - timedelta(hours=1), 1)
    await clock.advance(3600)

    async def look() -> list[str]:
        return list_files(tmp_path)

    await eventually(look, lambda files: files == ["runs/daemon=east_1/2026-10.parquet"], 60)
    await supervisor.close()
    assert parquet.read_table(file_of(tmp_path, "2026-10")).num_rows == 3


async def test_the_service_ships_to_a_folder_and_holds_no_changes_for_it(
    history: History, tmp_path: Path
) -> None:
    await put_runs(history, OCTOBER, 2)
    clock = FakeClock(DECEMBER)
    history.facts.set(watch_key("c"), DECEMBER)
    supervisor = Supervisor(clock)
    held: list[tuple[int, int]] = []
    history.hold_changes = lambda *hold: held.append(hold)  # type: ignore[method-assign]
    service = service_of(history, tmp_path, clock, supervisor)
    service.start()
    await wait_until_live(service)
    await supervisor.close()
    assert (held, list_files(tmp_path)) == ([], ["runs/daemon=east_1/2026-10.parquet"])
    assert service.views()[0].lag is None
