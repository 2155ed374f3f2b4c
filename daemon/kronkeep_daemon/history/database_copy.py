"""A copy of a history's database as it is at one moment, also while a daemon writes."""

import sqlite3
from contextlib import closing
from pathlib import Path

from kronkeep_daemon.history import durable, history_folder
from kronkeep_daemon.history.change_log import last_sequence
from kronkeep_daemon.history.database import check_format, connect
from kronkeep_daemon.history.database_faults import translate_faults


def copy_database(folder: Path, copy: Path) -> int:
    """Write the database of a history folder to a new file; return the sequence of its newest change.

    Raises DamagedHistory, HistoryTooNew, and what a disk that is full raises.
    """
    with translate_faults(folder), closing(connect(folder / history_folder.DATABASE)) as connection:
        check_format(connection)
        connection.execute("VACUUM INTO ?", (str(copy),))
    with copy.open("rb") as file, translate_faults(copy.parent):
        durable.sync(file.fileno())
    return read_sequence(copy)


def read_sequence(copy: Path) -> int:
    """Return the sequence of the newest change in a database that nobody writes."""
    with closing(sqlite3.connect(f"file:{copy}?mode=ro&immutable=1", uri=True)) as connection:
        return last_sequence(connection)
