"""A cursor that no page returned is the beginning, whatever digits it consists of."""

from pathlib import Path

import pytest

from kronkeep_common.clock import SystemClock
from kronkeep_daemon.history import History


@pytest.mark.parametrize("number", ["³", "9" * 5000, "x", ""])
async def test_an_odd_cursor_fails_no_list(tmp_path: Path, number: str) -> None:
    history = await History.open(tmp_path / "h", clock=SystemClock())
    assert history.executions.newest(limit=1, cursor=f"2026-01-15T10:00:00~{number}").items == []
    await history.close()
