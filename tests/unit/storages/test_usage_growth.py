"""Levels, growth and thinning out of measurements, against brute force."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kronkeep_common.models import StorageUsage
from kronkeep_daemon.storages import usage_growth

START = datetime(2026, 1, 1, tzinfo=UTC)
GIB = 2**30


def usage(hours: float, used: float) -> StorageUsage:
    return StorageUsage(measured_at=START + timedelta(hours=hours), used_bytes=int(used))


@pytest.mark.parametrize(
    ("used", "limit", "total", "free", "level", "left"),
    [
        (10, None, None, None, "unknown", None),
        (84, 100, None, None, "ok", 16),
        (85, 100, None, None, "warning", 15),
        (94, 100, None, None, "warning", 6),
        (95, 100, None, None, "critical", 5),
        (120, 100, None, None, "critical", 0),
        (10, None, 1000, 160, "ok", 160),
        (10, None, 1000, 150, "warning", 150),
        (10, None, 1000, 50, "critical", 50),
        (10, 100, 1000, 40, "critical", 40),  # the volume is fuller than the storage's own limit
        (90, 100, 1000, 900, "warning", 10),
        (0, 0, None, None, "unknown", 0),
    ],
)
def test_the_level_follows_what_is_left(
    used: int, limit: int | None, total: int | None, free: int | None, level: str, left: int
) -> None:
    volume = msgspec.structs.replace(usage(0, used), total_bytes=total, free_bytes=free)
    limited = usage_growth.with_limit(volume, limit)
    assert (limited.level, limited.available_bytes) == (level, left)


def test_a_gibibyte_a_day_fills_ten_in_ten_days() -> None:
    earlier = [usage(6 * n, n * GIB / 4) for n in range(40)]
    now = usage_growth.with_limit(usage(240, 10 * GIB), 20 * GIB)
    growing = usage_growth.with_growth(now, earlier)
    assert growing.growth_bytes_per_day == pytest.approx(GIB)
    assert growing.days_until_full == pytest.approx(10)


def test_no_growth_before_a_day_and_no_end_while_it_shrinks() -> None:
    assert usage_growth.with_growth(usage(23, 5), [usage(0, 1)]).growth_bytes_per_day is None
    shrinking = usage_growth.with_growth(usage_growth.with_limit(usage(48, 10), 100), [usage(0, 50)])
    assert shrinking.growth_bytes_per_day == -20
    assert shrinking.days_until_full is None


def test_only_the_last_thirty_days_count() -> None:
    old = [usage(0, 100 * GIB), usage(24, 200 * GIB)]
    new = [usage(24 * day, 300 * GIB) for day in range(40, 50)]
    assert usage_growth.with_growth(usage(24 * 50, 300 * GIB), [*old, *new]).growth_bytes_per_day == 0


@given(st.lists(st.integers(0, 900 * 24 * 4), max_size=120, unique=True))
def test_thinning_keeps_the_last_of_each_step_and_is_bounded(quarters: list[int]) -> None:
    points = [usage(q / 4, q) for q in quarters]
    now = START + timedelta(days=900)
    kept = usage_growth.thin_out(points, now)
    assert all(a.measured_at < b.measured_at for a, b in pairwise(kept))
    expected = set()
    for point in points:
        age = now - point.measured_at
        if age > timedelta(days=730):
            continue
        step = "%Y-%m-%dT%H" if age <= timedelta(days=7) else "%Y-%m-%d"
        rivals = [
            other
            for other in points
            if other.measured_at.strftime(step) == point.measured_at.strftime(step)
            and (now - other.measured_at <= timedelta(days=7)) == (age <= timedelta(days=7))
        ]
        expected.add(max(rival.measured_at for rival in rivals))
    assert {point.measured_at for point in kept} == expected
    assert len(kept) <= 7 * 24 + 1 + 731
    assert usage_growth.thin_out(kept, now) == kept
