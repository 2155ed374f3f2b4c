"""When a morning report is due, on the nights on which clocks change too."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from kronkeep_daemon.alert_settings import ReportSettings
from kronkeep_daemon.alerts.report_moments import ReportMoments


def moments_of(schedule: str, zone: str) -> ReportMoments:
    return ReportMoments.of(ReportSettings(schedule=schedule, time_zone=zone, channels=("ops",)))


@pytest.mark.parametrize(
    ("schedule", "zone"),
    [
        ("30 2 * * *", "Europe/Berlin"),  # skipped in March, comes twice in October
        ("30 1 * * *", "America/New_York"),
        ("0 7 * * *", "Europe/Berlin"),
        ("0 0 * * *", "America/Santiago"),  # midnight itself is skipped there
        ("15 2 * * *", "Australia/Lord_Howe"),  # by half an hour
    ],
)
def test_every_day_of_a_year_has_one_report(schedule: str, zone: str) -> None:
    moments = moments_of(schedule, zone)
    moment = moments.next(datetime(2026, 1, 1, tzinfo=UTC))
    reports = []
    while moment is not None and moment < datetime(2027, 1, 1, tzinfo=UTC):
        reports.append(moment)
        assert moments.latest(moment) == moment
        assert moments.latest(moment + timedelta(minutes=30)) == moment
        moment = moments.next(moment)
    days = [report.astimezone(moments.zone.tzinfo).date() for report in reports]
    assert len(days) == len(set(days)) >= 364
    assert all(moments.before(later) == earlier for earlier, later in pairwise(reports))
    assert all(timedelta(hours=23) <= b - a <= timedelta(hours=25) for a, b in pairwise(reports))


def test_a_time_that_the_clock_skips_comes_as_long_after_the_last_one() -> None:
    moments = moments_of("30 2 * * *", "Europe/Berlin")
    assert moments.latest(datetime(2026, 3, 29, 4, tzinfo=UTC)) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


def test_a_weekly_report_has_a_week_between_two() -> None:
    moments = moments_of("0 7 * * 1", "UTC")
    monday = datetime(2026, 11, 30, 7, tzinfo=UTC)
    assert moments.latest(monday + timedelta(days=3)) == monday
    assert moments.before(monday) == monday - timedelta(days=7)
    assert moments.next(monday) == monday + timedelta(days=7)


def test_a_day_that_never_comes_has_no_report() -> None:
    moments = moments_of("0 7 30 2 *", "UTC")
    assert moments.latest(datetime(2026, 11, 30, tzinfo=UTC)) is None
    assert moments.next(datetime(2026, 11, 30, tzinfo=UTC)) is None
