from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kronkeep_common.text import MAX_LINE, age, clean, clean_lines, clip, days, duration, growth, size

HOSTILE = [
    "\x1b]52;c;aGk=\x07",
    "\x1b[2J",
    "\x9b2J",
    "\xc2\x9d",
    "\r",
    "\u202e",
    "\u2028",
    "\ud800",
    "\x7f",
    "\ufeff",
    "\U000e0041",
]


@pytest.mark.parametrize("payload", HOSTILE)
def test_hostile_characters_are_replaced_by_visible_ones(payload: str) -> None:
    cleaned = clean(f"a{payload}b")
    assert cleaned.startswith("a")
    assert cleaned.endswith("b")
    assert not set(cleaned) & set("\x1b\x07\x9b\x9d\r\u202e\u2028\ud800\x7f\ufeff\U000e0041")


@given(st.text(alphabet=st.characters(), max_size=300))
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    cleaned = clean(text)
    assert all(ord(c) >= 0x20 and not 0x7F <= ord(c) <= 0x9F for c in cleaned)
    assert clean(cleaned) == cleaned


@given(st.text(alphabet=st.characters(codec="ascii", categories=["L", "N", "P", "S"]), max_size=80))
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert clean(text) == text


def test_length_and_stacked_accents_are_bounded() -> None:
    assert len(clean("x" * 1_000_000)) == MAX_LINE
    assert len(clean("e" + "\u0301" * 10_000)) < 20


def test_lines_are_split_only_at_line_feeds() -> None:
    assert clean_lines("one\r\ntwo\x0bthree") == ["one", "two␋three"]


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, "-"), (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 * 1024**5, "5120.0 TiB")],
)
def test_size(count: int | None, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.44, "0.4s"),
        (9.94, "9.9s"),
        (10, "10s"),
        (59, "59s"),
        (60, "1m00s"),
        (728, "12m08s"),
        (3599, "59m59s"),
        (3600, "1h00m"),
        (86399, "23h59m"),
        (86400, "1d00h"),
        (273600, "3d04h"),
    ],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59, "59s"),
        (60, "1m"),
        (3599, "59m"),
        (3600, "1h"),
        (172799, "47h"),
        (172800, "2d"),
        (-300, "in 5m"),
    ],
)
def test_age(seconds: int, text: str) -> None:
    now = datetime(2026, 1, 15, tzinfo=UTC)
    assert age(now - timedelta(seconds=seconds), now) == text


def test_no_moment_has_no_age() -> None:
    assert age(None, datetime(2026, 1, 15, tzinfo=UTC)) == "-"


@pytest.mark.parametrize(
    ("per_day", "text"), [(None, "-"), (0, "0 B/d"), (2048, "2.0 KiB/d"), (-2048, "-2.0 KiB/d")]
)
def test_growth(per_day: float | None, text: str) -> None:
    assert growth(per_day) == text


@pytest.mark.parametrize(("count", "text"), [(None, "-"), (0.5, "<1d"), (1, "1d"), (41.4, "41d")])
def test_days(count: float | None, text: str) -> None:
    assert days(count) == text


@pytest.mark.parametrize(
    ("payload", "shown"), [("\x1f", "\u241f"), ("\x7f", "\u2421"), ("\x9b", "\ufffd"), ("\u202e", "\ufffd")]
)
def test_controls_show_as_their_pictures(payload: str, shown: str) -> None:
    assert clean(payload) == shown


def test_clip() -> None:
    assert [clip("abcdef", n) for n in (0, 1, 3, 6)] == ["", "…", "ab…", "abcdef"]
