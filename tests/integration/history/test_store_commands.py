"""`kronkeepd store` as a person runs it."""

import argparse
import asyncio
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec
import pytest

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import DamagedHistory, InvalidRequest
from kronkeep_common.models import CronJobExecution
from kronkeep_common.states import ExecutionStatus, Trigger
from kronkeep_daemon import history_restore
from kronkeep_daemon.history import History, expiry, history_folder, schema, store_commands
from kronkeep_daemon.history.kept_logs import CappedLog

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
    """Write eight documents and remove others."""
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
    assert len(exported.splitlines()) == 10
    done = store("import", tmp_path / "new", "-", given=exported)
    assert json.loads(done.stdout) == {"documents": 10}
    assert sorted(store("export", tmp_path / "new").stdout.splitlines()) == sorted(exported.splitlines())
    again = store("import", tmp_path / "new", "-", given=exported)
    assert again.returncode == 1
    assert b"not empty" in again.stderr
    refused = store("import", tmp_path / "third", tmp_path / "none")
    assert refused.returncode == 1
    assert b"none cannot be read: No such file or directory." in refused.stderr
    (tmp_path / "file").write_bytes(exported)
    assert store("import", tmp_path / "third", tmp_path / "file").returncode == 0


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


def damage(folder: Path, sql: str) -> None:
    with closing(sqlite3.connect(folder / "history.db")) as connection, connection:
        connection.execute(sql)


def read_files(folder: Path) -> dict[str, bytes]:
    """Return the files' bytes; a reader of SQLite leaves an empty WAL and its index."""
    return {
        path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith(("-wal", "-shm"))
    }


async def test_salvage_takes_what_is_readable_and_names_what_is_not(folder: Path, tmp_path: Path) -> None:
    damage(folder, "UPDATE executions SET body = replace(body, '\"u7\"', '\"uX\"')")
    with pytest.raises(DamagedHistory):
        await History.open(folder, clock=SystemClock())
    before = read_files(folder)
    said = json.loads(store("salvage", folder, tmp_path / "new").stdout)
    assert said == {"documents": 9, "lost": [{"table": "executions", "first": 8, "last": 8}]}
    assert read_files(folder) == before
    history = await History.open(tmp_path / "new", clock=SystemClock())
    assert sorted(record.id for record in history.executions.all()) == ["u0", "u2", "u4", "u5", "u6", "u8"]
    await history.close()


async def test_salvage_goes_past_pages_that_cannot_be_read(tmp_path: Path) -> None:
    history = await History.open(tmp_path / "h", clock=SystemClock())
    for number in range(1000):
        history.table("facts").put_document(number + 1, {"text": f"{number:0300}"})
    await history.commit()
    await history.close()
    path = tmp_path / "h" / "history.db"
    data = bytearray(path.read_bytes())
    for number in (100, 101, 500):
        place = data.index(b'{"text":"%0300d"}' % number)
        start = place // 4096 * 4096
        data[start : start + 8] = b"\xff" * 8
    path.write_bytes(data)
    assert store("check", tmp_path / "h").returncode == 1
    said = json.loads(store("salvage", tmp_path / "h", tmp_path / "new").stdout)
    missing = sum(piece["last"] - piece["first"] + 1 for piece in said["lost"])
    assert said["documents"] + missing == 1000
    assert 20 < missing < 60
    assert json.loads(store("check", tmp_path / "new").stdout)["documents"] == {"facts": 1000 - missing}


def test_check_changes_nothing(folder: Path) -> None:
    before = read_files(folder)
    said = json.loads(store("check", folder).stdout)
    documents = {"executions": 7, "facts": 1, "figures": 2}
    assert said == {"seq": 13, "format": schema.FORMAT, "documents": documents}
    assert read_files(folder) == before
    damage(folder, "UPDATE executions SET status = 'failed' WHERE number = 1")
    refused = store("check", folder)
    assert refused.returncode == 1
    assert b"executions, document 1: its columns are others" in refused.stderr


async def test_check_export_and_backup_read_while_a_daemon_writes(folder: Path, tmp_path: Path) -> None:
    history = await History.open(folder, clock=SystemClock())
    history.executions.put(run(50))
    await history.commit()
    capped = CappedLog()
    capped.add(b"hello")
    await history.logs.save(run(50), "main", "pod", capped)
    assert json.loads(store("check", folder).stdout)["documents"]["executions"] == 8
    exported = store("export", folder).stdout
    assert json.loads(store("backup", folder, tmp_path / "copy").stdout)["seq"] == history.seq
    refused = store("compact", folder)
    assert refused.returncode == 1
    assert b"Another kronkeepd uses" in refused.stderr
    history.executions.put(run(51))
    await history.commit()
    await history.close()
    assert store("backup", folder, tmp_path / "copy").returncode == 1
    assert store("export", tmp_path / "copy").stdout == exported
    copy = await History.open(tmp_path / "copy", clock=SystemClock())
    assert copy.executions.get("u50") == run(50)
    assert await copy.logs.read(run(50), "main") == b"hello"
    await copy.close()


async def test_a_log_that_goes_while_it_is_copied_stops_no_backup(folder: Path, tmp_path: Path) -> None:
    """A record expires meanwhile: its log is listed, and not there when it is read."""
    history = await History.open(folder, clock=SystemClock())
    capped = CappedLog()
    capped.add(b"hello")
    await history.logs.save(run(50), "main", "pod", capped)
    (kept,) = (folder / "logs").rglob("*.gz")
    kept.with_name("gone.log.gz").symlink_to("nothing")
    options = argparse.Namespace(folder=folder, target=tmp_path / "copy", store_command="backup")
    options.action = store_commands._back_up
    assert store_commands.run(options) == 0
    await history.close()
    copy = await History.open(tmp_path / "copy", clock=SystemClock())
    assert await copy.logs.read(run(50), "main") == b"hello"
    await copy.close()


@pytest.mark.parametrize("left", [history_folder.WAL, history_folder.NEWEST])
def test_a_restore_puts_no_database_beside_what_is_left_of_another(tmp_path: Path, left: str) -> None:
    """SQLite would write the WAL of the other into it; and it is older than `newest` says."""
    (tmp_path / left).write_bytes(b"of another")
    options = argparse.Namespace(folder=tmp_path, config=None, kubeconfig=tmp_path / "none", from_storage="s")
    with pytest.raises(InvalidRequest, match=left):
        history_restore.run(options)


async def test_retain_shows_what_has_expired_and_removes_all_of_it(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of some days ago, also where one plan does not name all."""
    history = await History.open(folder, clock=SystemClock())
    for number in (50, 51, 52, 53, 54):
        ended = msgspec.structs.replace(run(number), status=ExecutionStatus.SUCCEEDED)
        history.executions.put(ended)
    await history.close()
    refused = store("retain", folder)
    assert refused.returncode == 1
    assert b"Name --days, --runs or --audit-days." in refused.stderr
    shown = json.loads(store("retain", folder, "--runs", "2").stdout)
    assert (sorted(shown["executions"]), shown["is_whole"]) == (["u0", "u50", "u51", "u52"], True)
    plan = expiry.plan
    monkeypatch.setattr(expiry, "plan", partial(plan, most=1))
    parser = argparse.ArgumentParser()
    store_commands.add_parser(parser.add_subparsers())
    options = parser.parse_args(["store", "retain", str(folder), "--runs", "2", "--remove"])
    assert await asyncio.to_thread(options.func, options) == 0
    assert json.loads(capsys.readouterr().out)["removed"]["executions"] == 4
    said = json.loads(store("retain", folder, "--days", "1", "--remove").stdout)
    assert said["removed"] == {"executions": 2, "backups": 0, "restores": 0, "alerts": 0, "audit": 0}
    assert json.loads(store("check", folder).stdout)["documents"]["executions"] == 6


def test_compact_gives_free_space_back(folder: Path) -> None:
    damage(folder, "CREATE TABLE x(y)")
    damage(folder, "INSERT INTO x VALUES(zeroblob(500000))")
    damage(folder, "DROP TABLE x")
    before = (folder / "history.db").stat().st_size
    assert store("compact", folder).returncode == 0
    assert (folder / "history.db").stat().st_size < before - 400_000


def test_a_journal_is_named_as_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "journal-0000000000000000.jsonl").touch()
    refused = store("check", tmp_path)
    assert refused.returncode == 1
    assert b"before the first release" in refused.stderr


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert store("check", tmp_path / "none").returncode == 1
    assert not (tmp_path / "none").exists()
