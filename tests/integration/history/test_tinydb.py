"""What TinyDB documents, done to stock TinyDB and to the history: same results, same documents afterwards."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tinydb import TinyDB, where
from tinydb.operations import delete, increment
from tinydb.storages import MemoryStorage
from tinydb.table import Document

from kronkeep_common.clock import SystemClock
from kronkeep_daemon.history import History


async def open_history(folder: Path) -> History:
    return await History.open(folder, clock=SystemClock())


def both(act: Callable[[Any], Any], folder: Path) -> tuple[Any, Any]:
    """Do the same to TinyDB in memory and to the history."""

    async def ours() -> Any:
        history = await open_history(folder)
        table = history.table("t")
        answer = act(table)
        rest = sorted((d.doc_id, dict(d)) for d in table.all())
        await history.close()
        again = await open_history(folder)
        assert sorted((d.doc_id, dict(d)) for d in again.table("t").all()) == rest
        await again.close()
        return answer, rest

    stock = TinyDB(storage=MemoryStorage).table("t")
    answer = act(stock)
    return (answer, sorted((d.doc_id, dict(d)) for d in stock.all())), asyncio.run(ours())


def refusal(act: Callable[[], Any]) -> str:
    try:
        act()
    except (ValueError, RuntimeError, KeyError) as refusal:
        return type(refusal).__name__
    return "taken"


ACTIONS: dict[str, Callable[[Any], Any]] = {
    "insert": lambda t: t.insert({"a": 1}),
    "insert_multiple": lambda t: t.insert_multiple([{"a": i} for i in range(3)]),
    "search": lambda t: (
        t.insert_multiple([{"status": "x"}, {"status": "y"}]), t.search(where("status") == "x")
    )[1],
    "search_and": lambda t: (
        t.insert_multiple([{"status": s, "cronjob": c} for s in "xy" for c in "ab"]),
        t.search((where("status") == "x") & (where("cronjob") == "b")),
    )[1],
    "search_or": lambda t: (
        t.insert_multiple([{"status": s} for s in "xyz"]),
        t.search((where("status") == "x") | (where("status") == "z")),
    )[1],
    "get_by_number": lambda t: (t.insert({"a": 1}), t.get(doc_id=1), t.get(doc_id=7))[1:],
    "contains": lambda t: (t.insert({"a": 1}), t.contains(where("a") == 1), t.contains(doc_id=2))[1:],
    "update": lambda t: (t.insert_multiple([{"a": 1}, {"a": 2}]), t.update({"b": 3}, where("a") == 2))[1],
    "update_all": lambda t: (t.insert_multiple([{"a": 1}, {"a": 2}]), t.update({"b": 3}))[1],
    "upsert": lambda t: [t.upsert({"id": "k", "v": v}, where("id") == "k") for v in (1, 2)],
    "remove": lambda t: (t.insert_multiple([{"a": 1}, {"a": 2}]), t.remove(where("a") == 1))[1],
    "remove_by_number": lambda t: (t.insert_multiple([{"a": 1}, {"a": 2}]), t.remove(doc_ids=[2]))[1],
    "truncate": lambda t: (t.insert({"a": 1}), t.truncate(), len(t))[2],
    "count_and_length": lambda t: (
        t.insert_multiple([{"a": i % 2} for i in range(5)]), t.count(where("a") == 0), len(t)
    )[1:],
    "insert_with_id": lambda t: [t.insert(Document({"a": 1}, doc_id=12)), t.insert({"a": 2}), t.all()],
    "insert_taken_id": lambda t: (t.insert({"a": 1}), refusal(lambda: t.insert(Document({}, doc_id=1))))[1],
    "insert_no_mapping": lambda t: refusal(lambda: t.insert([1])),
    "insert_multiple_with_ids": lambda t: (
        t.insert_multiple([Document({"a": n}, doc_id=n) for n in (7, 3)]), t.insert({"a": 0})
    ),
    "get_by_numbers": lambda t: (
        t.insert_multiple([{"a": n} for n in range(5)]), sorted(d["a"] for d in t.get(doc_ids=[4, 1, 9]))
    )[1],
    "get_nothing_asked": lambda t: refusal(lambda: t.get()),
    "contains_nothing_asked": lambda t: refusal(lambda: t.contains()),
    "upsert_by_id": lambda t: [t.upsert(Document({"a": n}, doc_id=5)) for n in (1, 2)],
    "upsert_nothing_asked": lambda t: refusal(lambda: t.upsert({"a": 1})),
    "remove_nothing_asked": lambda t: refusal(lambda: t.remove()),
    "remove_missing_number": lambda t: refusal(lambda: t.remove(doc_ids=[3])),
    "update_by_numbers": lambda t: (
        t.insert_multiple([{"a": n} for n in range(3)]), t.update({"b": 1}, doc_ids=[1, 3])
    )[1],
    "update_by_function": lambda t: (
        t.insert_multiple([{"a": n} for n in range(3)]), t.update(increment("a"), where("a") > 0)
    )[1],
    "update_multiple": lambda t: (
        t.insert_multiple([{"a": n} for n in range(3)]),
        t.update_multiple([({"b": 1}, where("a") == 1), (delete("a"), where("a") == 2)]),
    )[1],
    "search_nested": lambda t: (
        t.insert_multiple([{"a": {"b": n}} for n in range(3)]), t.search(where("a").b.test(lambda n: n > 1))
    )[1],
    "numbers_after_removal": lambda t: (t.insert_multiple([{}, {}]), t.remove(doc_ids=[2]), t.insert({})),
    "iteration": lambda t: (t.insert_multiple([{"a": 1}, {"a": 2}]), [dict(d) for d in t])[1],
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_what_tinydb_documents_is_what_ours_does(tmp_path: Path, name: str) -> None:
    stock, ours = both(ACTIONS[name], tmp_path)
    assert ours == stock
