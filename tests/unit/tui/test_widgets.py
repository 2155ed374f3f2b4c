"""What the widgets draw, for any text, width and order of steps."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from rich.cells import cell_len
from tests.ui.scenes import busy, many
from textual.geometry import Size

from kronkeep_common.models import CronJobExecution
from kronkeep_common.text import clean
from kronkeep_tui.colours import Roles, colour_scheme
from kronkeep_tui.pages import history, overview
from kronkeep_tui.pages import jobs as jobs_page
from kronkeep_tui.pages import runs as runs_page
from kronkeep_tui.pages.status_words import bar, blocks, strip
from kronkeep_tui.store import Store, table_of
from kronkeep_tui.widgets import cells
from kronkeep_tui.widgets.cells import (
    fit,
    fit_text,
    plain,
    put_side_by_side,
    shows_blanks,
    wrap,
    wrap_anywhere,
    wrap_facts,
)
from kronkeep_tui.widgets.line_widget import differing_region
from kronkeep_tui.widgets.log_pane import LogPane
from kronkeep_tui.widgets.row_table import Column, Rows, RowTable, TableRow, choose_columns

ANY_TEXT = st.text(max_size=300)
WIDTH = st.integers(1, 250)
COLUMNS = st.lists(
    st.tuples(st.integers(1, 40), st.integers(0, 9), st.integers(0, 5)), min_size=1, max_size=12
)
STATUSES = st.lists(st.sampled_from(["succeeded", "failed", "missed", "running", "odd"]), max_size=40)
BATCHES = st.lists(st.lists(ANY_TEXT, max_size=20), max_size=6)
TOGGLES = st.lists(st.sampled_from(["wrapped", "times", "follow"]), max_size=5)
NOW = datetime(2026, 11, 24, 3, 14, 20, tzinfo=UTC)
SPANS = st.lists(st.tuples(ANY_TEXT, st.sampled_from(["", "ok", "bad", "quiet"])), max_size=8)
SCENE = busy(failing=True)
STORE = Store(
    cronjobs=tuple(SCENE.cronjobs),
    executions=table_of(SCENE.runs),
    backups=table_of(SCENE.backups),
    storages=table_of(SCENE.storages),
)


def test_facts_that_do_not_fit_stand_on_the_next_line_whole() -> None:
    line = (("started ", ""), ("18:16", ""), ("  took ", "quiet"), ("20s", ""), ("  by schedule", "quiet"))
    assert [plain(part) for part in wrap_facts([line], 24)] == ["started 18:16  took 20s", "  by schedule"]
    assert wrap_facts([line], 80) == [line]
    assert [plain(part) for part in wrap_facts([line], 9)] == ["started 18:16", "  took 20s", "  by schedule"]
    assert wrap_facts([(), (("one long line of a log", ""),)], 5) == [(), (("one long line of a log", ""),)]


@given(ANY_TEXT, WIDTH)
def test_a_fitted_text_has_its_width_and_nothing_raw(text: str, width: int) -> None:
    fitted = fit(text, width)
    assert cell_len(fitted) == width
    assert clean(fitted) == fitted


@given(SPANS, WIDTH)
def test_fitted_spans_have_their_width_and_nothing_raw(text: list[tuple[str, str]], width: int) -> None:
    fitted = plain(fit_text(text, width))
    assert cell_len(fitted) == width
    assert not any(ord(letter) < 32 or 0x7F <= ord(letter) < 0xA0 for letter in fitted)


@given(ANY_TEXT, st.integers(4, 120))
def test_wrapped_lines_fit_and_lose_nothing(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert lines
    assert all(cell_len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == clean(text).replace(" ", "")


@pytest.mark.parametrize("letter", ["a", "é", "日"])
@pytest.mark.parametrize("width", [40, 200])
def test_a_long_word_is_not_measured_again_for_each_of_its_lines(
    letter: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = []

    def count(text: str) -> int:
        measured.append(len(text))
        return cell_len(text)

    monkeypatch.setattr(cells, "cell_len", count)
    word = letter * 4_000
    assert "".join(wrap(word, width)) == word
    assert "".join(wrap_anywhere(word, width)) == word
    assert sum(measured) <= 8 * len(word)


@given(SPANS, SPANS, WIDTH)
def test_what_differs_lies_within_the_region_that_is_sent(
    one: list[tuple[str, str]], two: list[tuple[str, str]], width: int
) -> None:
    before = fit_text(one, width)
    after = fit_text(two, width)
    assume(before != after)
    region = differing_region(before, after, 0, width)
    assert 0 <= region.x < width
    assert region.right <= width

    def letters(text: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
        return [
            (letter if n == 0 else "", role if letter != " " or shows_blanks(role) else "")
            for words, role in text
            for letter in words
            for n in range(cell_len(letter))
        ]

    old = letters(before)
    new = letters(after)
    if len(old) == len(new) == width:
        changed = [n for n, (a, b) in enumerate(zip(old, new, strict=True)) if a != b]
        assert all(region.x <= n < region.right for n in changed)


@given(COLUMNS, WIDTH)
def test_columns_fit_where_they_may_drop(sizes: list[tuple[int, int, int]], width: int) -> None:
    columns = [
        Column(title=str(n), width=wide, drop=drop, grow=grow) for n, (wide, drop, grow) in enumerate(sizes)
    ]
    chosen = choose_columns(columns, width, wide=False)
    must = sum(c.width for c in columns if not c.drop)
    assert sum(wide for _, wide in chosen) <= max(width, must)
    assert {n for n, c in enumerate(columns) if not c.drop} <= {n for n, _ in chosen}
    assert len(choose_columns(columns, width, wide=True)) == len(columns)


@given(STATUSES, st.integers(0, 30))
def test_strips_show_the_newest(statuses: list[str], width: int) -> None:
    signs = plain(strip(statuses, width))
    assert len(signs) == (width or len(statuses))


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e15)), max_size=80), st.integers(1, 60))
def test_blocks_never_fail(values: list[float | None], width: int) -> None:
    assert len(blocks(values, width, str)) == min(len(values), width)


@given(st.floats(-1e6, 1e6), st.integers(1, 60))
def test_bars_keep_their_width(percent: float, width: int) -> None:
    assert len(bar(percent, width).partition(" ")[0]) == width


@given(st.integers(20, 300))
def test_pages_are_drawn_at_any_width(width: int) -> None:
    for cronjob in STORE.cronjobs:
        assert jobs_page.detail(cronjob, STORE, NOW, width)
        assert history.page(cronjob, STORE, NOW, width)
    for run in STORE.executions.newest()[:20]:
        assert runs_page.head(run, STORE, NOW, width)
    for sections in (overview.LEFT, overview.RIGHT):
        lines = overview.column(sections, STORE, NOW, width)
        assert put_side_by_side(lines, lines, width)


def test_a_calendar_shows_gaps_and_missed_days() -> None:
    runs = [run for run in SCENE.runs if run.cronjob == "pg-main-nightly"]
    text = "\n".join(plain(line) for line in history.calendar([r for r in runs if r is not runs[3]], NOW))
    assert "x" in text
    assert "-" in text
    assert "m" in text


class Bare(RowTable):
    """A table without a screen: steps only."""

    given_size = Size(80, 20)

    @property
    def size(self) -> Size:
        return self.given_size

    @property
    def roles(self) -> Roles:
        return colour_scheme("terminal").roles

    def sync(self, *only: int) -> None:
        """Do nothing, as there is no screen."""

    def post_message(self, message: object) -> bool:
        """Drop the message, as nobody listens."""
        return True


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("move"), st.integers(-50, 50)),
        st.tuples(st.just("page"), st.sampled_from([-1, 1])),
        st.tuples(st.just("edge"), st.sampled_from([0, 1])),
        st.tuples(st.just("show"), st.integers(0, 120)),
        st.tuples(st.just("mark"), st.just(0)),
        st.tuples(st.just("range"), st.just(0)),
    ),
    max_size=40,
)


@given(STEPS)
def test_the_cursor_stays_on_a_row_and_in_sight(steps: list[tuple[str, int]]) -> None:
    table = Bare([Column(title="A", width=10)])
    for step, count in [("show", 30), *steps]:
        if step == "show":
            keys = [str(n) for n in range(count)]
            table.show(Rows(keys, lambda key: key, lambda key: TableRow(key, (key,))))
        elif step == "mark":
            table.mark()
        elif step == "range" and table.rows:
            table.mark_range()
        elif step in ("move", "page", "edge"):
            getattr(table, step)(count)
        assert 0 <= table.cursor < max(1, len(table.rows))
        if table.rows:
            assert table.top <= table.cursor < table.top + 19


def test_a_hundred_thousand_rows_make_only_those_in_sight() -> None:
    made: list[str] = []
    records = many(100_000)

    def make(run: object) -> TableRow:
        made.append(str(run))
        return TableRow("", ("",))

    table = Bare([Column(title="A", width=10)])
    table.given_size = Size(80, 50)
    rows = Rows(records, lambda run: run.id, make)
    table.show(rows)
    for _ in range(100):
        table.move(1)
    assert made == [], "nothing is made before it is drawn"
    for y in range(50):
        table.line(y, 200)
    assert len(made) == 49


def test_a_batch_of_changes_copies_a_table_once_and_keeps_the_order() -> None:
    table = table_of(many(5_000))
    newest = many(3)
    changes = {f"new{n}": _at(run, f"new{n}", NOW + timedelta(seconds=n + 1)) for n, run in enumerate(newest)}
    after = table.with_changes(changes)
    assert list(after.order[:3]) == ["new2", "new1", "new0"]
    assert len(after) == 5_003
    gone = after.with_changes({"new1": None})
    assert list(gone.order[:2]) == ["new2", "new0"]
    same = gone.with_changes({"new0": changes["new0"]})
    assert same.order is gone.order


def _at(run: CronJobExecution, run_id: str, moment: datetime) -> CronJobExecution:
    return msgspec.structs.replace(run, id=run_id, created_at=moment)


class Log(LogPane):
    @property
    def size(self) -> Size:
        return Size(60, 20)

    def sync(self, *only: int) -> None:
        """Do nothing, as there is no screen."""


@given(BATCHES, TOGGLES)
def test_a_log_holds_what_came_and_draws_any_of_it(batches: list[list[str]], toggles: list[str]) -> None:
    pane = Log()
    for batch in batches:
        pane.add([clean(line) for line in batch])
    for toggle in toggles:
        pane.toggle(toggle)
    pane.search("a")
    for y in range(20):
        fit_text(pane.line(y, 60), 60)
    pane.move(-5)
    pane.edge(1)
    assert pane.follow or not pane._rows


def test_a_log_finds_from_the_end_and_back_again() -> None:
    pane = Log()
    pane.add([f"2026-11-24T03:11:{n:02}Z line {n}" for n in range(60)])
    pane.search("line 1")
    assert pane.found == 19
    assert pane.go_to_next_match(-1)
    assert pane.found == 18
    assert pane.go_to_next_match(1)
    assert pane.found == 19
    assert not pane.follow
    assert "11 with 'line 1'" in pane.describe_display


def test_an_alert_s_object_has_its_namespace_once() -> None:
    from tests.ui.scenes import alert

    from kronkeep_tui.pages.alerts import subject_of

    assert subject_of(alert("RunFailed", "db", "shop", 1)) == "shop/db"
    assert subject_of(alert("RunFailed", "shop/db", "shop", 1)) == "shop/db"
    assert subject_of(alert("StorageFailed", "vault", "", 1)) == "vault"


def test_a_long_log_keeps_head_and_tail_and_says_what_lies_between() -> None:
    pane = Log()
    for first in range(0, 200_000, 7_000):
        pane.add([f"line {n}" for n in range(first, min(first + 7_000, 200_000))])
    pane.add_notes(["-- end of log --"])
    pane.is_ended = True
    texts = [text for _, text in pane._rows]
    (gap,) = (text for text in texts if "lines are not shown here" in text)
    dropped = int(gap.split()[1].replace(",", ""))
    assert texts[:10_000] == [f"line {n}" for n in range(10_000)]
    assert texts[10_001] == f"line {10_000 + dropped}"
    assert texts[-2:] == ["line 199999", "-- end of log --"]
    assert len(texts) == 200_000 - dropped + 2
    assert pane.describe_display == f"{200_000 - dropped:,} of 200,000 lines"
    pane.search("line 123456")
    assert "0 with 'line 123456' in what is shown" in pane.describe_display


def test_what_the_daemon_did_not_keep_is_reported() -> None:
    pane = Log()
    pane.add(["first", "[kronkeep: 18294586 bytes are not kept]", "last"])
    pane.add_notes(["-- end of log --"])
    assert pane.describe_display == "2 lines, 18,294,586 bytes not kept, following"
    pane.is_ended = True
    pane.search("middle")
    assert pane.describe_display == "2 lines, 18,294,586 bytes not kept, 0 with 'middle' in what is shown"
    pane.clear()
    pane.search("")
    pane.add(["only"])
    assert pane.describe_display == "1 line, following"
