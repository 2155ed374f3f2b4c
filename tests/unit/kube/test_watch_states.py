"""Since when what a daemon shows may be old."""

from datetime import UTC, datetime

import pytest

from kronkeep_daemon.kube.watch import WatchState, find_stale_since

EARLIER = datetime(2026, 1, 15, 10, 0, tzinfo=UTC)
LATER = datetime(2026, 1, 15, 11, 0, tzinfo=UTC)
JOBS = WatchState(name="jobs", status="live", since=EARLIER)
LATE_JOBS = WatchState(name="jobs", status="stale", since=LATER)
FORBIDDEN_EVENTS = WatchState(name="events", status="failing", since=EARLIER, needed=False)


@pytest.mark.parametrize(
    ("states", "since"),
    [([JOBS], None), ([JOBS, LATE_JOBS], LATER), ([JOBS, FORBIDDEN_EVENTS], None), ([], None)],
)
def test_only_a_watch_that_is_needed_makes_what_is_shown_old(
    states: list[WatchState], since: datetime | None
) -> None:
    assert find_stale_since(states) == since
