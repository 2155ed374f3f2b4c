"""`kronkeepd store` as a person runs it."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import DamagedHistory
from kronkeep_common.models import CronJobExecution
from kronkeep_common.states import ExecutionStatus, Trigger
from kronkeep_daemon.history import History, journal

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def store(*words: object, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "kronkeep_daemon", "store", *map(str, words)]
    return subprocess.run(command, input=given, capture_output=True, check=False)


def run(number: int) -> CronJobExecution:
    return CronJobExecution(
        id=f"u{number}",
        cluster="c",
        namespace="n",
        cronjob="a",
        cronjob_id="id-a",
        status=ExecutionStatus.RUNNING,
        trigger=Trigger.MANUAL,
        created_at=NOW + timedelta(seconds=number),
    )


async def fill(folder: Path) -> None:
    """Write a snapshot and a segment after it; eight documents are left."""
    history = await History.open(folder, clock=SystemClock())
    for number in range(6):
        history.executions.put(run(number))
    history.executions.remove("u1")
    history.executions.remove("u3")
    await history.compact()
    for number in range(6, 9):
        history.executions.put(run(number))
        await history.commit()
    ended = msgspec.structs.replace(run(0), status=ExecutionStatus.SUCCEEDED)
    history.executions.put(ended)
    history.facts.set("key", NOW)
    await history.close()


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A history folder that no daemon uses."""
    await fill(tmp_path / "history")
    return tmp_path / "history"


def test_an_export_imported_exports_the_same(folder: Path, tmp_path: Path) -> None:
    exported = store("export", folder).stdout
    assert len(exported.splitlines()) == 8
    done = store("import", tmp_path / "new", "-", given=exported)
    assert json.loads(done.stdout) == {"documents": 8}
    assert sorted(store("export", tmp_path / "new").stdout.splitlines()) == sorted(exported.splitlines())
    again = store("import", tmp_path / "new", "-", given=exported)
    assert again.returncode == 1
    assert b"not empty" in again.stderr


def test_a_folder_without_a_history_is_no_sound_one(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    for folder in (tmp_path / "state", tmp_path / "nowhere"):
        for command in (("check", folder), ("export", folder), ("salvage", folder, tmp_path / "new")):
            refused = store(*command)
            assert refused.returncode == 1
            assert b"There is no history in" in refused.stderr
    assert list(tmp_path.rglob("*")) == [tmp_path / "state"]


def test_a_line_that_is_no_export_is_refused_by_its_number(tmp_path: Path) -> None:
    given = b'{"table":"t","number":1,"document":{}}\n{"table":5}\n'
    refused = store("import", tmp_path / "new", "-", given=given)
    assert refused.returncode == 1
    assert b"Line 2" in refused.stderr


async def test_salvage_takes_what_is_readable_and_names_what_is_not(folder: Path, tmp_path: Path) -> None:
    (segment,) = folder.glob("journal-*.jsonl")
    segment.write_bytes(segment.read_bytes().replace(b'"u7"', b'"uX"'))
    with pytest.raises(DamagedHistory):
        await History.open(folder, clock=SystemClock())
    before = segment.read_bytes()
    said = json.loads(store("salvage", folder, tmp_path / "new").stdout)
    assert said["documents"] == 7
    assert said["lost"][0]["file"] == segment.name
    assert segment.read_bytes() == before
    history = await History.open(tmp_path / "new", clock=SystemClock())
    assert sorted(record.id for record in history.executions.all()) == ["u0", "u2", "u4", "u5", "u6", "u8"]
    await history.close()


def test_check_changes_nothing(folder: Path) -> None:
    (segment,) = folder.glob("journal-*.jsonl")
    segment.write_bytes(segment.read_bytes()[:-5])
    before = {path.name: path.read_bytes() for path in folder.glob("*.jsonl")}
    said = json.loads(store("check", folder).stdout)
    assert said["torn"] > 0
    assert said["format"] == journal.VERSION
    assert {path.name: path.read_bytes() for path in folder.glob("*.jsonl")} == before


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert store("check", tmp_path / "none").returncode == 1
    assert not (tmp_path / "none").exists()
