import inspect
from enum import StrEnum

import pytest

from kronkeep_common import errors, states

TABLES = [
    states.EXECUTION_TRANSITIONS,
    states.BACKUP_TRANSITIONS,
    states.RESTORE_TRANSITIONS,
    states.STORAGE_TRANSITIONS,
]


@pytest.mark.parametrize("table", TABLES)
def test_every_state_has_its_row_and_every_target_exists(table: dict[StrEnum, frozenset[StrEnum]]) -> None:
    kind = type(next(iter(table)))
    assert set(table) == set(kind)
    assert all(target in table for targets in table.values() for target in targets)


@pytest.mark.parametrize("table", TABLES)
def test_every_state_has_a_way_out_or_is_final(table: dict[StrEnum, frozenset[StrEnum]]) -> None:
    for state, targets in table.items():
        assert states.is_final(table, state) == (not targets)
        assert state not in targets


def test_a_final_state_is_never_left() -> None:
    done = states.ExecutionStatus.SUCCEEDED
    assert states.may_follow(states.EXECUTION_TRANSITIONS, done, done)
    assert not states.may_follow(states.EXECUTION_TRANSITIONS, done, states.ExecutionStatus.FAILED)
    assert states.may_follow(
        states.BACKUP_TRANSITIONS, states.BackupStatus.RUNNING, states.BackupStatus.QUEUED
    )


def test_error_codes_are_unique_and_every_error_says_what_to_do() -> None:
    tree = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.KronkeepError)]
    codes = [c.code for c in tree if c not in (errors.KronkeepError,)]
    assert sorted(codes) == sorted(set(codes))
    for kind in tree:
        error = kind("it broke", path="x")
        assert str(error) == "it broke"
        assert error.next_step.endswith(".")
        assert 400 <= error.status < 600
        assert error.details == {"path": "x"}
