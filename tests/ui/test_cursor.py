"""The cursor stays with the record that something was done with, in every list, and never acts on another."""

import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from tests.ui.canned import NOW, OK, CannedClient, FixedClock, cronjob, run
from tests.ui.driving import app_of, running_app, screen, type_line, until
from tests.ui.scenes import alert
from textual.pilot import Pilot

from kronkeep_common.api import ChangeEvent
from kronkeep_common.states import ExecutionStatus
from kronkeep_tui.store import apply_events


def put(pilot: Pilot[Any], table: str, *records: Any) -> None:
    """Let the terminal hear of records, as if an event had come."""
    reader = running_app(pilot).reader
    events = [
        ChangeEvent(seq=99, table=table, id=record.id, op="put", record=msgspec.to_builtins(record))
        for record in records
    ]
    reader._store = apply_events(reader.store, events, NOW)
    running_app(pilot).frame.show()


def under_cursor(pilot: Pilot[Any]) -> str:
    lines = screen(pilot).splitlines()
    return next((line for line in lines if line.lstrip().startswith(">")), "")


def two_alerts() -> list[Any]:
    return [alert("RunFailed", "first", "shop", 1), alert("RunFailed", "second", "shop", 2)]


async def put_acknowledged(pilot: Pilot[Any]) -> None:
    put(pilot, "alerts", msgspec.structs.replace(two_alerts()[0], id="a-first", status="acknowledged"))


def alerts_client() -> CannedClient:
    alerts = [msgspec.structs.replace(each, id=f"a-{each.object}") for each in two_alerts()]
    return CannedClient([cronjob("first"), cronjob("second")], [], alerts=alerts)


async def test_an_alert_that_was_acknowledged_keeps_the_cursor() -> None:
    client = alerts_client()
    async with app_of(client, start="alerts").run_test(size=(100, 24)) as pilot:
        await until(pilot, lambda: "second" in screen(pilot) and "first" in under_cursor(pilot))
        await pilot.press("a")
        await until(pilot, lambda: "Acknowledged" in screen(pilot))
        await put_acknowledged(pilot)
        await until(pilot, lambda: "first" in under_cursor(pilot))
        await pilot.press("a")
        await until(pilot, lambda: "It is already acknowledged." in screen(pilot))
        assert client.asked == [("acknowledge", "a-first")]


async def test_where_nothing_that_is_marked_is_shown_no_other_row_is_changed() -> None:
    client = alerts_client()
    async with app_of(client, start="alerts").run_test(size=(100, 24)) as pilot:
        await until(pilot, lambda: "second" in screen(pilot) and "first" in under_cursor(pilot))
        await pilot.press("space")
        await until(pilot, lambda: "1 marked" in screen(pilot) and "second" in under_cursor(pilot))
        ended = msgspec.structs.replace(two_alerts()[0], id="a-first", status="resolved", resolved_at=NOW)
        put(pilot, "alerts", ended)
        await until(pilot, lambda: "first" not in screen(pilot))
        assert "1 marked, 1 not shown" in screen(pilot)
        await pilot.press("a")
        await until(pilot, lambda: "What is marked is not shown now: nothing was done." in screen(pilot))
        assert client.asked == []
        await pilot.press("escape", "a")
        await until(pilot, lambda: "Acknowledged second" in screen(pilot))


@pytest.mark.parametrize(
    ("start", "keys"),
    [("runs", ("e", "escape")), ("runs", ("space", "up", "escape")), ("jobs", ("t", "n")), ("jobs", ("c",))],
)
async def test_what_something_was_done_with_stays_under_the_cursor(start: str, keys: tuple[str, ...]) -> None:
    client = CannedClient([cronjob("early", OK)], [run("early", OK)])
    async with app_of(client, start=start).run_test(size=(100, 24)) as pilot:
        await until(pilot, lambda: "early" in screen(pilot))
        await pilot.press(*keys)
        await until(pilot, lambda: "early" in under_cursor(pilot))
        put(pilot, "executions", msgspec.structs.replace(run("newer", OK), created_at=NOW))
        put(pilot, "cronjobs", cronjob("broken", ExecutionStatus.FAILED))
        await until(pilot, lambda: "newer" in screen(pilot) or "broken" in screen(pilot))
        await until(pilot, lambda: "early" in under_cursor(pilot))
        await pilot.press("home")
        await until(pilot, lambda: "early" not in under_cursor(pilot))


async def test_a_row_that_came_under_the_cursor_is_not_acted_on_at_once() -> None:
    clock = FixedClock()
    client = alerts_client()
    async with app_of(client, start="alerts", clock=clock).run_test(size=(100, 24)) as pilot:
        await until(pilot, lambda: "first" in under_cursor(pilot))
        clock.monotonic = _at(100.0)  # type: ignore[method-assign]
        await put_acknowledged(pilot)
        await pilot.press("a")
        await until(pilot, lambda: "Another row came under the cursor just now" in screen(pilot))
        assert client.asked == []
        clock.monotonic = _at(100.6)  # type: ignore[method-assign]
        await pilot.press("a")
        await until(pilot, lambda: client.asked == [("acknowledge", "a-second")])
        await type_line(pilot, ":filter first")
        await pilot.press("a")
        await until(pilot, lambda: "It is already acknowledged." in screen(pilot))


def _at(seconds: float) -> Callable[[], float]:
    return lambda: seconds


async def test_a_screen_up_and_down_draws_every_row_at_once() -> None:
    client = CannedClient([cronjob(f"job-{number:02}") for number in range(60)])
    async with app_of(client).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "job-00" in screen(pilot))
        for key in ("pagedown", "pagedown", "pageup", "end", "pageup", "pageup", "home", "pagedown"):
            await pilot.press(key)
            rows = screen(pilot).partition("───")[0]
            shown = [int(number) for number in re.findall(r"job-(\d\d) ", rows)]
            assert len(shown) > 10, key
            assert shown == list(range(shown[0], shown[0] + len(shown))), key
