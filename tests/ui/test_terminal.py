"""The terminal driven by keys over a canned client: what is asked, and what is on the screen."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from tests.ui.canned import NOW, CannedClient, FixedClock, cronjob, run
from tests.ui.canned import OK as SUCCEEDED
from tests.ui.driving import HOSTILE, app_of, running_app, screen, until, wait_for_jobs
from tests.ui.idleness import settle

from kronkeep_common.api import WatchView
from kronkeep_common.errors import DaemonUnreachable, KronkeepError, LogRemoved


async def test_jobs_are_listed_with_state_strip_and_backup() -> None:
    async with app_of(CannedClient()).run_test(size=(80, 24)) as pilot:
        await wait_for_jobs(pilot)
        await until(pilot, lambda: "5 jobs  1 FAIL" in screen(pilot) and "b back up" in screen(pilot))
        text = screen(pilot)
        assert "FAIL      .........x default      pg-main-nightly" in text
        for word in ("susp", "late", "live", "b back up"):
            assert word in text


async def test_a_run_s_page_shows_cause_backup_and_log() -> None:
    async with app_of(CannedClient()).run_test(size=(80, 24)) as pilot:
        await wait_for_jobs(pilot)
        await pilot.press("enter", "enter")
        await until(pilot, lambda: "end of log" in screen(pilot))
        text = screen(pilot)
        assert "it needed more memory than its limit of" in text
        assert "part 311/402 uploaded" in text
        await pilot.press("escape", "escape")
        await until(pilot, lambda: "NAMESPACE" in screen(pilot))


async def test_a_log_that_was_removed_says_why_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    async def log(*_: object, **__: object) -> AsyncIterator[bytes]:
        raise LogRemoved("The log was removed at 02:00.", next_step="Raise history.keep_log_bytes.")
        yield b""

    client = CannedClient()
    monkeypatch.setattr(client.runs, "log", log)
    async with app_of(client).run_test(size=(80, 24)) as pilot:
        await wait_for_jobs(pilot)
        await pilot.press("enter", "enter")
        await until(pilot, lambda: "-- Raise history.keep_log_bytes. --" in screen(pilot))
        assert "-- The log was removed at 02:00. --" in screen(pilot)


@pytest.mark.parametrize(
    ("keys", "asked"),
    [
        (["t", "y"], [("trigger", "default", "pg-main-nightly")]),
        (["t", "n"], []),
        (["s", "y"], [("suspend", "default", "pg-main-nightly")]),
        (["b", "y"], [("back_up", "default", "pg-main-nightly")]),
        (["x", *"pg-main-nightly", "enter"], [("delete", "default", "pg-main-nightly", "pg-main-nightly")]),
        (["x", *"pg-main", "enter"], []),
        (["end", "up", "s", "y"], [("resume", "default", "pg-old")]),
    ],
)
async def test_changes_need_their_confirmation(keys: list[str], asked: list[tuple[str, ...]]) -> None:
    client = CannedClient()
    async with app_of(client).run_test(size=(80, 24)) as pilot:
        await wait_for_jobs(pilot)
        for key in keys:
            await pilot.press("minus" if key == "-" else key)
        await settle(running_app(pilot))
        assert client.asked == asked


async def test_read_only_refuses_every_change() -> None:
    client = CannedClient()
    async with app_of(client, read_only=True).run_test(size=(80, 24)) as pilot:
        await wait_for_jobs(pilot)
        await pilot.press("t")
        await until(pilot, lambda: "Read-only" in screen(pilot))
        assert client.asked == []
        assert "run now" not in screen(pilot)


@pytest.mark.parametrize("width", [80, 40])
async def test_a_lost_daemon_keeps_the_data_and_says_why_and_what_to_do_in_full(width: int) -> None:
    client = CannedClient()
    app = app_of(client)
    async with app.run_test(size=(width, 24)) as pilot:
        await wait_for_jobs(pilot)
        client.away = "Nobody serves the socket."
        client.lost.set()
        await until(pilot, lambda: "NO DAEMON, data 0s old" in screen(pilot) or width < 80)
        await until(pilot, lambda: "Nobody serves the socket." in screen(pilot))
        whole = " ".join(screen(pilot).split())
        assert "→ Start it (systemctl start kronkeepd) or name its socket with --socket." in whole
        assert "ctrl+r tries at once. What was read stays on the screen." in whole
        assert "pg-main-nightly" in whole
        await pilot.press("t")
        await until(pilot, lambda: "ctrl+r tries again." in " ".join(screen(pilot).split()))
        client.away = ""
        client.lost.clear()
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "Nobody serves" not in screen(pilot))
        await until(pilot, lambda: " live " in screen(pilot) or width < 80)


async def test_the_ended_daemon_of_a_demo_is_not_waited_for() -> None:
    client = CannedClient()
    end: list[KronkeepError] = []
    app = app_of(client, explain_end=lambda: end[0] if end else None)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_for_jobs(pilot)
        client.away = "Nobody serves the socket."
        client.lost.set()
        await until(pilot, lambda: "Start it (systemctl" in screen(pilot))
        end.append(DaemonUnreachable("This demo's daemon has ended.", next_step="q leaves the demo."))
        await until(pilot, lambda: "This demo's daemon has ended." in screen(pilot))
        await pilot.press("t")
        await until(pilot, lambda: "has ended; nothing was done. q leaves" in " ".join(screen(pilot).split()))
        whole = " ".join(screen(pilot).split())
        assert "→ q leaves the demo. What was read stays on the screen." in whole
        for wrong in ("make demo", "systemctl", "keeps trying", "ctrl+r"):
            assert wrong not in whole
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "Reading again" not in screen(pilot) and "q leaves" in screen(pilot))


async def test_a_daemon_that_does_not_answer_is_not_called_live() -> None:
    client = CannedClient()
    clock = FixedClock()
    app = app_of(client, clock=clock)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: " live " in screen(pilot))
        client.answers.clear()
        app.reader.resync()
        await until(pilot, lambda: app.reader.asked_at is not None)
        clock.moment += timedelta(seconds=12)
        await until(pilot, lambda: "no answer for 12s" in screen(pilot))
        client.answers.set()
        await until(pilot, lambda: " live " in screen(pilot))


async def test_a_stale_watch_says_why_in_full() -> None:
    client = CannedClient()
    why = "the API server at https://10.0.0.1:6443 refuses the connection; it was reached last at 03:02Z"
    client.watches = [
        WatchView(name=f"prod-eu {what}", status="stale", since=NOW - timedelta(minutes=9), why=why)
        for what in ("jobs", "pods")
    ]
    async with app_of(client).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "stale 9m" in screen(pilot) and "1 more" in screen(pilot))
        whole = " ".join(screen(pilot).split())
        assert f"The watch of prod-eu jobs is stale: {why}. 1 more of the watches are not live." in whole
        assert "What is shown may be old; kronkeepd tries again by itself." in whole


async def test_an_empty_list_says_what_to_do() -> None:
    async with app_of(CannedClient(cronjobs=[], runs=[])).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "creates the first one" in screen(pilot))


async def test_hostile_text_in_every_field_is_shown_harmless() -> None:
    bad = cronjob(HOSTILE, SUCCEEDED, schedule=HOSTILE, schedule_text=HOSTILE)
    bad_run = run(HOSTILE, SUCCEEDED, message=HOSTILE, next_step=HOSTILE)
    async with app_of(CannedClient(cronjobs=[bad], runs=[bad_run])).run_test(size=(120, 24)) as pilot:
        await until(pilot, lambda: "␛]52" in screen(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "STARTED" in screen(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "end of log" in screen(pilot))
        assert not set(screen(pilot)) & set("\x1b\x07\x9b\u202e\r")


@pytest.mark.parametrize("keys", [("t",), ("ctrl+space", "t")])
async def test_a_run_beside_one_that_goes_on_is_asked_for(keys: tuple[str, ...]) -> None:
    client = CannedClient()
    client.busy = {"pg-main-nightly"}
    async with app_of(client).run_test(size=(100, 24)) as pilot:
        await wait_for_jobs(pilot)
        await pilot.press(*keys, "y")
        await until(pilot, lambda: "has gone on for 14s. Run it beside that? y/n" in screen(pilot))
        await pilot.press("n")
        await until(pilot, lambda: "Nothing was done." in screen(pilot))
        assert client.asked == []
        await pilot.press("t", "y")
        await until(pilot, lambda: "Run it beside that? y/n" in screen(pilot))
        await pilot.press("y")
        await until(pilot, lambda: client.asked == [("trigger", "default", "pg-main-nightly")])
