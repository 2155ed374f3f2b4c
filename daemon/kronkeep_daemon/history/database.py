"""The SQLite database of one folder: connections, durable writes, checkpoints.

There is one writer, whose calls come from one thread, and as many readers as are asked for; in WAL mode none
of them waits for another (https://sqlite.org/wal.html). `synchronous=FULL` syncs the WAL at each commit.
SQLite's own checkpoints are switched off, since they would lengthen some commits: `checkpoint` is called
between two of them. It is a passive one, for which no reader waits, and leaves the WAL as long as it is: the
next commit begins at its start again, in blocks that the file system has already given.
"""

import os
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from kronkeep_common.errors import DamagedHistory, HistoryTooNew, OldHistory
from kronkeep_daemon.history import history_folder, schema
from kronkeep_daemon.history.batch_writer import BatchWriter
from kronkeep_daemon.history.change_log import RETRACTED, ChangeLog, Unnumbered, last_sequence
from kronkeep_daemon.history.database_check import check_whole
from kronkeep_daemon.history.database_faults import translate_faults
from kronkeep_daemon.history.durable import sync_folder
from kronkeep_daemon.history.figure_writer import StoredWeeks
from kronkeep_daemon.history.figures import COUNTED, TABLE
from kronkeep_daemon.history.history_folder import NewestFile, WalIndex
from kronkeep_daemon.history.migrations import MIGRATIONS, migrate
from kronkeep_daemon.history.rows import Row

WRITER_CACHE = 16 * 1024  # KiB
READER_CACHE = 8 * 1024  # KiB
BUSY_SECONDS = 10.0
CHECKPOINT_BYTES = 4 * 1024 * 1024  # of the WAL that are not in the database, for a checkpoint
LARGEST_WAL = 64 * 1024 * 1024  # bytes that the WAL keeps after a checkpoint
FREE_SHARE = 0.125  # of the pages stay free; a day of eight that are kept leaves as many
SMALL = 16 * 1024 * 1024  # bytes of a database that is checked as a whole when it is opened


class RowChange(NamedTuple):
    """A change of one document: its row, or None when it is removed; `id` is its id, or its number.

    retracts: what is removed was not so, and nothing counts it any more.
    """

    table: str
    number: int
    id: str
    row: Row | None
    retracts: bool = False


def connect(path: Path, *, cache_kib: int = READER_CACHE, read_only: bool = True) -> sqlite3.Connection:
    """Return a connection to a database; raise sqlite3.Error."""
    address = f"{path.resolve().as_uri()}?mode=ro" if read_only else str(path)
    connection = sqlite3.connect(
        address,
        uri=read_only,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_SECONDS,
        cached_statements=500,
    )
    try:
        connection.execute(f"PRAGMA cache_size=-{cache_kib}")
        connection.execute("PRAGMA cell_size_check=ON")
        connection.execute("PRAGMA trusted_schema=OFF")
    except BaseException:  # a file that is no database is noticed here
        connection.close()
        raise
    return connection


class Database:
    """The open database of a folder.

    With `counts_figures` runs and backups are counted in the table `figures`, in the same transactions.

    Opening creates it where there is none; raise StateInUse, OldHistory, HistoryTooNew, DamagedHistory,
    ReadOnlyHistory.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / history_folder.DATABASE
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._wal_index: WalIndex | None = None
        self._last_numbers: dict[str, int] = {}
        self._weeks = StoredWeeks()
        self.counts_figures = True
        with translate_faults(folder):
            self._lock = history_folder.lock(folder)
        try:
            with translate_faults(folder):
                self._open()
        except BaseException:
            self._close_connections()
            os.close(self._lock)
            raise

    def _open(self) -> None:
        history_folder.refuse_journal(self.folder)
        history_folder.remove_leftovers(self.folder)
        newest = history_folder.read_newest(self.folder)
        if newest is not None and not self.path.exists():
            raise DamagedHistory(f"The history is damaged: {self.path.name} is missing.", file=str(self.path))
        self._writer = connect(self.path, cache_kib=WRITER_CACHE, read_only=False)
        configure_writer(self._writer)
        if newest is None and _is_empty(self._writer):
            self._create()
        migrate(self._writer, self.path)
        check_format(self._writer)
        self._reader = connect(self.path)
        self._wal_index = WalIndex(self.folder)
        self.history_id = read_history_id(self._writer)
        self.changes = ChangeLog(self._writer)
        self.tables = read_tables(self._writer)
        check_newest(self.folder, self._writer)
        if self.path.stat().st_size <= SMALL and (faults := check_whole(self._writer)):
            raise DamagedHistory(
                f"The history is damaged: {self.path.name}: {faults[0]}.", file=str(self.path)
            )
        self._newest = NewestFile(self.folder, self.history_id, self.changes.last)

    @property
    def writer(self) -> sqlite3.Connection:
        """The connection of the writer's thread."""
        assert self._writer is not None
        return self._writer

    @property
    def reader(self) -> sqlite3.Connection:
        """The connection for short reads in the event loop."""
        assert self._reader is not None
        return self._reader

    def _create(self) -> None:
        """Create kronkeep's own tables, durably and at once."""
        with _transaction(self.writer):
            self.writer.execute(f"PRAGMA application_id={schema.APPLICATION_ID}")
            for statement in schema.CREATE_OWN_TABLES:
                self.writer.execute(statement)
            self.writer.execute("INSERT INTO meta VALUES('history_id', ?)", (secrets.token_hex(16),))
            self.writer.execute(f"PRAGMA user_version={schema.FORMAT}")
        sync_folder(self.folder)

    def write(self, batch: Sequence[RowChange]) -> None:
        """Make a batch of changes durable, or none of them; raise ReadOnlyHistory, DamagedHistory."""
        with translate_faults(self.folder):
            try:
                self._write_or_replace(batch)
            except BaseException:
                self._weeks.forget()
                raise
            self.changes.mark_durable(self.writer)
        with suppress(OSError):  # after a fault it names an older change, which is true as well
            self._newest.write(self.changes.last)

    def _write_or_replace(self, batch: Sequence[RowChange]) -> None:
        try:
            self._write(batch, replace=False)
        except sqlite3.IntegrityError:
            # A change before this batch was undone, and now two documents have one id: the later stays.
            self._weeks.forget()
            self._write(batch, replace=True)

    def _write(self, batch: Sequence[RowChange], *, replace: bool) -> None:
        connection = self.writer
        new_tables = {change.table for change in batch} - self.tables
        if self.counts_figures and TABLE not in self.tables and any(each.table in COUNTED for each in batch):
            new_tables.add(TABLE)
        last_numbers = dict(self._last_numbers)
        rows = BatchWriter(connection, last_numbers, self._weeks, counts_figures=self.counts_figures)
        with _transaction(connection):
            for name in sorted(new_tables):
                for statement in schema.create_table(name):
                    connection.execute(statement)
            for (table, is_put, retracts), changes in groupby(batch, key=_kind):
                if is_put:
                    rows.put(table, [change.row for change in changes if change.row], replace=replace)
                else:
                    rows.remove(table, [change.number for change in changes], retracts=retracts)
            rows.finish()
            self.changes.append(connection, _rows_without_number(batch))
        self.tables |= new_tables
        self._last_numbers = last_numbers

    def drop_table(self, name: str) -> None:
        """Drop a table whose documents are removed; raise ReadOnlyHistory, DamagedHistory."""
        if name in self.tables:
            with translate_faults(self.folder), _transaction(self.writer):
                self.writer.execute(f"DROP TABLE {schema.quote(name)}")
                self.writer.execute("DELETE FROM counts WHERE table_name = ?", (name,))
            self.tables.discard(name)
            self._last_numbers.pop(name, None)
            self._weeks.forget()

    def wants_checkpoint(self) -> bool:
        """Whether enough of the WAL is not in the database yet."""
        assert self._wal_index is not None
        return self._wal_index.waiting_bytes() >= CHECKPOINT_BYTES

    def checkpoint(self) -> None:
        """Write the WAL into the database; raise ReadOnlyHistory, DamagedHistory.

        What it could not write, for lack of space or for a reader, stays in the WAL, durable.
        """
        with translate_faults(self.folder):
            self.writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def truncate_wal(self) -> None:
        """Write the WAL into the database and give its space back; raise ReadOnlyHistory, DamagedHistory."""
        with translate_faults(self.folder):
            self.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def compact(self) -> None:
        """Write the database without its free pages; raise ReadOnlyHistory, DamagedHistory."""
        with translate_faults(self.folder):
            self.writer.execute("VACUUM")
            self.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def release_pages(self, most: int) -> int:
        """Give at most that many free pages back to the file system and return how many more are to go.

        A share of the database stays free for the next records: each page that goes back is first filled with
        another from the end of the file, which costs as much as the record that left it.
        """
        with translate_faults(self.folder):
            surplus = self._count_surplus_pages()
            if surplus:  # as a script: `execute` takes one step of it, which gives back one page
                self.writer.executescript(f"PRAGMA incremental_vacuum({min(most, surplus)})")
            return max(0, surplus - most)

    def _count_surplus_pages(self) -> int:
        (free,) = self.writer.execute("PRAGMA freelist_count").fetchone()
        (pages,) = self.writer.execute("PRAGMA page_count").fetchone()
        return max(0, int((free - pages * FREE_SHARE) / (1 - FREE_SHARE)))

    def close(self) -> None:
        """Write the WAL into the database, close it and release the folder."""
        try:
            self._close_connections()
        finally:
            self._newest.close()
            os.close(self._lock)

    def _close_connections(self) -> None:
        with suppress(sqlite3.Error):  # what a failed disk does not take stays in the WAL
            if self._reader is not None:
                self._reader.close()
            if self._writer is not None:
                self._writer.close()
        if self._wal_index is not None:  # after the connections, see WalIndex
            self._wal_index.close()


def configure_writer(connection: sqlite3.Connection) -> None:
    """Switch the connection to WAL and durable commits; raise sqlite3.Error."""
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # in effect where the database is new
    connection.execute("PRAGMA journal_mode=WAL").fetchall()
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA wal_autocheckpoint=0").fetchall()
    connection.execute(f"PRAGMA journal_size_limit={LARGEST_WAL}").fetchall()
    connection.execute("PRAGMA secure_delete=FAST").fetchall()


def _is_empty(connection: sqlite3.Connection) -> bool:
    return not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise


def _kind(change: RowChange) -> tuple[str, bool, bool]:
    return change.table, change.row is not None, change.retracts


def _rows_without_number(batch: Sequence[RowChange]) -> list[Unnumbered]:
    return [(change.table, change.id, _logged_body(change)) for change in batch]


def _logged_body(change: RowChange) -> bytes | None:
    if change.row is not None:
        return change.row.body
    return RETRACTED if change.retracts else None


def check_format(connection: sqlite3.Connection) -> None:
    """Raise DamagedHistory for a file that is no history, OldHistory or HistoryTooNew for another format."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application == schema.APPLICATION_ID and version in MIGRATIONS:
        raise OldHistory(
            f"{history_folder.DATABASE} has the format {version} of an earlier kronkeep.",
            next_step="Start kronkeepd on this folder once: it brings the history to its own format.",
        )
    if application != schema.APPLICATION_ID or version < schema.FORMAT:
        raise DamagedHistory(f"The history is damaged: {history_folder.DATABASE} is no history of kronkeep.")
    if version > schema.FORMAT:
        raise HistoryTooNew(f"{history_folder.DATABASE} was written by a later kronkeep (format {version}).")


def read_history_id(connection: sqlite3.Connection) -> str:
    """Return the random id that the history got when it was created; raise DamagedHistory."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'history_id'").fetchone()
    if row is None:
        raise DamagedHistory(f"The history is damaged: {history_folder.DATABASE} has no id.")
    return str(row[0])


def check_newest(folder: Path, connection: sqlite3.Connection) -> None:
    """Raise DamagedHistory where the database lacks changes that were acknowledged."""
    newest = history_folder.read_newest(folder)
    if newest is None:
        return
    path = folder / history_folder.DATABASE
    if newest.history_id != read_history_id(connection):
        raise DamagedHistory(
            f"The history is damaged: {path.name} is that of another folder.", file=str(path)
        )
    last = last_sequence(connection)
    if newest.sequence > last:
        raise DamagedHistory(
            f"The history ends at change {last}, but change {newest.sequence} was acknowledged: "
            "its newest changes are lost.",
            file=str(path),
            sequence=last,
        )


def read_tables(connection: sqlite3.Connection) -> set[str]:
    """Return the names of the TinyDB tables; raise DamagedHistory."""
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    names = {name for (name,) in rows}
    if not all(isinstance(name, str) for name in names):  # as one flipped bit may make of it
        raise DamagedHistory(f"The history is damaged: {history_folder.DATABASE}: a table's name is no text.")
    return {name for name in names if name not in schema.OWN_TABLES and not name.startswith(schema.RESERVED)}
