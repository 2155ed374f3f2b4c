"""Names in the order in which people count, and what a misspelt name meant."""

import pytest

from kronkeep_common.name_suggestions import closest_name, suggest_name
from kronkeep_common.natural_order import natural_key


def test_numbers_in_names_are_counted() -> None:
    names = ["task-11", "task-2", "Task-1", "task-02b", "a" + "9" * 5000, "10", "9"]
    assert sorted(names, key=natural_key)[:3] == ["9", "10", "a" + "9" * 5000]
    assert sorted(["task-11", "task-14", "task-2"], key=natural_key) == ["task-2", "task-11", "task-14"]


@pytest.mark.parametrize(
    ("word", "names", "near"),
    [
        ("gte", ["get", "create"], "get"),
        ("shop-db-dmp", ["shop-db-dump", "ledger"], "shop-db-dump"),
        ("FAILED", ["failed"], "failed"),
        ("zebra", ["get"], None),
        ("", ["get"], None),
    ],
)
def test_the_closest_name(word: str, names: list[str], near: str | None) -> None:
    assert closest_name(word, names) == near


def test_names_are_listed_where_they_are_few() -> None:
    assert suggest_name("gte", ["get", "edit"]) == "Did you mean get? There are: edit, get."
    many = [f"job-{number}" for number in range(40)]
    assert suggest_name("zebra", many, "kronkeep get cronjobs").endswith(
        "and 24 more (kronkeep get cronjobs)."
    )
    assert suggest_name("jb-7", many) == "Did you mean job-7?"
    assert suggest_name("x", []) == "There is none yet."
