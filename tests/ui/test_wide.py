"""Wide screens: a preview that follows the cursor, whole names, usual durations, help in columns."""

import re

import msgspec
from tests.ui.canned import BACKUPS, POLICY, RUNS, CannedClient, cronjob
from tests.ui.driving import app_of, running_app, screen, type_line, until
from tests.ui.idleness import settle
from tests.ui.night_scene import night
from tests.ui.scenes import Scene, alert, busy, many

from kronkeep_common.models import RestoreRequest, RestoreTarget

NEW_CLAIM = RestoreRequest(target=RestoreTarget(kind="new-claim", claim="shop"))
LONG = "a-name-of-forty-letters-that-is-not-cut-x"


def crowd(count: int) -> Scene:
    scene = busy()
    alerts = [alert("RunFailed", f"job-{n}", "web", n + 1) for n in range(count)]
    return scene._replace(alerts=[msgspec.structs.replace(a, id=f"a{n}") for n, a in enumerate(alerts)])


async def test_the_preview_follows_the_cursor_with_cause_log_and_plan() -> None:
    client = CannedClient(*night())
    async with app_of(client, start="jobs").run_test(size=(200, 50)) as pilot:
        await until(pilot, lambda: "part 311/402 uploaded" in screen(pilot))
        text = screen(pilot)
        assert "Container main was killed" in text
        assert "PLAN  next run in 23h" in text
        await pilot.press("3")
        await until(pilot, lambda: "part 311/402 uploaded" in screen(pilot))
        assert "sitemap-" in screen(pilot)
        await pilot.press("j")
        await until(pilot, lambda: "pg-wal-hourly-" in screen(pilot) and "311/402" in screen(pilot))
        client.away = "The connection broke."
        await pilot.resize_terminal(100, 40)
        await settle(running_app(pilot))
        assert "311/402" not in screen(pilot), "no space for it"


async def test_durations_have_what_is_usual_from_120_columns_and_80_lose_nothing() -> None:
    async with app_of(CannedClient(*night()), start="runs").run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: "USUAL" in screen(pilot) and "sitemap" in screen(pilot))
        await settle(running_app(pilot))
        line = next(line for line in screen(pilot).splitlines() if "FAIL " in line and "8m20s" in line)
        assert "xx pg-main-nightly" in line, "the trend has the failures"
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: "USUAL" not in screen(pilot))
        titles = next(line for line in screen(pilot).splitlines() if "STARTED" in line)
        assert titles.split() == ["ST", "STARTED", "TOOK", "CRONJOB", "BY", "BACKUP", "WHY"]


async def test_a_long_name_is_whole_while_there_is_space() -> None:
    jobs = [cronjob(LONG), cronjob("short")]
    async with app_of(CannedClient(jobs, [], [])).run_test(size=(200, 30)) as pilot:
        await until(pilot, lambda: LONG in screen(pilot))
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: LONG not in next(x for x in screen(pilot).splitlines() if x[:1] == ">"))


async def test_alerts_of_one_cause_are_one_row_that_leads_to_all_of_them() -> None:
    async with app_of(CannedClient(*crowd(37)), start="overview").run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: "37 × RunFailed" in screen(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "filter: code:RunFailed" in screen(pilot))
        assert "web/job-0" in screen(pilot)


async def test_help_stands_in_columns_on_a_wide_screen() -> None:
    async with app_of(CannedClient(*night()), start="jobs").run_test(size=(200, 50)) as pilot:
        await until(pilot, lambda: "pg-main-nightly" in screen(pilot))
        await pilot.press("question_mark")
        await until(pilot, lambda: "Keys in jobs" in screen(pilot))
        rows = [line for line in screen(pilot).splitlines() if line.count(" :") >= 3]
        assert len(rows) > 10, "three keys in a line"
        assert "Filters, here and in the API" in screen(pilot)


async def test_policies_snapshots_and_storages_have_cause_plan_and_state_in_their_preview() -> None:
    client = CannedClient(*night())
    async with app_of(client, start="policies").run_test(size=(200, 50)) as pilot:
        await until(pilot, lambda: "KEEP  7 stay, 4 go" in screen(pilot))
        text = screen(pilot)
        assert "4 snapshots would go at once." in text
        assert "BACKUPS" in text
        assert "PLAN  next run in" in text
        await type_line(pilot, "/main-nightly")
        await until(pilot, lambda: "part 311/402 uploaded" in screen(pilot))
        assert "Container main was killed" in screen(pilot)
        await pilot.press("6")
        await until(pilot, lambda: "NOW" in screen(pilot) and "BACKUPS" in screen(pilot))
        beside = [line.split("│")[-1] for line in screen(pilot).splitlines()]
        assert any(line.startswith(" ok ") and "etcd-snap" in line and " new of " in line for line in beside)
        await pilot.press("j")
        await until(pilot, lambda: "25m00s  pg-ledger" in screen(pilot))
        await pilot.press("5")
        await until(pilot, lambda: "RUN   ok" in screen(pilot) and "part 311/402 uploaded" in screen(pilot))
        await pilot.resize_terminal(130, 40)
        await settle(running_app(pilot))
        assert "RUN   ok" not in screen(pilot), "no space for it"


async def test_a_preview_says_why_a_snapshot_stays_and_how_long_its_restore_takes() -> None:
    jobs = [cronjob("pg-ledger", policy=POLICY, expected_restore_seconds=95)]
    client = CannedClient(jobs, RUNS, [msgspec.structs.replace(BACKUPS[0], id="b3")])
    async with app_of(client, start="restore").run_test(size=(200, 50)) as pilot:
        words = "PLAN  stays: one of the newest 3 good ones, younger than 7"
        await until(pilot, lambda: words in screen(pilot))
        assert "1m35s" in screen(pilot)


async def test_the_cockpit_has_the_whole_reason_where_lines_are_free() -> None:
    scene = night()
    long = "It failed: " + " ".join(f"word{n}" for n in range(40)) + " the-end."
    alerts = [msgspec.structs.replace(scene.alerts[0], message=long), *scene.alerts[1:]]
    async with app_of(CannedClient(*scene._replace(alerts=alerts)), start="overview").run_test(
        size=(200, 50)
    ) as pilot:
        await until(pilot, lambda: "the-end." in screen(pilot))
        lines = screen(pilot).splitlines()
        missed = next(number for number, line in enumerate(lines) if "No run started at 01:30." in line)
        assert "the-end." in lines[missed - 1]
        await pilot.press("j")
        await until(pilot, lambda: screen(pilot).splitlines()[missed][:1] == ">")
        await pilot.press("k")
        await until(pilot, lambda: screen(pilot).splitlines()[missed][:1] == " ")
        await pilot.resize_terminal(120, 30)
        await until(pilot, lambda: "the-end." not in screen(pilot))


async def test_without_free_lines_a_reason_is_one_line_and_the_rows_scroll() -> None:
    scene = busy()
    alerts = [alert(f"Code{n}", f"job-{n}", "web", n + 1) for n in range(60)]
    named = [msgspec.structs.replace(a, id=f"a{n}", message="word " * 60) for n, a in enumerate(alerts)]
    async with app_of(CannedClient(*scene._replace(alerts=named)), start="overview").run_test(
        size=(200, 50)
    ) as pilot:
        await until(pilot, lambda: "row 1/60" in screen(pilot))
        await settle(running_app(pilot))
        shown = [line for line in screen(pilot).splitlines() if "web/job-" in line]
        assert len(shown) > 15
        await pilot.press("G")
        await until(pilot, lambda: "row 60/60" in screen(pilot) and "web/job-59" in screen(pilot))


async def test_runs_that_were_not_read_yet_are_named_and_help_explains_the_figures() -> None:
    client = CannedClient([], many(1500), backups=[])
    async with app_of(client, start="runs").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "row 1/1000 and older" in screen(pilot).splitlines()[2])
        await pilot.press("end")
        await until(pilot, lambda: "/1500 " in screen(pilot).splitlines()[2])
        assert "and older" not in screen(pilot)
        await pilot.press("question_mark", "slash", *"and older", "enter")
        await until(pilot, lambda: "older ones are read as you go down" in screen(pilot))


async def test_every_list_says_on_which_row_of_how_many_the_cursor_is() -> None:
    client = CannedClient(*night())
    client.restores_given = [await client.backups.restore("b1", NEW_CLAIM)]
    async with app_of(client, start="jobs").run_test(size=(100, 30)) as pilot:
        for key in "12345678":
            await pilot.press(key)
            await until(pilot, lambda: re.search(r"row 1/\d+", screen(pilot).splitlines()[2]))
        await pilot.press("2", "down", "down")
        await until(pilot, lambda: "row 3/16" in screen(pilot).splitlines()[2])
        await type_line(pilot, "/name:crm")
        await until(pilot, lambda: "row 2/2 of 16" in screen(pilot).splitlines()[2])
        await pilot.press("5", "R")
        await until(pilot, lambda: "row 1/1" in screen(pilot).splitlines()[2])
        await pilot.press("escape", "enter")
        await until(pilot, lambda: "row 1/3" in screen(pilot).splitlines()[2])
