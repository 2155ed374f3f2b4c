"""How old the snapshot of a restore is, in words."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from kronkeep_common.models import RestorePlan, RestoreTarget
from kronkeep_common.snapshot_age import describe_snapshot_age

NOW = datetime(2026, 11, 30, 21, 51, 40, tzinfo=UTC)
NEWER = "89476f5b-0c1e-4c8e-9f55-6d2c1b7a3e90"


def make_plan(ago: timedelta | None, newer_ago: timedelta | None = None) -> RestorePlan:
    return RestorePlan(
        backup_id="b",
        snapshot_id="5" * 64,
        snapshot_at=NOW - ago if ago is not None else None,
        newer_backup_id=NEWER if newer_ago is not None else None,
        newer_snapshot_at=NOW - newer_ago if newer_ago is not None else None,
        target=RestoreTarget(),
        files=1,
        folders=0,
        total_bytes=1,
    )


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=1), "of 21:51Z, 1 second ago"),
        (timedelta(seconds=100), "of 21:50Z, 100 seconds ago"),
        (timedelta(minutes=24), "of 21:27Z, 24 minutes ago"),
        (timedelta(hours=23), "of 2026-11-29 22:51Z, 23 hours ago"),
        (timedelta(days=40), "of 2026-10-21 21:51Z, 40 days ago"),
        (timedelta(seconds=-30), "of 21:52Z, 0 seconds ago"),
    ],
)
def test_the_age_of_a_snapshot_comes_with_its_time(ago: timedelta, words: str) -> None:
    assert describe_snapshot_age(make_plan(ago), NOW) == words


def test_a_newer_good_backup_is_named() -> None:
    words = describe_snapshot_age(make_plan(timedelta(minutes=24), timedelta(minutes=0)), NOW)
    assert words == f"of 21:27Z, 24 minutes ago; not the newest: {NEWER[:12]} of 21:51Z is good"


def test_times_are_of_the_zone_that_is_asked_for() -> None:
    words = describe_snapshot_age(make_plan(timedelta(minutes=24)), NOW, ZoneInfo("Asia/Tokyo"))
    assert words == "of 06:27 JST, 24 minutes ago"


def test_a_snapshot_without_a_time_has_no_words() -> None:
    assert describe_snapshot_age(make_plan(None), NOW) == ""
