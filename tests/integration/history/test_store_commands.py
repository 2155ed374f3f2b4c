"""`kronkeepd store` as a person runs it, and folders that older versions wrote."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import DamagedHistory
from kronkeep_daemon.history import History, journal
from kronkeep_daemon.history.migrations import STEPS

DATA = Path(__file__).parents[2] / "data"


def store(*words: object, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "kronkeep_daemon", "store", *map(str, words)]
    return subprocess.run(command, input=given, capture_output=True, check=False)


@pytest.fixture(params=range(1, journal.VERSION))
def older(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of the folder that each older version wrote."""
    return Path(shutil.copytree(DATA / f"history-v{request.param}", tmp_path / "older"))


def test_every_older_version_has_a_step() -> None:
    assert sorted(STEPS) == list(range(1, journal.VERSION))


async def test_an_older_folder_is_read_and_written_anew(older: Path) -> None:
    for _ in range(2):
        history = await History.open(older, clock=SystemClock())
        found = {record.id: str(record.status) for record in history.executions.all()}
        assert sorted(found) == ["u0", "u2", "u4", "u5", "u6", "u7", "u8"]
        assert found["u0"] == "succeeded"
        await history.close()
    assert all(b'"version":2' in path.read_bytes() for path in older.glob("*.jsonl"))


def test_an_export_imported_exports_the_same(older: Path, tmp_path: Path) -> None:
    exported = store("export", older).stdout
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


async def test_salvage_takes_what_is_readable_and_names_what_is_not(older: Path, tmp_path: Path) -> None:
    (segment,) = older.glob("journal-*.jsonl")
    segment.write_bytes(segment.read_bytes().replace(b'"u7"', b'"uX"'))
    with pytest.raises(DamagedHistory):
        await History.open(older, clock=SystemClock())
    before = segment.read_bytes()
    said = json.loads(store("salvage", older, tmp_path / "new").stdout)
    assert said["documents"] == 7
    assert said["lost"][0]["file"] == segment.name
    assert segment.read_bytes() == before
    history = await History.open(tmp_path / "new", clock=SystemClock())
    assert sorted(record.id for record in history.executions.all()) == ["u0", "u2", "u4", "u5", "u6", "u8"]
    await history.close()


def test_check_changes_nothing(older: Path) -> None:
    (segment,) = older.glob("journal-*.jsonl")
    segment.write_bytes(segment.read_bytes()[:-5])
    before = {path.name: path.read_bytes() for path in older.glob("*.jsonl")}
    said = json.loads(store("check", older).stdout)
    assert said["torn"] > 0
    assert said["format"] == 1
    assert {path.name: path.read_bytes() for path in older.glob("*.jsonl")} == before


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert store("check", tmp_path / "none").returncode == 1
    assert not (tmp_path / "none").exists()
