"""Rows are written whole or in part, and the database has the same as if each was written whole."""

import random
import re
from pathlib import Path

import msgspec
import pytest

from kronkeep_daemon.history.database_check import check_whole
from kronkeep_daemon.history.rows import COLUMNS, Row, row_of
from kronkeep_daemon.history.sqlite_storage import SqliteStorage

TABLE = "things"


def make_row(number: int, rng: random.Random) -> Row:
    document = {
        "id": f"id-{number}",
        "created_at": f"2026-01-0{rng.randint(1, 2)}T00:00:00Z",
        "status": rng.choice(["running", "succeeded", None]),
        "cronjob_id": rng.choice(["a", "b", None]),
        "note": rng.randint(1, 3),
    }
    chosen = {name: value for name, value in document.items() if value is not None}
    return row_of(number, msgspec.json.encode(chosen))


def read_rows(storage: SqliteStorage) -> dict[int, Row]:
    sql = f"SELECT number, {', '.join(COLUMNS)}, CAST(body AS BLOB) FROM {TABLE}"
    return {values[0]: Row._make(values) for values in storage.database.reader.execute(sql)}


@pytest.mark.parametrize("seed", range(4))
def test_columns_and_indexes_follow_each_change(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    storage = SqliteStorage(tmp_path)
    expected: dict[int, Row] = {}
    for _ in range(30):
        for _ in range(rng.randint(1, 12)):  # of one number there may be several in a batch
            number = rng.randint(1, 8)
            old = expected.pop(number, None)
            if old is not None and rng.random() < 0.2:
                storage.remove_row(TABLE, old)
                continue
            expected[number] = make_row(number, rng)
            storage.put_row(TABLE, expected[number], old)
        storage.flush()
        assert read_rows(storage) == expected
        assert not check_whole(storage.database.writer)
    statuses = {row.status for row in expected.values() if row.status}
    rows = storage.rows(TABLE)
    assert {status: number for status, number in rows.count("status", {}).items() if number} == {
        status: sum(row.status == status for row in expected.values()) for status in statuses
    }
    storage.close()


def test_a_change_of_the_status_leaves_the_indexes_of_other_columns_alone(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path)
    statements: list[str] = []
    body = b'{"id":"r","created_at":"2026-01-01T00:00:00Z","status":"running","namespace":"n"}'
    old = row_of(1, body)
    storage.put_row(TABLE, old, None)
    storage.flush()
    storage.database.writer.set_trace_callback(statements.append)
    storage.put_row(TABLE, row_of(1, body.replace(b"running", b"failed")), old)
    storage.flush()
    (written,) = [sql for sql in statements if f'"{TABLE}"' in sql and not sql.startswith("SELECT")]
    assert written.startswith("UPDATE")
    assert re.findall(r"(\w+) = ", written) == ["checksum", "body", "status", "number"]
    storage.close()
