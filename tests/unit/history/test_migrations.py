"""A database of an earlier format becomes one of today's, whole or not at all; a later one is refused."""

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from tests.records import make_run

from kronkeep_common.errors import HistoryTooNew, OldHistory
from kronkeep_daemon.history import schema
from kronkeep_daemon.history.database import Database, RowChange, check_format, connect
from kronkeep_daemon.history.database_check import check_whole
from kronkeep_daemon.history.migrations import Migration, migrate
from kronkeep_daemon.history.rows import row_of

NEXT = schema.FORMAT + 1
# As format 3 had them, with an update's left out.
TRIGGERS_OF_FORMAT_3 = (
    "CREATE TRIGGER kronkeep_executions_inserted AFTER INSERT ON executions BEGIN"
    " INSERT INTO counts VALUES('executions', coalesce(new.status, ''), 1)"
    " ON CONFLICT(table_name, status) DO UPDATE SET documents = documents + 1; END",
    "CREATE TRIGGER kronkeep_executions_deleted AFTER DELETE ON executions BEGIN"
    " UPDATE counts SET documents = documents - 1"
    " WHERE table_name = 'executions' AND status = coalesce(old.status, ''); END",
)


def add_table(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE added(name TEXT)")
    connection.execute("INSERT INTO added SELECT value FROM meta WHERE name = 'history_id'")


def drop_table(connection: sqlite3.Connection) -> None:
    connection.execute("DROP TABLE added")


def fail_late(connection: sqlite3.Connection) -> None:
    add_table(connection)
    raise sqlite3.OperationalError("the power went")


def read_format(path: Path) -> int:
    with closing(connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate_file(path: Path, migrations: dict[int, Migration], target: int) -> None:
    with closing(connect(path, read_only=False)) as connection:
        migrate(connection, path, migrations=migrations, target=target)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A history as today's kronkeep leaves it."""
    database = Database(tmp_path)
    database.close()
    return database.path


def test_every_step_is_taken_and_the_old_database_is_kept(path: Path) -> None:
    migrate_file(path, {schema.FORMAT: add_table, NEXT: drop_table}, NEXT + 1)
    assert read_format(path) == NEXT + 1
    copy = path.with_name(f"history.db.format-{schema.FORMAT}")
    assert read_format(copy) == schema.FORMAT
    migrate_file(path, {}, NEXT + 1)
    assert read_format(path) == NEXT + 1


def test_a_step_that_fails_changes_nothing_and_can_be_taken_again(path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        migrate_file(path, {schema.FORMAT: fail_late}, NEXT)
    assert read_format(path) == schema.FORMAT
    migrate_file(path, {schema.FORMAT: add_table}, NEXT)
    with closing(connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM added").fetchone() == (1,)


def test_the_version_before_refuses_the_result_with_a_sentence(path: Path) -> None:
    migrate_file(path, {schema.FORMAT: add_table}, NEXT)
    with pytest.raises(HistoryTooNew, match=f"written by a later kronkeep \\(format {NEXT}\\)"):
        Database(path.parent)
    copy = path.with_name(f"history.db.format-{schema.FORMAT}")
    path.unlink()
    copy.rename(path)
    Database(path.parent).close()


@pytest.mark.parametrize("counted_twice", [False, True])
def test_documents_that_triggers_counted_are_counted_once(tmp_path: Path, counted_twice: bool) -> None:
    write_runs(tmp_path, first=1, last=20)
    path = tmp_path / "history.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        for trigger in TRIGGERS_OF_FORMAT_3:
            connection.execute(trigger)
        if counted_twice:
            connection.execute("UPDATE counts SET documents = 2 * documents")
        connection.execute("PRAGMA user_version=3")
    with closing(connect(path)) as connection, pytest.raises(OldHistory) as refused:
        check_format(connection)
    assert "Start kronkeepd" in refused.value.next_step
    write_runs(tmp_path, first=21, last=30)
    with closing(connect(path)) as connection:
        assert check_whole(connection) == []
        counted = "SELECT documents FROM counts WHERE table_name = 'executions'"
        assert connection.execute(counted).fetchall() == [(30,)]
    assert read_format(path) == schema.FORMAT
    assert read_format(tmp_path / "history.db.format-3") == 3


def write_runs(folder: Path, *, first: int, last: int) -> None:
    database = Database(folder)
    for number in range(first, last + 1):
        run = make_run(id=f"run-{number}")
        row = row_of(number, msgspec.json.encode(run))
        database.write([RowChange("executions", number, run.id, row)])
    database.close()
