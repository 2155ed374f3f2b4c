"""The CPU time of the terminal with 100,000 runs, to Textual's DataTable with a tenth of them."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
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
DATA_TABLE_COUNT = 10_000
ROUNDS = 50
SIZE = (200, 50)


def cpu_ms(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the CPU milliseconds of one call: the best of three times `rounds` calls."""
    best = float("inf")
    for _ in range(3):
        start_time = time.process_time()
        for _ in range(rounds):
            work()
        best = min(best, (time.process_time() - start_time) / rounds)
    return 1000 * best


async def frame_ms(pilot: Pilot[Any], work: Callable[[], object], rounds: int = 20) -> float:
    """Return the CPU milliseconds from a call until its frame is composed."""
    best = float("inf")
    for _ in range(rounds):
        start_time = time.process_time()
        work()
        await pilot.pause()
        best = min(best, time.process_time() - start_time)
    return 1000 * best


async def measure_kronkeep() -> dict[str, float]:
    """Load, scroll, filter, sort and apply 50 changes at once, with every run in the store."""
    runs = many(COUNT)
    client: Any = CannedClient(cronjobs=busy().cronjobs, runs=runs, backups=[], storages=[])
    app = KronkeepApp(client, clock=FixedClock(), start="jobs")
    async with app.run_test(size=SIZE) as pilot:
        while not app.reader.has_read:
            await pilot.pause(0.05)
        start_time = time.process_time()
        with_records(app.reader.store, "executions", runs)
        merged = 1000 * (time.process_time() - start_time)
        while await app.reader.read_older_runs():
            pass
        app.frame.go((Place("runs"),))
        await pilot.pause(0.5)
        view = app.frame.view
        assert isinstance(view, RunsView)
        page = with_records(app.reader.store, "executions", [])
        figures = {
            "ui_100k_merge_ms": round(merged, 1),
            "ui_100k_first_rows_ms": round(await frame_ms(pilot, view.update), 2),
            "ui_100k_cursor_ms": round(await frame_ms(pilot, partial(view.table.move, 1)), 2),
            "ui_100k_page_ms": round(await frame_ms(pilot, partial(view.table.page, 1)), 2),
            "ui_100k_filter_ms": round(cpu_ms(partial(_filter_and_reset, view), 1), 1),
            "ui_100k_sort_ms": round(cpu_ms(partial(_sort_and_reset, view), 1), 1),
        }
        changes = [_run_change(run, n) for n, run in enumerate(runs[:50])]
        figures["ui_100k_50_changes_ms"] = round(
            cpu_ms(partial(apply_events, page, changes, FixedClock().now()), 5), 2
        )
        return figures


def _filter_and_reset(view: RunsView) -> None:
    view.set_filter("!name:pg-crm")
    view.set_filter("")


def _sort_and_reset(view: RunsView) -> None:
    view.sort_by("d")
    view.sort_by("")


def _run_change(run: Any, number: int) -> ChangeEvent:
    record = msgspec.to_builtins(run)
    return ChangeEvent(seq=10_000 + number, table="executions", id=run.id, op="put", record=record)


class DataTableApp(App[None]):
    """An app with Textual's own table alone."""

    def compose(self) -> ComposeResult:
        yield DataTable()


async def measure_data_table() -> dict[str, float]:
    """Load a tenth of the rows, and move the cursor."""
    rows = [(r.status, r.cronjob, r.namespace, str(r.duration_seconds), r.id) for r in many(DATA_TABLE_COUNT)]
    app = DataTableApp()
    async with app.run_test(size=SIZE) as pilot:
        table = app.query_one(DataTable)
        table.add_columns("a", "b", "c", "d", "e")
        start_time = time.process_time()
        table.add_rows(rows)
        await pilot.pause(0.3)
        loaded = 1000 * (time.process_time() - start_time)
        moved = await frame_ms(pilot, table.action_cursor_down)
        return {"datatable_10k_load_ms": round(loaded, 1), "datatable_10k_cursor_ms": round(moved, 2)}


def run() -> dict[str, float]:
    """Return CPU milliseconds, and how many times as long DataTable takes with a tenth of the rows."""
    figures = asyncio.run(measure_kronkeep())
    data_table = asyncio.run(measure_data_table())
    load = figures["ui_100k_merge_ms"] + figures["ui_100k_first_rows_ms"]
    return {
        **figures,
        "ui_datatable_10k_load_to_ours_100k": round(data_table["datatable_10k_load_ms"] / load, 1),
        "ui_datatable_10k_cursor_to_ours_100k": round(
            data_table["datatable_10k_cursor_ms"] / figures["ui_100k_cursor_ms"], 2
        ),
    }
