"""Rows and their indexes against a plain list: after any changes the same results in the same order."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tinydb import TinyDB, where
from tinydb.queries import QueryInstance
from tinydb.storages import MemoryStorage

from kronkeep_daemon.history.documents import Documents, row_of
from kronkeep_daemon.history.storage import JournalStorage
from kronkeep_daemon.history.table import JournalTable, candidate_rows

DOCS = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["u1", "u2", "u3", ""]),
        "cronjob": st.sampled_from(["a", "b"]),
        "status": st.sampled_from(["failed", "succeeded", "running"]),
        "created_at": st.integers(0, 9).map(lambda second: f"2026-01-01T00:00:0{second}Z"),
    }
)
CHANGES = st.lists(st.tuples(st.integers(1, 8), st.none() | DOCS), max_size=30)
EQUAL = st.dictionaries(st.sampled_from(["cronjob", "status", "id"]), st.sampled_from(["a", "failed", "u1"]))


@given(CHANGES, EQUAL, st.none() | st.integers(0, 9), st.integers(0, 9))
def test_newest_and_counts_are_those_of_a_plain_list(
    changes: list[tuple[int, dict[str, str] | None]], equal: dict[str, str], before: int | None, since: int
) -> None:
    documents = Documents()
    model = dict[int, dict[str, str]]()
    for number, doc in changes:
        if doc is None:
            documents.remove(number)
            model.pop(number, None)
        else:
            documents.put(row_of(number, msgspec.json.encode(doc)))
            model[number] = doc
    low = f"2026-01-01T00:00:0{since}"
    place = (f"2026-01-01T00:00:0{before}", -1)
    expected = sorted(
        (
            (doc["created_at"][:-1], number)
            for number, doc in model.items()
            if all(doc[field] == value for field, value in equal.items()) and doc["created_at"][:-1] >= low
        ),
        reverse=True,
    )
    expected = [key for key in expected if before is None or key < place]
    rows = documents.newest(equal, before=place if before is not None else None, since=low)
    assert [row[:2] for row in rows] == expected
    statuses = [
        doc["status"] for doc in model.values() if all(doc[field] == value for field, value in equal.items())
    ]
    assert documents.count("status", equal) == {status: statuses.count(status) for status in set(statuses)}


TERMS = st.sampled_from(
    [
        where("cronjob") == "a",
        where("status") == "failed",
        where("id") == "u1",
        where("status").one_of(["failed", "running"]),
        where("created_at") > "2026-01-01T00:00:04Z",
        where("created_at") <= "2026-01-01T00:00:06Z",
        where("created_at") < "2026-01-01T00:00:03",
        where("other") == 1,
    ]
)


def join_queries(parts: tuple[Any, Any, bool]) -> QueryInstance:
    left, right, both = parts
    query: QueryInstance = left & right if both else left | right
    return query


QUERIES = st.recursive(
    TERMS, lambda inner: st.tuples(inner, inner, st.booleans()).map(join_queries), max_leaves=5
)


@given(st.lists(DOCS, max_size=15), QUERIES)
def test_a_query_finds_what_stock_finds(docs: list[dict[str, str]], query: QueryInstance) -> None:
    stock = TinyDB(storage=MemoryStorage).table("t")
    ours = JournalTable(storage=JournalStorage(), name="t")
    for table in (stock, ours):
        table.insert_multiple(docs)
    assert ours.search(query) == stock.search(query)


@pytest.mark.parametrize(
    ("query", "most"),
    [
        (where("cronjob") == "c7", 10),
        ((where("cronjob") == "c7") & (where("status") == "failed"), 5),
        (
            (where("other") == 1)
            & ((where("cronjob") == "c7") & (where("created_at") < "2026-01-01T00:05:00Z")),
            3,
        ),
        (where("id") == "u500", 1),
        ((where("id") == "u500") | (where("cronjob") == "c7"), 11),
        (where("cronjob").one_of(["c7", "c8"]), 20),
    ],
)
def test_a_query_on_indexed_fields_looks_only_at_what_can_meet_it(query: QueryInstance, most: int) -> None:
    table = JournalTable(storage=JournalStorage(), name="t")
    table.insert_multiple(
        {
            "id": f"u{number}",
            "cronjob": f"c{number % 100}",
            "status": ("failed", "succeeded")[number // 100 % 2],
            "created_at": f"2026-01-01T00:{number // 60:02}:{number % 60:02}Z",
        }
        for number in range(1000)
    )
    rows = candidate_rows(table.documents, query._hash)
    assert rows is not None
    assert 0 < len(rows) <= most
