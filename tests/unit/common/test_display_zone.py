"""The zone in which people read times: the machine's own, UTC, or a named one; clock changes included."""

from datetime import UTC, datetime

import pytest

from kronkeep_common.display_zone import format_rfc3339, format_time, read_display_zone
from kronkeep_common.errors import InvalidTimeZone

SUMMER = datetime(2026, 7, 1, 1, 30, 15, 526951, tzinfo=UTC)
WINTER = datetime(2026, 12, 1, 1, 30, 15, 526951, tzinfo=UTC)


@pytest.mark.parametrize(
    ("machine", "name", "summer", "winter"),
    [
        ("America/New_York", "utc", "2026-07-01T01:30:15Z", "2026-12-01T01:30:15Z"),
        ("America/New_York", "local", "2026-06-30T21:30:15-04:00", "2026-11-30T20:30:15-05:00"),
        (":Asia/Kolkata", "local", "2026-07-01T07:00:15+05:30", "2026-12-01T07:00:15+05:30"),
        ("", "local", "2026-07-01T01:30:15Z", "2026-12-01T01:30:15Z"),
        ("Mars/Base", "Europe/Berlin", "2026-07-01T03:30:15+02:00", "2026-12-01T02:30:15+01:00"),
    ],
)
def test_a_zone_by_its_name(
    machine: str, name: str, summer: str, winter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", machine)
    zone = read_display_zone(name)
    assert [format_rfc3339(moment, zone) for moment in (SUMMER, WINTER)] == [summer, winter]


def test_a_clock_time_names_its_zone() -> None:
    berlin = read_display_zone("Europe/Berlin")
    assert format_time(SUMMER, berlin, "%H:%M") == "03:30 CEST"
    assert format_time(SUMMER, UTC, "%H:%M") == "01:30Z"
    assert format_time(WINTER, read_display_zone("Europe/London"), "%H:%M") == "01:30Z"


@pytest.mark.parametrize("end", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_the_ends_of_time_are_in_no_zone(end: datetime) -> None:
    for name in ("Asia/Kolkata", "America/New_York"):
        assert format_time(end, read_display_zone(name), "%M")


@pytest.mark.parametrize("name", ["Europe/Berln", "../etc/passwd", "", "\x1b[31m"])
def test_no_such_zone(name: str) -> None:
    with pytest.raises(InvalidTimeZone) as refusal:
        read_display_zone(name)
    assert "\x1b" not in refusal.value.message
