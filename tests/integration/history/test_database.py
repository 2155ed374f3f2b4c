"""The database under faults: nothing half done, nothing lost that was acknowledged, no damage unnoticed."""

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.integration.history.row_changes import put

from kronkeep_common.errors import (
    DamagedHistory,
    HistoryTooNew,
    KronkeepError,
    OldHistory,
    ReadOnlyHistory,
    StateInUse,
)
from kronkeep_daemon.history import change_log
from kronkeep_daemon.history import database as database_module
from kronkeep_daemon.history.change_log import ChangeHold, read_changes
from kronkeep_daemon.history.changes import Change
from kronkeep_daemon.history.database import Database, connect
from kronkeep_daemon.history.database_check import check_whole
from kronkeep_daemon.history.database_faults import DiskFailed
from kronkeep_daemon.history.history_folder import read_newest
from kronkeep_daemon.history.table_rows import TableRows


def ids(database: Database) -> list[str]:
    return [row[0] for row in database.reader.execute("SELECT id FROM runs ORDER BY number")]


def fill(folder: Path, count: int) -> None:
    database = Database(folder)
    for number in range(1, count + 1):
        database.write([put(number, f"u{number}")])
    database.close()


def test_a_second_process_is_refused_and_the_folder_is_free_after_a_refusal(tmp_path: Path) -> None:
    database = Database(tmp_path)
    with pytest.raises(StateInUse):
        Database(tmp_path)
    database.close()
    (tmp_path / "history.db").write_bytes(b"SQLite format 4" + bytes(5000))
    for _ in range(2):
        with pytest.raises(DamagedHistory):
            Database(tmp_path)


@pytest.mark.parametrize("name", ["journal-0000000000000000.jsonl", "snapshot-0000000000000812.jsonl"])
def test_a_journal_of_the_time_before_the_first_release_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(OldHistory):
        Database(tmp_path)
    assert not (tmp_path / "history.db").exists()


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection, connection:
        connection.execute("PRAGMA user_version=9")
    connection.close()
    with pytest.raises(HistoryTooNew):
        Database(tmp_path)


def test_leftover_temporary_files_are_removed(tmp_path: Path) -> None:
    leftovers = [tmp_path / "tmp" / "x.gz", tmp_path / "newest.tmp"]
    for path in leftovers:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    Database(tmp_path).close()
    assert not any(path.exists() for path in leftovers)


def test_a_full_disk_leaves_nothing_of_a_batch(tmp_path: Path) -> None:
    database = Database(tmp_path)
    database.write([put(1, "u1")])
    (pages,) = database.writer.execute("PRAGMA page_count").fetchone()
    database.writer.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(ReadOnlyHistory):
        database.write([put(number, f"u{number}", size=5000, table="new") for number in range(2, 50)])
    assert ids(database) == ["u1"]
    assert database.tables == {"runs"}
    database.writer.execute(f"PRAGMA max_page_count={2**30}")
    database.write([put(2, "u2"), put(1, "v1", table="new")])
    assert ids(database) == ["u1", "u2"]
    assert [change.seq for change in read_changes(database.reader, 0, 9)] == [1, 2, 3]
    database.close()


def test_a_limit_or_a_quota_is_a_full_disk_and_passes(tmp_path: Path) -> None:
    database = Database(tmp_path)
    database.write([put(1, "u1")])
    for _ in range(2):
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        try:
            with pytest.raises(ReadOnlyHistory):
                database.write([put(2, "u2")])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        assert ids(database) == ["u1"]
    database.write([put(2, "u2")])
    database.close()
    database = Database(tmp_path)
    assert ids(database) == ["u1", "u2"]
    database.close()


def test_an_id_whose_owner_an_undone_change_would_have_removed_moves(tmp_path: Path) -> None:
    database = Database(tmp_path)
    database.write([put(1, "a"), put(2, "b")])
    database.write([put(3, "a")])
    assert ids(database) == ["b", "a"]
    assert check_whole(database.writer) == []
    database.close()


def test_a_lost_tail_is_noticed(tmp_path: Path) -> None:
    fill(tmp_path / "h", 3)
    before = (tmp_path / "h" / "history.db").read_bytes()
    fill(tmp_path / "h", 5)
    newest = read_newest(tmp_path / "h")
    assert newest is not None
    assert newest.sequence == 8
    (tmp_path / "h" / "history.db").write_bytes(before)
    with pytest.raises(DamagedHistory, match="ends at change 3, but change 8 was acknowledged"):
        Database(tmp_path / "h")
    (tmp_path / "h" / "history.db").unlink()
    with pytest.raises(DamagedHistory, match="is missing"):
        Database(tmp_path / "h")
    (tmp_path / "h" / "newest").unlink()
    (tmp_path / "h" / "history.db").write_bytes(before)
    Database(tmp_path / "h").close()


def test_changes_are_bounded_by_rows_and_bytes_and_have_no_hole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_log, "MOST_ROWS", 100)
    monkeypatch.setattr(change_log, "MOST_BYTES", 50_000)
    database = Database(tmp_path)
    for number in range(1, 300):
        database.write([put(number, f"u{number}")])
    assert 100 <= len(read_changes(database.reader, 0, 9999)) <= 105
    for number in range(300, 400):
        database.write([put(number, f"u{number}", size=2000)])
    remembered = read_changes(database.reader, 0, 9999)
    assert sum(len(change.body or b"") for change in remembered) < 55_000
    assert [change.seq for change in remembered] == list(range(database.changes.first, 400))
    database.write([put(400, "u400", size=200_000)])
    assert len(read_changes(database.reader, 0, 9999)) == 1
    database.close()
    database = Database(tmp_path)
    assert (database.changes.first, database.changes.last) == (400, 400)
    database.close()


class Reading(NamedTuple):
    """What a daemon reads of a history: rows by number, numbers by an index, how many, and the changes."""

    rows: list[tuple[object, ...]]
    failed: list[int]
    row_count: int
    changes: list[Change]

    def is_true(self, whole: "Reading") -> bool:
        """Whether it is the whole, or lacks oldest changes only.

        Those are forgotten in time anyhow: who asks for them is told so.
        """
        return self[:3] == whole[:3] and self.changes == whole.changes[-len(self.changes) :]


def read_all(folder: Path) -> Reading:
    """Read what a daemon reads: every row, by number and by index, and the changes; raise KronkeepError."""
    database = Database(folder)
    try:
        rows = TableRows(database, "runs")
        changes = read_changes(database.reader, 0, 1000)
        if changes[0].seq != database.changes.first:  # History.changes_since raises ForgottenChanges
            raise DamagedHistory("The changes have a hole.")
        return Reading(
            rows=[(row.number, row.id, row.body) for row in rows.iterate()],
            failed=[row.number for row in rows.newest({"status": "failed"}, limit=1000)],
            row_count=len(rows),
            changes=changes,
        )
    finally:
        database.close()


def flip_bits(folder: Path, originals: dict[str, bytes], name: str, step: int) -> int:
    """Return how many flips of one bit of every `step` of a file are noticed; the others change nothing."""
    whole = copy_and_read(folder, originals)
    noticed = 0
    for place in range(0, 8 * len(originals[name]), step):
        flipped = bytearray(originals[name])
        flipped[place // 8] ^= 1 << place % 8
        try:
            reading = copy_and_read(folder, originals | {name: bytes(flipped)})
        except KronkeepError:
            noticed += 1
        else:
            assert reading.is_true(whole), f"{name}, bit {place}"
    return noticed


def copy_and_read(folder: Path, files: dict[str, bytes]) -> Reading:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return read_all(folder)


def write_small(folder: Path, names: tuple[str, ...]) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Return the files of a small history while it is open, with its changes in the WAL, and when closed."""
    database = Database(folder)
    for number in range(1, 6):
        database.write([put(number, f"u{number}")])
    is_open = {name: (folder / name).read_bytes() for name in names}
    database.close()
    return is_open, {name: (folder / name).read_bytes() for name in names if (folder / name).exists()}


FILES = ("history.db", "history.db-wal", "newest")


@pytest.mark.parametrize("value", ["NULL", "x'00'", "1.5", "'seven'"])
def test_a_place_of_another_type_is_damage(tmp_path: Path, value: str) -> None:
    fill(tmp_path, 5)
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection, connection:
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, 'place INTEGER NOT NULL', 'place')"
            " WHERE name = 'changes'"
        )
    connection.close()
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection, connection:
        connection.execute(f"UPDATE changes SET place = {value}")
    connection.close()
    with pytest.raises(DamagedHistory):
        Database(tmp_path)


@pytest.mark.parametrize("value", ["x'6661696c6564'", "7", "1.5"])
def test_a_counted_status_of_another_type_is_damage(tmp_path: Path, value: str) -> None:
    fill(tmp_path, 5)
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection, connection:
        connection.execute(f"INSERT INTO counts VALUES('runs', CAST({value} AS BLOB), 1)")
    connection.close()
    with pytest.raises(DamagedHistory):
        Database(tmp_path)


def test_a_table_whose_name_is_no_text_is_damage(tmp_path: Path) -> None:
    fill(tmp_path, 5)
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection, connection:
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("UPDATE sqlite_master SET name = CAST(name AS BLOB) WHERE name = 'runs'")
    connection.close()
    with pytest.raises(DamagedHistory):
        Database(tmp_path)


def test_a_flipped_bit_is_noticed_or_harmless(tmp_path: Path) -> None:
    is_open, closed = write_small(tmp_path / "whole", FILES)
    assert flip_bits(tmp_path / "copy", is_open, "history.db-wal", 20_011) > 10
    assert flip_bits(tmp_path / "copy", closed, "history.db", 2_003) > 10
    assert flip_bits(tmp_path / "copy", closed, "newest", 31) == 0  # then it is written again


@pytest.fixture
def memory_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose syncs cost nothing, where the machine has one."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)


@pytest.mark.torture
@pytest.mark.timeout(7200)
def test_every_flipped_bit_of_a_small_database_is_noticed_or_harmless(
    memory_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure = database_module.configure_writer

    def configure_small_pages(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA page_size=512")
        configure(connection)

    monkeypatch.setattr(database_module, "configure_writer", configure_small_pages)
    is_open, closed = write_small(memory_folder / "whole", FILES)
    assert flip_bits(memory_folder / "copy", is_open, "history.db-wal", 31) > 1000
    assert flip_bits(memory_folder / "copy", closed, "history.db", 1) > 1000


KILLED = """
import sys
from pathlib import Path
from tests.integration.history.row_changes import put
from kronkeep_daemon.history.database import Database
database = Database(Path(sys.argv[1]))
number = database.changes.last
while True:
    number += 1
    database.write([put(number, f"u{number}", size=number * 37 % 9000)])
    if database.wants_checkpoint():
        database.checkpoint()
    print(number, flush=True)
"""


def test_a_reader_of_another_process_sees_what_is_durable(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    numbers = [int(writer.stdout.readline()) for _ in range(20)]
    connection = connect(tmp_path / "history.db")
    assert connection.execute("SELECT count(*) FROM runs").fetchone()[0] >= numbers[-1]
    connection.close()
    writer.kill()
    writer.stdout.close()
    writer.wait()
    database = Database(tmp_path)
    assert len(ids(database)) >= 20
    database.close()


def test_a_folder_that_cannot_be_written_is_a_failed_disk(tmp_path: Path) -> None:
    (tmp_path / "h").mkdir()
    (tmp_path / "h" / "history.db").mkdir()
    with pytest.raises(DiskFailed):
        Database(tmp_path / "h")


def test_changes_are_held_for_a_sink_up_to_its_bound_and_then_released_in_slices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_log, "MOST_ROWS", 100)
    monkeypatch.setattr(change_log, "MOST_REMOVED", 50)
    database = Database(tmp_path)
    database.changes.hold = ChangeHold(first=50, most_bytes=10**6)
    for number in range(1, 501):
        database.write([put(number, f"u{number}")])
    assert database.changes.first in range(40, 51)
    database.changes.hold = ChangeHold(first=50, most_bytes=256 * 200)
    for number in range(501, 521):
        database.write([put(number, f"u{number}")])
    assert 520 - database.changes.first in range(199, 211)
    first = database.changes.first
    database.changes.hold = None
    database.write([put(521, "u521")])
    assert database.changes.first == first + 50  # no long pause of the writer
    for number in range(522, 530):
        database.write([put(number, f"u{number}")])
    assert 529 - database.changes.first in range(98, 106)
    database.close()
