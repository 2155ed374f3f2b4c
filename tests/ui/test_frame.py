"""The frame: places, commands, palette, prompts, marks, copy, keys from the settings, plain mode."""

import gc
import re
from typing import Any

import pytest
from tests.ui.canned import CannedClient
from tests.ui.driving import a_way_to_every_view, app_of, screen, type_line, until, wait_for_jobs
from tests.ui.idleness import settle
from tests.ui.scenes import busy, storage
from tests.ui.terminal import kronkeep
from textual import events
from textual.pilot import Pilot

from kronkeep_common.states import StorageStatus
from kronkeep_tui.app import KronkeepApp
from kronkeep_tui.navigation import Place


def client() -> CannedClient:
    return CannedClient(*busy(failing=True))


async def wait_for_text(pilot: Pilot[Any], text: str) -> None:
    await until(pilot, lambda: text in screen(pilot))


async def test_commands_lead_everywhere_and_an_unknown_one_is_named() -> None:
    async with app_of(client()).run_test(size=(100, 30)) as pilot:
        await wait_for_jobs(pilot)
        for line, seen in (
            (":job pg-ledger", "Jobs › pg-ledger"),
            (":runs status:failed", "filter: status:failed"),
            (":ns crm", "ns:crm"),
            (":jobs", "2 of 12 jobs"),
            (":ns all", "ns:all"),
            (":theme light", "ns:all"),
            (":fly", "There is no command 'fly'"),
            (":jobs colour:red", "does not know 'colour'"),
            (":help", "Keys in jobs"),
        ):
            await type_line(pilot, line)
            await wait_for_text(pilot, seen)
            if line in (":fly", ":jobs colour:red"):
                await pilot.press("escape")  # what was refused stays open


async def test_garbage_is_collected_again_once_something_is_shown() -> None:
    gc.disable()  # as `kronkeep` does while it imports
    try:
        async with app_of(client()).run_test(size=(80, 24)) as pilot:
            await until(pilot, gc.isenabled)
    finally:
        gc.enable()
        gc.unfreeze()


async def test_the_history_of_views_goes_back_and_forward() -> None:
    async with app_of(client()).run_test(size=(100, 30)) as pilot:
        await wait_for_jobs(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "Jobs › pg-main-nightly" in screen(pilot))
        await pilot.press("7")
        await until(pilot, lambda: "WHAT TO DO" in screen(pilot))
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: "Jobs › pg-main-nightly" in screen(pilot))
        await pilot.press("right_square_bracket", "minus")
        await until(pilot, lambda: "Jobs › pg-main-nightly" in screen(pilot))
        await pilot.press("escape", "escape")
        await until(pilot, lambda: "NAMESPACE" in screen(pilot) and "›" not in screen(pilot))


async def test_filter_sort_and_cursor_of_a_view_are_remembered() -> None:
    async with app_of(client()).run_test(size=(100, 30)) as pilot:
        await wait_for_jobs(pilot)
        await pilot.press("S", "a", "down", "down", "z")
        await until(pilot, lambda: "faults only" in screen(pilot) and "sort: name" in screen(pilot))
        await until(pilot, lambda: ">FAIL" in screen(pilot) and "Container main was killed" in screen(pilot))
        before = screen(pilot)
        await pilot.press("3", "2")
        await until(pilot, lambda: screen(pilot) == before)
        await pilot.press("escape")
        await until(pilot, lambda: "faults only" not in screen(pilot).replace("z faults only", ""))


async def test_the_palette_finds_actions_and_cronjobs() -> None:
    async with app_of(client()).run_test(size=(100, 30)) as pilot:
        await wait_for_jobs(pilot)
        await pilot.press("ctrl+p", *"ledger")
        await until(pilot, lambda: "go to billing/pg-ledger" in screen(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "Jobs › pg-ledger" in screen(pilot))
        await pilot.press("ctrl+p", *"alerts", "enter")
        await until(pilot, lambda: "WHAT TO DO" in screen(pilot))


async def test_marked_rows_are_changed_together_after_one_question() -> None:
    given = client()
    async with app_of(given).run_test(size=(100, 30)) as pilot:
        await wait_for_jobs(pilot)
        await pilot.press("space", "down", "ctrl+@", "t")
        await until(
            pilot,
            lambda: "main-nightly, infra/etcd-snap, billing/pg-ledger? y/n" in screen(pilot),
        )
        await pilot.press("y")
        await until(pilot, lambda: "Started 3 of them" in screen(pilot))
        assert sorted(name for _, _, name in given.asked) == ["etcd-snap", "pg-ledger", "pg-main-nightly"]


async def test_a_disabled_action_says_why() -> None:
    given = CannedClient()
    async with app_of(given).run_test(size=(100, 30)) as pilot:
        await wait_for_jobs(pilot)
        await pilot.press("end", "b")
        await until(pilot, lambda: "pg-wal-hourly has no backup policy" in screen(pilot))
        await pilot.press("home", "enter")
        await until(pilot, lambda: "STARTED" in screen(pilot))
        await pilot.press("x")
        await until(pilot, lambda: "Only a run that has not ended" in screen(pilot))
        assert given.asked == []


async def test_alerts_are_acknowledged_and_lead_to_their_run() -> None:
    given = client()
    async with app_of(given, start="alerts").run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: "CRIT" in screen(pilot))
        await pilot.press("a")
        await until(pilot, lambda: "Acknowledged pg-main-nightly" in screen(pilot))
        assert given.asked == [("acknowledge", "a-RunFailed")]
        await pilot.press("enter")
        await until(pilot, lambda: "needed more memory" in screen(pilot))


async def test_keys_pressed_before_their_view_is_there_are_not_lost() -> None:
    app = app_of(CannedClient())
    async with app.run_test(size=(100, 30)) as pilot:
        await wait_for_jobs(pilot)
        for key in ("6", "n"):
            app.post_message(events.Key(key, key))
        await until(pilot, lambda: "› new storage" in screen(pilot))
        await pilot.press("escape", "2")
        await until(pilot, lambda: "SCHEDULE" in screen(pilot))
        for key in "ndb":
            app.post_message(events.Key(key, key))
        await until(pilot, lambda: "name            db" in screen(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: "SCHEDULE" in screen(pilot))
        for key, letter in (("3", "3"), ("slash", "/"), *((c, c) for c in "ledger"), ("enter", "\r")):
            app.post_message(events.Key(key, letter))
        await until(pilot, lambda: "filter: ledger" in screen(pilot))


async def test_keys_from_the_settings_hold() -> None:
    app = app_of(client(), keys={"trigger": ("ctrl+t",)})
    async with app.run_test(size=(100, 30)) as pilot:
        await wait_for_jobs(pilot)
        await pilot.press("ctrl+t")
        await until(pilot, lambda: "Run now payments/pg-main-nightly? y/n" in screen(pilot))


async def test_plain_mode_reads_the_row_and_shows_no_strips() -> None:
    async with app_of(client(), plain=True).run_test(size=(200, 40)) as pilot:
        await wait_for_jobs(pilot)
        await until(pilot, lambda: "st FAIL, last 10 8 of 10 ok" in screen(pilot))
        await pilot.press("down")
        await until(pilot, lambda: "name etcd-snap" in screen(pilot).split("\n")[-2])
        assert "........" not in screen(pilot)


@pytest.mark.parametrize("width", [80, 200])
async def test_plain_mode_draws_nothing_in_any_view(width: int) -> None:
    app = app_of(client(), plain=True)
    async with app.run_test(size=(width, 50)) as pilot:
        await wait_for_jobs(pilot)
        for way in a_way_to_every_view(app.reader.store):
            app.frame.go(way)
            await until(pilot, lambda: app.frame.view.ready)
            await settle(app)
            text = screen(pilot)
            assert {sign for sign in text if not " " <= sign <= "~"} <= {"\n"}, (way, text)
            assert not re.search(r"[#.|=_-]{5}|[.x>m]{8}", text), (way, text)
        app.frame.go((Place("jobs"), Place("history", app.reader.store.cronjobs[0].id)))
        await until(pilot, lambda: "Nov failed" in screen(pilot))
        assert re.search(r"ended 3\d of \d\d ok", screen(pilot))
        assert re.search(r"TOOK +usually 1?\dm\d\ds, most 11m26s", screen(pilot))
        app.frame.go((Place("storages"),))
        await until(pilot, lambda: "71%" in screen(pilot))


async def test_two_runs_are_compared_and_beside_each_other() -> None:
    app: KronkeepApp = app_of(client())
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_for_jobs(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "STARTED" in screen(pilot))
        await pilot.press("space", "space", "equals_sign")
        await until(pilot, lambda: "The later run took" in screen(pilot))
        await pilot.press("escape", "enter")
        await until(pilot, lambda: "end of log" in screen(pilot))
        of = app.frame.view.argument
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: app.frame.view.argument != of)
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: app.frame.view.argument == of)


async def test_a_click_moves_the_cursor_and_a_second_one_enters() -> None:
    async with app_of(client()).run_test(size=(100, 30)) as pilot:
        await wait_for_jobs(pilot)
        await pilot.click("RowTable", offset=(20, 3))
        await until(pilot, lambda: ">ok run" in screen(pilot).split("\n")[6])
        await pilot.click("RowTable", offset=(20, 3), times=2)
        await until(pilot, lambda: "Jobs › pg-ledger" in screen(pilot))


@pytest.mark.parametrize(
    ("environment", "theme", "absent"),
    [
        ({"COLORTERM": "", "TEXTUAL_COLOR_SYSTEM": "256"}, "dark", b"38;2;"),
        ({"COLORTERM": "", "TEXTUAL_COLOR_SYSTEM": "standard"}, "light", b"38;5;"),
    ],
)
def test_colours_are_those_that_the_terminal_has(
    environment: dict[str, str], theme: str, absent: bytes
) -> None:
    with kronkeep("failing", 80, 24, theme=theme, **environment) as terminal:
        first = terminal.wait_for(b"FAIL").data + terminal.settle().data
        assert absent not in first
        copied = terminal.press(b"c")
        assert b"\x1b]52;c;" in copied.data


@pytest.mark.parametrize("theme", ["terminal", "dark", "light"])
@pytest.mark.parametrize("colorterm", ["", "truecolor"])
def test_no_color_sends_flags_only(theme: str, colorterm: str) -> None:
    with kronkeep("failing", 80, 24, theme=theme, NO_COLOR="1", COLORTERM=colorterm) as terminal:
        sent = terminal.wait_for(b"FAIL").data + terminal.settle().data + terminal.press(b"j").data
        parameters = {part for found in re.findall(rb"\x1b\[([0-9;]*)m", sent) for part in found.split(b";")}
        assert parameters <= {b"", b"0", b"1", b"2", b"4", b"7"}
        assert b"7" in parameters  # the cursor's row


async def test_the_key_bar_has_what_can_be_done_now_and_help_says_why_the_rest_cannot() -> None:
    storages = [storage("broken", 1, 9, status=StorageStatus.FAILED), storage("vault", 1, 9)]

    def keys_of(pilot: Pilot[Any]) -> str:
        return screen(pilot).splitlines()[-1]

    async with app_of(CannedClient(storages=storages)).run_test(size=(120, 40)) as pilot:
        await wait_for_jobs(pilot)
        await pilot.press("6")
        await until(pilot, lambda: "t try again" in keys_of(pilot))
        await pilot.press("j")
        await until(pilot, lambda: "t try again" not in keys_of(pilot))
        await pilot.press("question_mark")
        await until(pilot, lambda: "not now: vault is active" in screen(pilot))
        await pilot.press("escape", "t")
        await until(pilot, lambda: "vault is active; only a failed one" in screen(pilot))
        await pilot.press("ctrl+p", *"try again")
        await until(pilot, lambda: "vault is active; only" in screen(pilot))
