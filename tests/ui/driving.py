"""Drive the terminal in tests: start it on a canned client, press keys, wait for what the screen shows."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from tests.records import vault_with_usage
from tests.ui.canned import CannedClient, FixedClock
from tests.ui.idleness import wait_until_handled
from tests.waiting import LONGEST_WAIT
from textual import events
from textual.pilot import Pilot

from kronkeep_common.errors import KronkeepError
from kronkeep_tui.app import KronkeepApp
from kronkeep_tui.navigation import Place
from kronkeep_tui.settings import TerminalSettings
from kronkeep_tui.store import Store
from kronkeep_tui.views.form import FormView
from kronkeep_tui.views.view import View

V = TypeVar("V", bound=View)
HOSTILE = "x\x1b]52;c;aGk=\x07\x1b[2J\x9b31m[/] [bold] \u202e\ud7ff\U000e0041日本\r\n\t" + "e\u0301" * 20


def app_of(
    client: CannedClient,
    *,
    start: str = "jobs",
    clock: FixedClock | None = None,
    has_colours: bool = True,
    explain_end: Callable[[], KronkeepError | None] | None = None,
    **settings: Any,
) -> KronkeepApp:
    """Return the application with times in UTC, unless `settings` names another zone."""
    chosen = TerminalSettings(**{"zone": "utc"} | settings)
    return KronkeepApp(
        client,  # type: ignore[arg-type]
        chosen,
        clock=clock or FixedClock(),
        start=start,
        has_colours=has_colours,
        explain_end=explain_end,
    )


def running_app(pilot: Pilot[Any]) -> KronkeepApp:
    """Return the application of `app_of` that a pilot drives."""
    app = pilot.app
    assert isinstance(app, KronkeepApp)
    return app


def shown_view(pilot: Pilot[Any], kind: type[V]) -> V:
    """Return the view that is shown, which must be of this kind."""
    view = running_app(pilot).frame.view
    assert isinstance(view, kind)
    return view


async def until(pilot: Pilot[Any], is_met: Callable[[], object]) -> None:
    """Wait until a condition on the app or its screen is met; fail with what the screen shows instead.

    What belongs to the same change is drawn too then: widgets are drawn one after the other.
    """
    deadline = time.monotonic() + LONGEST_WAIT
    while not is_met():
        assert time.monotonic() < deadline, screen(pilot)
        await pilot.pause(0.02)
    if pilot.app.is_running:
        await wait_until_handled(longest=0)


def screen(pilot: Pilot[Any]) -> str:
    """What a person sees, line by line."""
    size = pilot.app.size
    lines = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in lines[: size.height])


async def wait_for_jobs(pilot: Pilot[Any]) -> None:
    """Wait until the CronJobs are listed."""
    await until(pilot, lambda: "pg-main-nightly" in screen(pilot))


async def type_line(pilot: Pilot[Any], text: str) -> None:
    names = {
        " ": "space",
        ":": "colon",
        "/": "slash",
        "-": "minus",
        "!": "exclamation_mark",
        "=": "equals_sign",
    }
    await pilot.press(*(names.get(letter, letter) for letter in text), "enter")


def a_way_to_every_view(store: Store) -> list[tuple[Place, ...]]:
    """Return a way to each kind of view."""
    cronjob = store.cronjobs[0]
    run = store.executions.order
    tabs = ("overview", "jobs", "runs", "policies", "restore", "storages", "alerts", "night")
    ways: list[tuple[Place, ...]] = [(Place(tab),) for tab in tabs]
    below = (
        Place("runs", cronjob.id),
        Place("run", run[0]),
        Place("history", cronjob.id),
        Place("compare", f"{run[1]} {run[0]}"),
        Place("yaml", f"execution {run[0]}"),
        Place("events", run[0]),
        Place("help", "jobs"),
        Place("palette", "jobs"),
        Place("form"),
    )
    policy = (Place("policies"), Place("retention", cronjob.id))
    return [*ways, policy, *((Place("jobs"), place) for place in below)]


def form(pilot: Pilot[Any]) -> FormView:
    return shown_view(pilot, FormView)


async def open_form(pilot: Pilot[Any]) -> None:
    await wait_for_jobs(pilot)
    await pilot.press("n")
    await until(pilot, lambda: "every day at 02:00" in screen(pilot))


async def fill_field(pilot: Pilot[Any], key: str, text: str) -> None:
    """Types over what a field holds, by pasting, which is faster here."""
    sheet = form(pilot).form_widget
    form(pilot).refresh_fields(at=key)
    await pilot.press("end", "ctrl+u")
    sheet.post_message(events.Paste(text))
    await until(pilot, lambda: form(pilot).draft.get(key) == text or sheet.row.locked)


class ClientWithStorage(CannedClient):
    """A canned daemon that has one storage, `vault`; `fields` are its own."""

    def __init__(self, **fields: Any) -> None:
        vault = vault_with_usage(used_bytes=1024**3, capacity_bytes=4 * 1024**3)
        super().__init__(storages=[msgspec.structs.replace(vault, **fields)])
