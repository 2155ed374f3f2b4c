"""The loader: it reads a folder's files and builds the rows, from the last body of each document.

Rows and indexes are built after the last batch, so that a document that changed a hundred times is parsed
once. The latest changes are remembered for readers of events who resume.
"""

from collections import deque
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from kronkeep_daemon.history import journal_files
from kronkeep_daemon.history.changes import Change
from kronkeep_daemon.history.documents import BODY, ID, NUMBER, Row, row_of
from kronkeep_daemon.history.journal import BatchLine, Entry
from kronkeep_daemon.history.journal_files import ReadResult

RECENT = 20_000  # changes

Bodies = dict[str, dict[int, bytes]]


class LoadedHistory(NamedTuple):
    """What a folder holds: rows by table and number, the latest changes, and how its files end."""

    tables: dict[str, dict[int, Row]]
    recent: list[Change]
    read: ReadResult


def load(folder: Path) -> LoadedHistory:
    """Read a folder and change nothing; raise DamagedHistory, HistoryTooNew, OSError."""
    bodies: Bodies = {}
    recent: deque[tuple[int, Entry, bytes | None]] = deque(maxlen=RECENT)
    reading = journal_files.read_all(folder)
    read = _gather(reading, bodies, recent)
    tables = {name: _rows(bodies.pop(name)) for name in list(bodies)}
    return LoadedHistory(tables, [_change(*found, tables) for found in recent], read)


def _rows(bodies: dict[int, Any]) -> dict[int, Row]:
    """Replace the bodies with their rows in place: a second table of 100,000 would cost 5 MB."""
    for number, body in bodies.items():
        bodies[number] = row_of(number, body)
    return bodies


def _gather(
    reading: Generator[BatchLine, None, ReadResult],
    bodies: Bodies,
    recent: "deque[tuple[int, Entry, bytes | None]]",
) -> ReadResult:
    while True:
        try:
            line = next(reading)
        except StopIteration as ended:
            return ended.value  # type: ignore[no-any-return]
        for seq, entry in enumerate(line.entries, line.seq - len(line.entries) + 1):
            documents = bodies.setdefault(entry.table, {})
            old = documents.get(entry.number)
            if entry.body is None:
                documents.pop(entry.number, None)
            else:
                documents[entry.number] = entry.body
            if not line.snapshot:
                recent.append((seq, entry, old))


def collect(entries: Iterable[Entry]) -> Bodies:
    """Return the last body of each document."""
    bodies: Bodies = {}
    for table, number, body in entries:
        if body is None:
            bodies.setdefault(table, {}).pop(number, None)
        else:
            bodies.setdefault(table, {})[number] = body
    return bodies


def _change(seq: int, entry: Entry, old: bytes | None, tables: dict[str, dict[int, Row]]) -> Change:
    body = entry.body or old
    row = tables[entry.table].get(entry.number)
    if body and (row is None or row[BODY] is not body):
        row = row_of(entry.number, body)
    name = row[ID] if row and body else ""
    return Change(
        seq=seq,
        table=entry.table,
        id=name or str(entry.number),
        op="put" if entry.body else "remove",
        body=entry.body,
    )


def batches(tables: dict[str, list[Row]], size: int = 500) -> Generator[list[Entry], None, None]:
    """Yield the rows as batches of a snapshot, `size` documents in each."""
    for name, rows in tables.items():
        for start in range(0, len(rows), size):
            yield [Entry(name, row[NUMBER], row[BODY]) for row in rows[start : start + size]]
