"""A cursor that no page returned is refused; as an empty last page it would look like good news."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.records import make_run

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import InvalidRequest
from kronkeep_daemon.history import History

STAMP = "2026-01-15T10:00:00~"


@pytest.mark.parametrize(
    "cursor", ["xx", "0", "-1", STAMP + "\u00b3", STAMP + "9" * 5000, STAMP, STAMP + "-1", "~", "x~1", "'~1"]
)
async def test_an_odd_cursor_is_refused(tmp_path: Path, cursor: str) -> None:
    history = await History.open(tmp_path / "h", clock=SystemClock())
    with pytest.raises(InvalidRequest, match="cursor"):
        history.executions.newest(limit=1, cursor=cursor)
    await history.close()


@pytest.mark.parametrize("fraction", [timedelta(0), timedelta(microseconds=1), timedelta(milliseconds=250)])
async def test_each_cursor_of_a_page_is_accepted(tmp_path: Path, fraction: timedelta) -> None:
    history = await History.open(tmp_path / "h", clock=SystemClock())
    for number in range(3):
        begun = datetime(2026, 1, 15, 10, number, tzinfo=UTC) + fraction
        history.executions.put(make_run(id=f"r{number}", created_at=begun))
    await history.commit()
    cursor: str | None = None
    seen = []
    for _ in range(3):
        page = history.executions.newest(limit=1, cursor=cursor)
        cursor = page.next_cursor
        seen += [run.id for run in page.items]
    assert (seen, cursor) == (["r2", "r1", "r0"], None)
    await history.close()
