"""Which kept logs go: a namespace's own oldest ones; beyond the total those of the largest namespaces."""

import random

import pytest

from kronkeep_daemon.history.log_limits import ROOM, LogLimits, find_targets, select_oldest
from kronkeep_daemon.history.log_usage import BLOCK, RecordLogs

LIMITS = LogLimits(namespace=1000, total=2500)


@pytest.mark.parametrize(
    ("usage", "cut"),
    [
        ({}, {}),
        ({"shop": 1000, "web": 1000}, {}),
        ({"shop": 1001, "web": 1000}, {"shop": ("namespace", 900)}),
        ({"shop": 5000, "web": 5}, {"shop": ("namespace", 900)}),
        # 2,250 for all: the small one keeps its 250, the others share what is left.
        (
            {"a": 900, "b": 900, "c": 900, "d": 250},
            {"a": ("total", 666), "b": ("total", 666), "c": ("total", 666)},
        ),
        # Cut to its own limit first, the flood is among the largest, and no more than that.
        (
            {"flood": 9000, "b": 900, "c": 800},
            {"flood": ("total", 750), "b": ("total", 750), "c": ("total", 750)},
        ),
        ({f"n{number}": 1000 for number in range(3)}, {f"n{number}": ("total", 750) for number in range(3)}),
    ],
)
def test_a_flood_costs_its_own_namespace(usage: dict[str, int], cut: dict[str, tuple[str, int]]) -> None:
    targets = find_targets(usage, LIMITS)
    assert {namespace: (target.limit, target.bytes) for namespace, target in targets.items()} == cut


@pytest.mark.parametrize("seed", range(50))
def test_both_limits_hold_afterwards_and_the_smallest_lose_nothing(seed: int) -> None:
    chance = random.Random(seed)
    usage = {f"n{number}": chance.randrange(1, 3000) for number in range(chance.randrange(1, 30))}
    targets = find_targets(usage, LIMITS)
    after = {name: targets[name].bytes if name in targets else used for name, used in usage.items()}
    assert all(after[name] < usage[name] for name in targets)
    assert max(after.values()) <= LIMITS.namespace
    assert sum(after.values()) <= LIMITS.total
    for name, used in usage.items():
        if used <= LIMITS.total * ROOM // len(usage) and used <= LIMITS.namespace:
            assert name not in targets


def record(folder: str, saved_at: float, blocks: int) -> RecordLogs:
    return RecordLogs(folder, blocks * BLOCK, saved_at)


@pytest.mark.parametrize(
    ("blocks", "going"),
    [(10, []), (9, ["old"]), (6, ["old"]), (5, ["old", "middle"]), (2, ["old", "middle", "new"])],
)
def test_the_oldest_go_first(blocks: int, going: list[str]) -> None:
    records = [record("new", 3.0, 3), record("old", 1.0, 4), record("middle", 2.0, 3)]
    assert [entry.folder for entry in select_oldest(records, blocks * BLOCK)] == going
