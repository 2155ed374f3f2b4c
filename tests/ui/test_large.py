"""A screen of 300 by 100: every view draws on all of it, no row is longer, nothing raises; many rows."""

from collections.abc import Sequence

import pytest
from rich.cells import cell_len
from tests.ui.canned import CannedClient
from tests.ui.driving import a_way_to_every_view, app_of, screen, shown_view, until
from tests.ui.idleness import settle
from tests.ui.scenes import busy

from kronkeep_common.models import CronJob
from kronkeep_tui.navigation import Place
from kronkeep_tui.store import Store
from kronkeep_tui.views.jobs import JobsView

WIDE = 300
HIGH = 100


async def test_every_view_draws_at_300_by_100() -> None:
    app = app_of(CannedClient(*busy(failing=True)))
    async with app.run_test(size=(WIDE, HIGH)) as pilot:
        await until(pilot, lambda: app.reader.has_read)
        for way in a_way_to_every_view(app.reader.store):
            app.frame.go(way)
            await until(pilot, lambda: app.frame.view.ready)
            await settle(app)
            lines = screen(pilot).split("\n")
            crumb = app.frame.view.crumb(app.reader.store)
            assert len(lines) == HIGH, way
            assert {cell_len(line) for line in lines} == {WIDE}, way
            assert crumb in lines[2], way
            assert sum(1 for line in lines if line.strip()) > 3, way
            assert "fault of kronkeep" not in "\n".join(lines), way


async def test_a_filter_does_not_put_all_records_in_order_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sorted_lists: list[int] = []
    sort_records = JobsView.records

    def count_sorts(view: JobsView, store: Store) -> Sequence[CronJob]:
        sorted_lists.append(len(store.cronjobs))
        return sort_records(view, store)

    monkeypatch.setattr(JobsView, "records", count_sorts)
    client = CannedClient(*busy(failing=True))
    app = app_of(client)
    async with app.run_test(size=(WIDE, HIGH)) as pilot:
        await until(pilot, lambda: app.reader.has_read)
        app.frame.go((Place("jobs"),))
        await until(pilot, lambda: app.frame.view.ready)
        await settle(app)
        view = shown_view(pilot, JobsView)
        whole = len(view.table.rows)
        sorts = len(sorted_lists)
        view.set_filter("status:failed")
        assert 0 < len(view.table.rows) < whole
        view.sort_by("a")
        view.set_filter("")
        view.toggle_faults()
        view.unwind()
        assert len(view.table.rows) == whole
        assert len(sorted_lists) == sorts > 0, "what is filtered or sorted otherwise was in order before"


async def test_the_smallest_screen_has_rows_and_no_scroll_bar() -> None:
    app = app_of(CannedClient(*busy(failing=True)))
    async with app.run_test(size=(20, 5)) as pilot:
        await until(pilot, lambda: ">FAIL" in screen(pilot))
        lines = screen(pilot).split("\n")
        assert not app.frame.show_vertical_scrollbar
        assert lines[4].strip().endswith("? help"), lines
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: " 2 Jobs " in screen(pilot) and " Jobs  row 1/" in screen(pilot))
