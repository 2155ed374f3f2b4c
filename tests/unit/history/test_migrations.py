"""A database of an earlier format becomes one of today's, whole or not at all; a later one is refused."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from kronkeep_common.errors import HistoryTooNew
from kronkeep_daemon.history import schema
from kronkeep_daemon.history.database import Database, connect
from kronkeep_daemon.history.migrations import Migration, migrate

NEXT = schema.FORMAT + 1


def add_table(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE added(name TEXT)")
    connection.execute("INSERT INTO added SELECT value FROM meta WHERE name = 'history_id'")


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
    migrate_file(path, {schema.FORMAT: add_table, NEXT: lambda c: c.execute("DROP TABLE added")}, NEXT + 1)
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
