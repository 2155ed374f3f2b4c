"""Rows of SQLite with pending changes over them against a plain list: the same results in the same order."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tinydb import TinyDB, where
from tinydb.queries import QueryInstance
from tinydb.storages import MemoryStorage

from kronkeep_common.errors import InvalidRequest
from kronkeep_daemon.history.query_sql import condition_of
from kronkeep_daemon.history.sqlite_storage import SqliteStorage
from kronkeep_daemon.history.sqlite_table import SqliteTable

NUMBERS = count()
DOCS = st.fixed_dictionaries(
    {
        "cronjob_id": st.sampled_from(["a", "b"]),
        "status": st.sampled_from(["failed", "succeeded", "running", 5]),
        "created_at": st.integers(0, 9).map(lambda second: f"2026-01-01T00:00:0{second}Z"),
    }
)
CHANGES = st.lists(st.tuples(st.integers(1, 8), st.none() | DOCS), max_size=15)
EQUAL = st.dictionaries(st.sampled_from(["cronjob_id", "status"]), st.sampled_from(["a", "failed"]))
SLOW = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[SqliteStorage]:
    opened = SqliteStorage(tmp_path)
    yield opened
    opened.close()


def make_table(storage: SqliteStorage) -> SqliteTable:
    return SqliteTable(storage, f"t{next(NUMBERS)}", cache_size=0)


def change(
    storage: SqliteStorage, table: SqliteTable, changes: Any, model: dict[int, dict[str, Any]]
) -> None:
    for number, doc in changes:
        storage.change(table.name, number, msgspec.json.encode(doc) if doc is not None else None)
        model.pop(number, None)
        if doc is not None:
            model[number] = doc


@SLOW
@given(CHANGES, CHANGES, EQUAL, st.none() | st.integers(0, 9), st.integers(0, 9), st.integers(1, 9))
def test_newest_and_counts_are_those_of_a_plain_list(
    storage: SqliteStorage, durable: Any, pending: Any, equal: Any, before: int | None, since: int, limit: int
) -> None:
    table = make_table(storage)
    model = dict[int, dict[str, Any]]()
    change(storage, table, durable, model)
    storage.flush()
    change(storage, table, pending, model)
    chosen = {
        number: doc
        for number, doc in model.items()
        if all(doc[field] == value for field, value in equal.items())
    }
    keys = sorted(((doc["created_at"][:-1], number) for number, doc in chosen.items()), reverse=True)
    low = f"2026-01-01T00:00:0{since}"
    place = (f"2026-01-01T00:00:0{before}", -1)
    expected = [key for key in keys if key[0] >= low and (before is None or key < place)]
    rows = table.rows.newest(equal, limit=limit, before=place if before is not None else None, since=low)
    assert [row.position for row in rows] == expected[:limit]
    statuses = [doc["status"] if doc["status"] != 5 else "" for doc in chosen.values()]
    assert table.rows.count("status", equal) == {
        status: statuses.count(status) for status in set(statuses) - {""}
    }
    newest = [model[number]["status"] for _, number in keys]
    assert table.rows.newest_statuses(equal, limit) == [s if s != 5 else "" for s in newest][:limit]
    assert len(table) == len(model)
    assert [row.number for row in table.rows.iterate()] == sorted(model) == table.rows.numbers()
    oldest = [
        number for time, number in sorted((d["created_at"][:-1], n) for n, d in model.items()) if time < low
    ]
    assert table.rows.oldest_numbers(limit=limit, before=low) == oldest[:limit]
    cronjobs = {doc["cronjob_id"] for doc in model.values()}
    assert cronjobs <= set(table.rows.distinct("cronjob_id"))
    assert table.rows.position_of_nth(equal, limit) == (keys[limit - 1] if len(keys) >= limit else None)
    storage.flush()
    assert [row.position for row in table.rows.newest(equal, limit=20)] == keys
    assert list(table.rows.distinct("cronjob_id")) == sorted(cronjobs)


def is_running(status: object) -> bool:
    return status == "running"


TERMS = st.sampled_from(
    [
        where("cronjob_id") == "a",
        where("status") == "failed",
        where("status") == 5,
        where("status") != "failed",
        where("id") == "u1",
        where("status").one_of(["failed", "running"]),
        where("status").one_of(["failed", 5]),
        where("status") > "g",
        where("status").test(is_running),
        where("created_at") > "2026-01-01T00:00:04Z",
        where("created_at") <= "2026-01-01T00:00:06Z",
        where("created_at") == "2026-01-01T00:00:06Z",
        where("created_at") < "2026-01-01T00:00:03",
        where("other") == 1,
    ]
)


def join_queries(parts: tuple[Any, Any, str]) -> QueryInstance:
    left, right, word = parts
    query: QueryInstance = {"and": left & right, "or": left | right, "not": ~left}[word]
    return query


QUERIES = st.recursive(
    TERMS,
    lambda inner: st.tuples(inner, inner, st.sampled_from(["and", "or", "not"])).map(join_queries),
    max_leaves=5,
)
TEXTS = DOCS.filter(lambda doc: doc["status"] != 5)  # stock TinyDB cannot compare a number with a text either


@SLOW
@given(st.lists(TEXTS, max_size=10), st.lists(TEXTS, max_size=5), QUERIES)
def test_a_query_offers_what_stock_offers(
    storage: SqliteStorage, durable: list[Any], pending: list[Any], query: QueryInstance
) -> None:
    stock = TinyDB(storage=MemoryStorage).table("t")
    ours = make_table(storage)
    for docs in (durable, pending):
        storage.flush()
        for table in (stock, ours):
            table.insert_multiple(docs)
    assert ours.search(query) == stock.search(query)
    assert ours.get(query) == stock.get(query)


@pytest.mark.parametrize(
    ("query", "most"),
    [
        (where("cronjob_id") == "c7", 10),
        ((where("cronjob_id") == "c7") & (where("status") == "failed"), 5),
        (
            (where("other") == 1)
            & ((where("cronjob_id") == "c7") & (where("created_at") < "2026-01-01T00:05:00Z")),
            3,
        ),
        (where("id") == "u500", 1),
        ((where("id") == "u500") | (where("cronjob_id") == "c7"), 11),
        (where("cronjob_id").one_of(["c7", "c8"]), 20),
    ],
)
def test_a_query_on_columns_reads_only_what_can_meet_it(
    storage: SqliteStorage, query: QueryInstance, most: int
) -> None:
    table = make_table(storage)
    table.insert_multiple(
        {
            "id": f"u{number}",
            "cronjob_id": f"c{number % 100}",
            "status": ("failed", "succeeded")[number // 100 % 2],
            "created_at": f"2026-01-01T00:{number // 60:02}:{number % 60:02}Z",
        }
        for number in range(1000)
    )
    storage.flush()
    condition = condition_of(query._hash)
    assert condition is not None
    assert 0 < len(list(table.rows.candidates(condition))) <= most


def test_two_documents_of_one_id_are_refused(storage: SqliteStorage) -> None:
    table = make_table(storage)
    table.insert({"id": "a"})
    for _ in range(2):
        with pytest.raises(ValueError, match="already exists"):
            table.insert({"id": "a"})
        storage.flush()
    assert len(table) == 1


def test_what_was_read_ahead_follows_every_change(storage: SqliteStorage) -> None:
    table = make_table(storage)
    numbers = {record_id: table.insert({"id": record_id, "n": 0}) for record_id in ("a", "b", "c")}
    storage.flush()

    def shown() -> dict[str, object]:
        rows = {record_id: table.rows.by_id(record_id) for record_id in ("a", "b", "c", "d")}
        return {record_id: msgspec.json.decode(row.body)["n"] for record_id, row in rows.items() if row}

    table.rows.read_ahead(["a", "b", "c", "d"])
    assert shown() == {"a": 0, "b": 0, "c": 0}
    storage.change(table.name, numbers["a"], b'{"id":"a","n":1}')
    storage.change(table.name, numbers["b"], None)
    storage.change(table.name, numbers["c"], b'{"id":"d","n":2}')
    for _ in range(2):
        assert shown() == {"a": 1, "d": 2}
        storage.flush()
    storage.change(table.name, numbers["a"], b'{"id":"a","n":9}')
    batch = storage.take_queued()
    table.rows.read_ahead(["a", "d"])
    storage.undo(batch)
    assert shown() == {"a": 1, "d": 2}


def test_many_ids_are_read_ahead_with_one_query(storage: SqliteStorage) -> None:
    table = make_table(storage)
    table.insert_multiple({"id": str(number)} for number in range(50))
    storage.flush()
    statements: list[str] = []
    storage.database.reader.set_trace_callback(statements.append)
    table.rows.read_ahead([str(number) for number in range(100)])
    ids = [row.id for number in range(100) if (row := table.rows.by_id(str(number)))]
    storage.database.reader.set_trace_callback(None)
    assert ids == [str(number) for number in range(50)]
    assert len(statements) == 1


@pytest.mark.parametrize("name", ["changes", "Counts", "sqlite_x", "kronkeep_x"])
def test_reserved_names_of_tables_are_refused(storage: SqliteStorage, name: str) -> None:
    with pytest.raises(InvalidRequest):
        SqliteTable(storage, name)
