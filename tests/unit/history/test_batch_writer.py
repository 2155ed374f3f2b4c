"""What is counted with each batch: documents by status and figures, whatever the batch does to a row."""

import random
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from kronkeep_daemon.history.database import Database, RowChange, connect
from kronkeep_daemon.history.database_check import check_whole
from kronkeep_daemon.history.rows import row_of


def put(number: int, status: str | None, record_id: str = "", **fields: Any) -> RowChange:
    document = {
        "id": record_id or f"r{number}",
        "status": status,
        "created_at": "2026-01-01T00:00:00Z",
        "namespace": "n",
        "cronjob_id": "u",
        **fields,
    }
    row = row_of(number, msgspec.json.encode(document))
    return RowChange(table="executions", number=number, id=document["id"], row=row)


def remove(number: int) -> RowChange:
    return RowChange(table="executions", number=number, id=f"r{number}", row=None)


def counts_of(connection: sqlite3.Connection) -> dict[str, int]:
    rows = connection.execute(
        "SELECT status, documents FROM counts WHERE table_name = 'executions' AND documents <> 0"
    )
    return dict(rows)


def runs_counted(connection: sqlite3.Connection) -> int:
    bodies = connection.execute("SELECT body FROM figures WHERE status = 'namespace'")
    return sum(day[0] for (body,) in bodies for day in msgspec.json.decode(body)["days"] if day)


def test_no_statement_that_puts_a_row_fires_a_trigger(tmp_path: Path) -> None:
    """SQLite copies every page that such a statement changes: four times the time of the row itself."""
    database = Database(tmp_path)
    database.write([put(1, "succeeded")])
    assert database.writer.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall() == []
    database.close()


def test_a_row_that_a_batch_puts_changes_and_removes_is_counted_as_it_ends(tmp_path: Path) -> None:
    database = Database(tmp_path)
    database.write([put(1, "running"), put(2, "failed"), put(3, None), put(4, "succeeded")])
    database.write(
        [
            put(1, "failed"),
            put(1, "succeeded"),
            remove(2),
            put(5, "running"),
            remove(5),
            remove(3),
            put(3, "missed"),
            remove(9),
            put(4, "succeeded", message="the same status"),
        ]
    )
    assert counts_of(database.writer) == {"succeeded": 2, "missed": 1}
    assert runs_counted(database.writer) == 3
    assert check_whole(database.writer) == []
    database.close()


def test_a_row_that_another_of_its_id_replaces_is_no_longer_counted(tmp_path: Path) -> None:
    database = Database(tmp_path)
    database.write([put(1, "failed", "same"), put(2, "running")])
    database.write([put(7, "succeeded", "same")])  # as after an undone change
    assert counts_of(database.writer) == {"succeeded": 1, "running": 1}
    assert check_whole(database.writer) == []
    database.close()


def test_any_batches_leave_the_counts_that_a_count_of_all_rows_gives(tmp_path: Path) -> None:
    chance = random.Random(17)
    database = Database(tmp_path)
    states: dict[int, str] = {}
    for _ in range(60):
        batch = []
        for _ in range(chance.randrange(1, 40)):
            number = chance.randrange(1, 1200)
            if chance.random() < 0.3:
                states.pop(number, None)
                batch.append(remove(number))
            else:
                states[number] = chance.choice(["running", "succeeded", "failed", "pending"])
                batch.append(put(number, states[number]))
        database.write(batch)
    assert counts_of(database.writer) == Counter(states.values())
    database.close()
    with closing(connect(tmp_path / "history.db")) as connection:
        assert check_whole(connection) == []
