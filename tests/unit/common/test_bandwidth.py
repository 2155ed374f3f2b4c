"""Limits of the network by the time of day."""

from datetime import UTC, datetime

import pytest

from kronkeep_common.bandwidth import describe_limit, parse_rule
from kronkeep_common.errors import InvalidRequest


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, 30, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("else 4 MiB/s", {0: 4096, 12: 4096}),
        ("02:00-06:00 unlimited, else 4 MiB/s", {1: 4096, 2: None, 5: None, 6: 4096}),
        ("22:00-04:00 512 KiB/s, else unlimited", {21: None, 22: 512, 3: 512, 4: None}),
        (
            "08:00-18:00 1 MiB/s, 00:00-12:00 2GiB/s, else unlimited",
            {7: 2097152, 9: 1024, 13: 1024, 19: None},
        ),
        ("00:00-00:00 1 KiB/s, else unlimited", {0: 1, 12: 1}),
    ],
)
def test_the_first_window_that_fits_counts(text: str, limits: dict[int, int | None]) -> None:
    rule = parse_rule(text)
    assert {hour: rule.limit_at(at(hour), "UTC") for hour in limits} == limits


def test_windows_are_of_their_zone_over_a_change_of_the_clock() -> None:
    rule = parse_rule("02:00-06:00 unlimited, else 4 MiB/s")
    winter = datetime(2026, 1, 10, 1, 30, tzinfo=UTC)
    summer = datetime(2026, 7, 10, 0, 30, tzinfo=UTC)
    for moment in (winter, summer):
        assert rule.limit_at(moment, "Europe/Vienna") is None
        assert rule.limit_at(moment, "UTC") == 4096


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4 MiB/s",
        "02:00-06:00 unlimited",
        "25:00-06:00 unlimited, else 1 MiB/s",
        "02:00-06:00 fast, else 1 MiB/s",
        "else 0 MiB/s",
        "else 1 MB/s",
        "else unlimited, 02:00-06:00 1 MiB/s",
        "else " + "9" * 600 + " MiB/s",
    ],
)
def test_what_cannot_be_read_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse_rule(text)
    assert refusal.value.details["field"] == "bandwidth"
    assert "02:00-06:00" in refusal.value.next_step
    assert "'else 4 MiB/s'" in refusal.value.next_step


def test_limits_are_described_as_they_are_written() -> None:
    for text in ("4 MiB/s", "512 KiB/s", "2 GiB/s", "unlimited"):
        assert describe_limit(parse_rule(f"else {text}").otherwise) == text
