"""What a backup says of the hook that stopped it."""

from datetime import UTC, datetime

import pytest

from kronkeep_common.models import HookRun
from kronkeep_daemon.backups.hook_runner import fault_of_hook


@pytest.mark.parametrize(
    ("last_line", "told"),
    [
        ("no freeze today", "no freeze today. Nothing"),
        ("Locked.", "Locked. Nothing"),
        ("Why?", "Why? Nothing"),
    ],
)
def test_the_last_line_of_a_hook_and_what_follows_are_two_sentences(last_line: str, told: str) -> None:
    message = f"It ended with exit code 3: {last_line}"
    run = HookRun(
        stage="pre",
        name="freeze",
        job="j",
        status="failed",
        started_at=datetime(2026, 11, 30, tzinfo=UTC),
        exit_code=3,
        message=message,
    )
    assert told in fault_of_hook(run).message
