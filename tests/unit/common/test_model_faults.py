"""Faults in data from outside in words: no type of Python, and what there is instead."""

from typing import Any

import msgspec
import pytest

from kronkeep_common.model_faults import describe_fault, find_faults
from kronkeep_common.models import CronJobCreate
from kronkeep_daemon.settings import Settings
from kronkeep_tui.settings import TerminalSettings

GOOD: dict[str, Any] = {"name": "a", "image": "busybox", "schedule": "0 2 * * *"}


@pytest.mark.parametrize(
    ("value", "kind", "sentence"),
    [
        (
            GOOD | {"policy": {"storage_id": "v", "rpo_seconds": 30}},
            CronJobCreate,
            "policy.rpo_seconds: it must be at least 1m.",
        ),
        (
            GOOD | {"policy": {"storage_id": "v", "retention": {"days": -1}}},
            CronJobCreate,
            "policy.retention.days: it must be at least 0.",
        ),
        ({"theme": "drak"}, TerminalSettings, "theme: it cannot be 'drak'. Did you mean dark?"),
        ({"mous": True}, TerminalSettings, "mous: there is no such field. Did you mean mouse?"),
        (GOOD | {"image": 3}, CronJobCreate, "image: it must be a text, not a whole number."),
        (
            GOOD | {"env": [{"name": "A", "vlaue": "x"}]},
            CronJobCreate,
            "env[0].vlaue: there is no such field.",
        ),
        ({"name": "a", "image": "b"}, CronJobCreate, "schedule: it is missing."),
        ({"late_after_seconds": "x"}, Settings, "late_after_seconds: it must be a number"),
    ],
)
def test_a_fault_in_words(value: object, kind: type, sentence: str) -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.convert(value, kind)
    described = describe_fault(refused.value, kind).sentence
    assert described.startswith(sentence)
    assert "`" not in described


def test_every_fault_is_found() -> None:
    value = GOOD | {"image": 3, "schedul": "x", "policy": {"storage_id": "v", "rpo_seconds": 1, "x": 1}}
    found = {fault.path for fault in find_faults(value, CronJobCreate)}
    assert found == {"image", "schedul", "policy.rpo_seconds", "policy.x"}
    assert find_faults(GOOD, CronJobCreate) == []
