"""The migrations of a history's database, from each format that a release wrote to the next.

Before the first one the database is copied to `history.db.format-N` beside it. Each migration is one
transaction together with the new format's number, so that a kill in between leaves the old format or the new
one, whole. A kronkeep of an earlier format refuses the result (HistoryTooNew): going back means putting the
copy in its place.
"""

import logging
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from kronkeep_daemon.history import durable, schema

log = logging.getLogger(__name__)
Migration = Callable[[sqlite3.Connection], None]


def _count_without_triggers(connection: sqlite3.Connection) -> None:
    """Drop the triggers that counted the documents of each status, which the writer of a batch does now.

    A history that was written with both was counted twice, so that all documents are counted again.
    """
    names = connection.execute("SELECT type, name FROM sqlite_master ORDER BY name").fetchall()
    for kind, name in names:
        if kind == "trigger":
            connection.execute(f"DROP TRIGGER {schema.quote_name(name)}")
    connection.execute("DELETE FROM counts")
    for kind, name in names:
        if kind == "table" and name not in schema.OWN_TABLES and not name.startswith(schema.RESERVED):
            connection.execute(
                "INSERT INTO counts SELECT ?, coalesce(status, ''), count(*)"
                f" FROM {schema.quote(name)} GROUP BY 2",
                (name,),
            )


# The format that a migration starts from -> what makes it the next one.
MIGRATIONS: Mapping[int, Migration] = {3: _count_without_triggers}


def migrate(
    connection: sqlite3.Connection,
    path: Path,
    *,
    migrations: Mapping[int, Migration] = MIGRATIONS,
    target: int = schema.FORMAT,
) -> None:
    """Bring a database to the format `target`; do nothing where no migration starts from its own.

    connection: the writer's, outside a transaction. path: the database's file. Raises sqlite3.Error, OSError.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (present,) = connection.execute("PRAGMA user_version").fetchone()
    if application != schema.APPLICATION_ID or present >= target or present not in migrations:
        return
    _copy(connection, path.with_name(f"{path.name}.format-{present}"))
    for number in range(present, target):
        connection.execute("BEGIN IMMEDIATE")
        try:
            migrations[number](connection)
            connection.execute(f"PRAGMA user_version={number + 1}")
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        log.warning("the history was migrated from format %d to %d", number, number + 1)


def _copy(connection: sqlite3.Connection, target: Path) -> None:
    """Copy the database durably; a copy of an earlier attempt is replaced, as it may not be whole."""
    unfinished = target.with_name(f"{target.name}.tmp")
    unfinished.unlink(missing_ok=True)
    connection.execute("VACUUM INTO ?", (str(unfinished),))
    with unfinished.open("rb") as file:
        durable.sync(file.fileno())
    unfinished.rename(target)
    durable.sync_folder(target.parent)
