"""Pictures of every view at two sizes, dark and light, empty, busy, failing and without a daemon.

What is new on wide screens has one in each look: dark, light, without colours and plain.

A picture that differs on purpose is taken anew with `pytest tests/ui/test_pictures.py --snapshot-update`.
"""

import time
from collections.abc import Awaitable, Callable
from itertools import product
from typing import Any

import msgspec
import pytest
from tests.ui.canned import BROKEN, CannedClient
from tests.ui.driving import app_of, form, running_app, screen, until
from tests.ui.idleness import settle
from tests.ui.night_scene import night
from tests.ui.scenes import Scene, alert, busy, empty
from textual.pilot import Pilot

from kronkeep_tui.app import KronkeepApp
from kronkeep_tui.navigation import Place

VIEWS = ("overview", "jobs", "runs", "policies", "restore", "storages", "alerts")
SMALL = (80, 24)
LARGE = (200, 50)
STATES = ("empty", "busy", "failing", "lost")
CASES = [
    case
    for case in product(VIEWS, STATES, ("dark", "light"), (SMALL, LARGE))
    if case[2] == "dark" or case[1] in ("busy", "failing")  # the others have no colours of their own
]
LOOKS = ("dark", "light", "no colour", "plain")
Compare = Callable[..., bool]


def scene(state: str) -> Scene:
    return empty() if state == "empty" else busy(failing=state != "busy")


async def settle_in_state(pilot: Pilot[Any], client: CannedClient, state: str) -> None:
    """Everything was read and drawn; in the state `lost` the daemon is gone since."""
    app = running_app(pilot)
    await until(pilot, lambda: app.reader.has_read and app.frame.view.ready)
    if state == "lost":
        await settle(app)  # what the view itself reads, such as the night or the end of a log, is there
        client.away = BROKEN  # the same as the stream says, whichever comes last
        client.lost.set()
        await until(pilot, lambda: app.reader.lost is not None)
    await settle(app)
    app.frame.show()
    await settle(app)


@pytest.mark.parametrize(
    ("view", "state", "theme", "size"), CASES, ids=lambda v: v if isinstance(v, str) else str(v[0])
)
def test_a_view(snap_compare: Compare, view: str, state: str, theme: str, size: tuple[int, int]) -> None:
    client = CannedClient(*scene(state))
    app = app_of(client, start=view, theme=theme)

    async def before(pilot: Pilot[Any]) -> None:
        await settle_in_state(pilot, client, state)

    assert snap_compare(app, terminal_size=size, run_before=before)


def app_in_look(client: CannedClient, look: str, *, start: str) -> KronkeepApp:
    return app_of(
        client,
        start=start,
        has_colours=look != "no colour",
        theme=look if look in ("dark", "light") else "terminal",
        plain=look == "plain",
    )


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
def test_the_night(snap_compare: Compare, look: str, size: tuple[int, int]) -> None:
    client = CannedClient(*night())
    app = app_in_look(client, look, start="night")

    async def before(pilot: Pilot[Any]) -> None:
        await settle_in_state(pilot, client, "busy")
        await until(pilot, lambda: "reading" not in screen(pilot))
        await settle_in_state(pilot, client, "busy")

    assert snap_compare(app, terminal_size=size, run_before=before)


Steps = Callable[[Pilot[Any], KronkeepApp], Awaitable[None]]


async def open_run(pilot: Pilot[Any], app: KronkeepApp) -> None:
    run = next(r for r in app.reader.store.executions.newest() if r.status == "failed")
    app.frame.go((Place("jobs"), Place("runs", run.cronjob_id), Place("run", run.id)))
    await until(pilot, lambda: "end of log" in screen(pilot))


async def open_history(pilot: Pilot[Any], app: KronkeepApp) -> None:
    app.frame.go((Place("jobs"), Place("history", app.reader.store.cronjobs[0].id)))
    await until(pilot, lambda: "DAYS" in screen(pilot))


async def open_help(pilot: Pilot[Any], app: KronkeepApp) -> None:
    await pilot.press("question_mark")
    await until(pilot, lambda: "Keys in jobs" in screen(pilot))


async def open_palette(pilot: Pilot[Any], app: KronkeepApp) -> None:
    await pilot.press("ctrl+p", *"ledger")
    await until(pilot, lambda: "go to billing/pg-ledger" in screen(pilot))


async def open_retention(pilot: Pilot[Any], app: KronkeepApp) -> None:
    app.frame.go((Place("policies"), Place("retention", app.reader.store.cronjobs[0].id)))
    await until(pilot, lambda: "no rule keeps it" in screen(pilot))


async def compare_two(pilot: Pilot[Any], app: KronkeepApp) -> None:
    first, second = app.reader.store.executions.order[:2]
    app.frame.go((Place("runs"), Place("compare", f"{second} {first}")))
    await until(pilot, lambda: "earlier" in screen(pilot))


async def filter_and_mark(pilot: Pilot[Any], app: KronkeepApp) -> None:
    await pilot.press("slash", *"!name", "colon", *"crm", "enter", "space", "space", "t")
    await until(pilot, lambda: "2 marked" in screen(pilot) and "y/n" in screen(pilot))


async def conflict_in_the_form(pilot: Pilot[Any], app: KronkeepApp) -> None:
    app.frame.go((Place("jobs"), Place("form")))
    await until(pilot, lambda: "every day at 02:00" in screen(pilot))
    texts = {"name": "nightly", "image": "busybox", "env.0": "no sign", "policy.storage_id": "s3-eu"}
    texts |= {"volumes.0": "data /data"}
    form(pilot).fill_fields(texts | {"policy.schedule": "0 2 * * *"}, at="policy.schedule")
    await until(pilot, lambda: "f6 shift to 10 2 * * *" in screen(pilot))


async def new_storage(pilot: Pilot[Any], app: KronkeepApp) -> None:
    app.frame.go((Place("storages"), Place("storage_form")))
    await until(pilot, lambda: "[local]" in screen(pilot))
    await pilot.press("s", "tab", *"offsite")
    await until(pilot, lambda: "Secrets that have them: bucket-keys" in screen(pilot))


async def restore_form(pilot: Pilot[Any], app: KronkeepApp) -> None:
    backup = next(each for each in app.frame.store.backups.newest() if each.snapshot_state == "present")
    app.frame.go((Place("restore"), Place("restore_form", f'{backup.id} ["/dump.sql"]')))
    await until(pilot, lambda: "new, 1 overwritten" in screen(pilot))


@pytest.mark.parametrize(
    "steps",
    [
        open_run,
        open_history,
        open_help,
        open_palette,
        open_retention,
        compare_two,
        filter_and_mark,
        conflict_in_the_form,
        new_storage,
        restore_form,
    ],
    ids=lambda s: s.__name__,
)
@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
def test_a_step_further(
    snap_compare: Compare, steps: Steps, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")  # the form says fire times as the machine's clock shows them too
    time.tzset()
    client = CannedClient(*scene("failing"))
    app = app_of(client, theme="dark" if size == LARGE else "terminal")

    async def before(pilot: Pilot[Any]) -> None:
        await settle_in_state(pilot, client, "failing")
        await steps(pilot, app)
        await settle_in_state(pilot, client, "failing")
        await settle(app)

    assert snap_compare(app, terminal_size=size, run_before=before)


async def see_cockpit(pilot: Pilot[Any], app: KronkeepApp) -> None:
    await until(pilot, lambda: "runs at once" in screen(pilot) and "STORAGES" in screen(pilot))


async def see_preview(pilot: Pilot[Any], app: KronkeepApp) -> None:
    app.frame.go((Place("runs"),))
    await until(pilot, lambda: "part 311/402 uploaded" in screen(pilot))


async def see_folded(pilot: Pilot[Any], app: KronkeepApp) -> None:
    await until(pilot, lambda: "37 × RunFailed" in screen(pilot))


async def see_diff(pilot: Pilot[Any], app: KronkeepApp) -> None:
    older, newer = [each.id for each in app.frame.store.backups.newest()][1::-1]
    app.frame.go((Place("restore"), Place("diff", f"{older} {newer}")))
    await until(pilot, lambda: "shop.sql" in screen(pilot))


async def see_file(pilot: Pilot[Any], app: KronkeepApp) -> None:
    backup = next(iter(app.frame.store.backups.newest()))
    app.frame.go((Place("restore"), Place("preview", f"{backup.id} /dump.sql")))
    await until(pilot, lambda: "CREATE TABLE" in screen(pilot))


async def see_shell_lines(pilot: Pilot[Any], app: KronkeepApp) -> None:
    await pilot.press("2", "C")
    await until(pilot, lambda: "kronkeep get cronjobs" in screen(pilot))


@pytest.mark.parametrize(
    "steps",
    [see_cockpit, see_preview, see_folded, restore_form, see_diff, see_file, see_shell_lines],
    ids=lambda s: s.__name__,
)
@pytest.mark.parametrize("look", LOOKS)
def test_what_a_wide_screen_has(snap_compare: Compare, steps: Steps, look: str) -> None:
    records = night()
    if steps is see_folded:
        failed = [alert("RunFailed", f"job-{number}", "web", number + 1) for number in range(37)]
        alerts = [msgspec.structs.replace(each, id=f"a{number}") for number, each in enumerate(failed)]
        records = records._replace(alerts=alerts)
    client = CannedClient(*records)
    app = app_in_look(client, look, start="overview")

    async def before(pilot: Pilot[Any]) -> None:
        await settle_in_state(pilot, client, "busy")
        await steps(pilot, app)
        await settle_in_state(pilot, client, "busy")

    assert snap_compare(app, terminal_size=LARGE, run_before=before)
