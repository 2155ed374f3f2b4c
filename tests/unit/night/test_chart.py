"""Bars in cells: lengths in eighths, queue waits, holes, planned runs, batches, words in plain mode."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kronkeep_tui.night.bars import Bar, NightRow, archive_of, nearest_bar, selectable_bars
from kronkeep_tui.night.chart import (
    Look,
    cells_of,
    count_at_once,
    draw_axis,
    draw_load,
    draw_row,
    stretches_of,
)
from kronkeep_tui.night.signs import HALVES, signs_of_terminal
from kronkeep_tui.night.time_window import TimeWindow
from kronkeep_tui.night.words import describe_bar
from kronkeep_tui.pages.status_words import bar
from kronkeep_tui.widgets.cells import Text, plain, replace_drawings

BEGIN = int(datetime(2026, 11, 24, tzinfo=UTC).timestamp())
STEP = 600
COLUMNS = 40
NOW = BEGIN + 30 * STEP
LOOK = Look(TimeWindow(BEGIN, STEP, COLUMNS), NOW, UTC)


def at(columns: float) -> float:
    return BEGIN + columns * STEP


def run(first: float, end: float | None, status: str = "succeeded", name: str = "r") -> Bar:
    return Bar(id=name, status=status, begin=at(first), end=None if end is None else at(end))


def archive(queued: float, first: float, end: float, status: str = "succeeded") -> Bar:
    return Bar(
        id="b", status=status, begin=at(first), end=at(end), queued=at(queued), run_id="r", storage="vault"
    )


def row(*runs: Bar, archives: tuple[Bar, ...] = (), planned: tuple[float, ...] = ()) -> NightRow:
    return NightRow(
        id="u",
        cluster="c",
        namespace="shop",
        cronjob="dump",
        runs=runs,
        archives=archives,
        planned=tuple(map(at, planned)),
    )


def signs(one: NightRow, look: Look = LOOK) -> str:
    return plain(draw_row(one, look))


def roles(text: Text) -> dict[str, str]:
    return {sign: role for words, role in text for sign in words if sign != " "}


@pytest.mark.parametrize(
    ("bar", "drawn"),
    [
        (run(2, 4), "  ██"),
        (run(2, 4.5), "  ██▌"),
        (run(2.5, 4), "  ▐█"),
        (run(2, 2.01), "  ▎"),
        (run(2, 2.75), "  ▊"),
        (run(2, 5, "failed"), "  ██x"),
        (run(2, 2.1, "failed"), "  x"),
        (run(2, 5, "cancelled"), "  ██c"),
        (run(2, 2, "missed"), "  ○"),
        (run(2, 6, "missed"), "  ○───"),
        (run(-9, 1.5), "█▌"),
        (run(-9, -8), ""),
    ],
)
def test_a_run_in_its_cells(bar: Bar, drawn: str) -> None:
    assert signs(row(bar))[:30].rstrip() == drawn


def test_an_archive_after_its_wait_and_what_is_planned_ahead_of_now() -> None:
    line = signs(row(run(2, 4), archives=(archive(4, 6, 9),), planned=(20, 33)))
    assert line == "  ██──▄▄▄" + " " * 21 + "│  ░░" + " " * 5, (
        "what should have run before now is not planned"
    )


def test_a_queued_archive_waits_up_to_now() -> None:
    waits = Bar(id="b", status="queued", begin=at(27), queued=at(27), run_id="r", storage="vault")
    assert signs(row(run(25, 27), archives=(waits,)))[25:31] == "██───│"


def test_a_running_one_ends_now_and_its_usual_rest_is_dim() -> None:
    drawn = draw_row(row(run(2, 8), run(28, None, "running", "now")), LOOK)
    assert plain(drawn)[28:36] == "██░░░░  "
    assert roles(drawn)["░"] == "quiet"


def test_colour_is_never_the_only_sign() -> None:
    ends = [signs(row(run(2, 5, status))) for status in ("succeeded", "failed", "missed", "unknown")]
    assert len(set(ends)) == 4
    drawn = draw_row(row(run(2, 5, "failed"), archives=(archive(5, 5, 8, "partial"),)), LOOK)
    assert (roles(drawn)["x"], roles(drawn)["p"]) == ("bad", "warn")


def test_runs_that_share_cells_are_counted_and_failures_stay_in_sight() -> None:
    often = [run(n / 3, n / 3 + 0.1, "failed" if n == 40 else "succeeded", f"r{n}") for n in range(60)]
    line = signs(row(*often))
    assert " 60× " in line
    assert line.count("x") == 1
    assert line.index("x") == 13
    few = [run(n / 3, n / 3 + 0.1, name=f"r{n}") for n in range(6)]
    assert "×" not in signs(row(*few)), "no room for the number"


def test_a_console_font_gets_signs_that_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "linux")
    look = LOOK._replace(signs=signs_of_terminal())
    assert bar(44, 10) == "████░░░░░░ 44%"
    monkeypatch.setenv("TERM", "xterm-256color")
    assert signs_of_terminal() is LOOK.signs
    assert bar(44, 10) == "████▍░░░░░ 44%"
    assert (bar(100, 3), bar(0, 3), bar(140, 3)) == ("███ 100%", "░░░ 0%", "███ 140%")
    assert look.signs is HALVES
    assert signs(row(run(2, 4.6), run(9, 9, "missed")), look)[:10] == "  ██▌    o"


@given(
    st.lists(
        st.tuples(st.floats(-50, 50), st.floats(0, 30), st.sampled_from(["succeeded", "failed", "missed"])),
        max_size=30,
    ),
    st.integers(1, 120),
)
def test_a_line_is_exactly_as_wide_as_the_window(bars: list[tuple[float, float, str]], columns: int) -> None:
    look = LOOK._replace(window=LOOK.window._replace(columns=columns))
    runs = sorted((run(begin, begin + took, status, str(n)) for n, (begin, took, status) in enumerate(bars)))
    one = row(*sorted(runs, key=lambda bar: bar.begin), planned=(31, 33.5))
    assert len(plain(draw_row(one, look, nearest_bar(one, at(3))))) == columns
    assert len(plain(draw_axis(look))) == columns
    counts = count_at_once([runs], look)
    assert len(plain(draw_load(counts, look, "ok"))) == len(counts) == columns
    assert max(counts) <= len(runs)
    stretches = stretches_of(sorted(runs, key=lambda bar: bar.begin), look)
    assert all(one.cells.end <= two.cells.first for one, two in pairwise(stretches))


@given(st.lists(st.tuples(st.integers(0, 39), st.integers(1, 20)), max_size=20))
def test_what_ran_at_once_against_a_count_column_by_column(spans: list[tuple[int, int]]) -> None:
    bars = [run(first, first + length) for first, length in spans]
    slow = [sum(first <= column < first + length for first, length in spans) for column in range(COLUMNS)]
    assert count_at_once([bars], LOOK) == slow


def test_short_runs_one_after_the_other_are_not_at_once() -> None:
    minutes = [run(3 + number / 10, 3 + number / 10 + 0.002) for number in range(10)]
    assert count_at_once([minutes], LOOK)[3] == 1, "ten runs of a second each, one a minute"
    together = [run(3.5, 3.502, name=f"r{number}") for number in range(4)]
    assert count_at_once([minutes, together], LOOK)[3] == 5
    night = Look(TimeWindow(BEGIN, 7200, 96), NOW, UTC)
    hourly = [run(6 * hour, 6 * hour + 6, name=f"h{hour}") for hour in range(24)]
    assert max(count_at_once([hourly], night)) == 1, "each ends when the next begins"


def test_the_axis_has_now_above_the_line_of_now() -> None:
    text = plain(draw_axis(LOOK))
    assert text[28:33] == "05:00"
    assert text.startswith("Tue 24")


def test_the_selected_bar_stands_in_brackets() -> None:
    one = row(run(2, 4), run(8, 9, name="s"))
    assert plain(draw_row(one, LOOK, one.runs[1])).startswith("  ██   [█]")


def test_selection_goes_by_time() -> None:
    one = row(run(2, 4), run(8, 9, name="s"), archives=(archive(4, 5, 6),), planned=(35,))
    chosen = [nearest_bar(one, at(moment)) for moment in (0, 3, 6, 7, 50)]
    assert [bar.id[:7] if bar else "" for bar in chosen] == ["r", "r", "s", "s", "planned"]
    assert [bar.status for bar in selectable_bars(one)] == ["succeeded", "succeeded", "planned"]
    assert archive_of(one, one.runs[0]) is one.archives[0]
    assert nearest_bar(row(), at(1)) is None


def test_words_in_plain_mode() -> None:
    first = row(run(0, 1), archives=(archive(1, 2, 3),))
    assert plain(replace_drawings(draw_row(first, LOOK))) == "ok 00:00 for 10m00s, archive ok 00:20"
    one = row(
        run(0, 1),
        run(3, 4, name="r2"),
        run(6, 7, "failed", "r3"),
        run(9, 9, "missed", "r4"),
        archives=(archive(1, 2, 3),),
        planned=(33,),
    )
    words = plain(replace_drawings(draw_row(one, LOOK)))
    assert words == ("MISS 01:30; FAIL 01:00 for 10m00s; ok 00:30 for 10m00s; 4 runs in all; next 05:30")
    assert plain(replace_drawings(draw_row(row(), LOOK))) == "nothing"
    axis = plain(replace_drawings(draw_axis(LOOK)))
    assert axis == "from Tue 00:00 to Tue 06:40, now 05:00"
    assert plain(replace_drawings(draw_load([0, 2, 1, 0], LOOK, "ok"))) == "most 2 at 00:10"
    assert plain(replace_drawings(draw_load([0], LOOK, "ok"))) == "none"


def test_archives_by_a_schedule_of_their_own_are_drawn_chosen_and_described() -> None:
    ahead = tuple(
        Bar(id=f"p{first}", status="planned", begin=at(first), end=at(first + 1), storage="vault")
        for first in (28, 33)
    )
    one = row(run(2, 4), planned=(36,))._replace(planned_archives=ahead)
    assert signs(one)[28:] == "  │  ▄  ░░  ", "one that is no longer ahead has a record of its own"
    chosen = nearest_bar(one, at(33))
    assert chosen is ahead[1]
    assert [plain(line) for line in describe_bar(one, chosen, NOW, UTC)] == [
        "next archive  shop/dump  05:30, usually 10m00s  → vault"
    ]
    words = plain(replace_drawings(draw_row(one, LOOK)))
    assert words == "ok 00:20 for 20m00s; next 06:00; next archive 05:30"


def test_what_is_said_of_a_bar() -> None:
    one = row(run(2, 4)._replace(reason="Odd"), archives=(archive(4, 5, 6),), planned=(35,))
    lines = list(map(plain, describe_bar(one, one.runs[0], NOW, UTC)))
    assert lines == [
        "ok  shop/dump  00:20  took 20m00s, usually 20m00s  Odd",
        "archive ok  00:50  took 10m00s  → vault  after 10m00s in the queue",
    ]
    planned = selectable_bars(one)[-1]
    assert [plain(line) for line in describe_bar(one, planned, NOW, UTC)] == [
        "next  shop/dump  05:50, usually 20m00s"
    ]
    assert cells_of(planned, LOOK) == (35, 37)
    assert timedelta(seconds=one.usual_seconds or 0) == timedelta(minutes=20)
