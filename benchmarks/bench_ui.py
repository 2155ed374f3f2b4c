"""The terminal's work with 100,000 runs, in CPU time, beside Textual's DataTable with a tenth of them."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec
from tests.ui.canned import CannedClient, FixedClock
from tests.ui.scenes import busy, many
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import DataTable

from kronkeep_common.api import ChangeEvent
from kronkeep_tui.app import KronkeepApp
from kronkeep_tui.navigation import Place
from kronkeep_tui.store import apply_events, with_records
from kronkeep_tui.views.runs import RunsView

COUNT = 100_000
OTHERS = 10_000
ROUNDS = 50
SIZE = (200, 50)


def cpu(do: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Milliseconds of one call, the best of three times `rounds` calls."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        for _ in range(rounds):
            do()
        best = min(best, (time.process_time() - began) / rounds)
    return 1000 * best


async def _drawn(pilot: Pilot[Any], do: Callable[[], object], rounds: int = 20) -> float:
    """Milliseconds of CPU from a call until its frame is composed."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        do()
        await pilot.pause()
        best = min(best, time.process_time() - began)
    return 1000 * best


async def ours() -> dict[str, float]:
    """Load, scroll, filter, sort and 50 changes at once, with every run in the store."""
    runs = many(COUNT)
    client: Any = CannedClient(cronjobs=busy().cronjobs, runs=runs, backups=[], storages=[])
    app = KronkeepApp(client, clock=FixedClock(), start="jobs")
    async with app.run_test(size=SIZE) as pilot:
        while not app.reader.has_read:
            await pilot.pause(0.05)
        began = time.process_time()
        with_records(app.reader.store, "executions", runs)
        merged = 1000 * (time.process_time() - began)
        while await app.reader.read_older_runs():
            pass
        app.frame.go((Place("runs"),))
        await pilot.pause(0.5)
        view = app.frame.view
        assert isinstance(view, RunsView)
        page = with_records(app.reader.store, "executions", [])
        figures = {
            "ui_100k_merge_ms": round(merged, 1),
            "ui_100k_first_rows_ms": round(await _drawn(pilot, view.update), 2),
            "ui_100k_cursor_ms": round(await _drawn(pilot, lambda: view.table.move(1)), 2),
            "ui_100k_page_ms": round(await _drawn(pilot, lambda: view.table.page(1)), 2),
            "ui_100k_filter_ms": round(cpu(lambda: _filter(view), 1), 1),
            "ui_100k_sort_ms": round(cpu(lambda: _sort(view), 1), 1),
        }
        changes = [_change(run, n) for n, run in enumerate(runs[:50])]
        figures["ui_100k_50_changes_ms"] = round(
            cpu(lambda: apply_events(page, changes, FixedClock().now()), 5), 2
        )
        return figures


def _filter(view: RunsView) -> None:
    view.set_filter("!name:pg-crm")
    view.set_filter("")


def _sort(view: RunsView) -> None:
    view.sort_by("d")
    view.sort_by("")


def _change(run: Any, number: int) -> ChangeEvent:
    record = msgspec.to_builtins(run)
    return ChangeEvent(seq=10_000 + number, table="executions", id=run.id, op="put", record=record)


class Other(App[None]):
    """Textual's own table."""

    def compose(self) -> ComposeResult:
        """The table alone."""
        yield DataTable()


async def others() -> dict[str, float]:
    """Loading a tenth of the rows, and the cursor."""
    rows = [(r.status, r.cronjob, r.namespace, str(r.duration_seconds), r.id) for r in many(OTHERS)]
    app = Other()
    async with app.run_test(size=SIZE) as pilot:
        table = app.query_one(DataTable)
        table.add_columns("a", "b", "c", "d", "e")
        began = time.process_time()
        table.add_rows(rows)
        await pilot.pause(0.3)
        loaded = 1000 * (time.process_time() - began)
        moved = await _drawn(pilot, table.action_cursor_down)
        return {"datatable_10k_load_ms": round(loaded, 1), "datatable_10k_cursor_ms": round(moved, 2)}


def run() -> dict[str, float]:
    """Milliseconds of CPU, and how many times DataTable takes as long with a tenth of the rows."""
    found = asyncio.run(ours())
    other = asyncio.run(others())
    load = found["ui_100k_merge_ms"] + found["ui_100k_first_rows_ms"]
    return {
        **found,
        "ui_datatable_10k_load_to_ours_100k": round(other["datatable_10k_load_ms"] / load, 1),
        "ui_datatable_10k_cursor_to_ours_100k": round(
            other["datatable_10k_cursor_ms"] / found["ui_100k_cursor_ms"], 2
        ),
    }
