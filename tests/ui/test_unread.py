"""What was not read is not claimed: refused answers, a daemon that never answered, runs out of sight."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.ui.canned import BROKEN, NOW, CannedClient, run
from tests.ui.driving import app_of, running_app, screen, type_line, until
from tests.ui.night_scene import night
from tests.ui.scenes import busy, many, run_at

from kronkeep_common import api
from kronkeep_common.errors import DaemonUnreachable, NameTaken
from kronkeep_common.socket_path import shell_line
from kronkeep_common.states import ExecutionStatus

TAKEN = NameTaken("There is a claim default/shop already.", next_step="Choose another name.")


async def refuse(*_: Any, **__: Any) -> Any:
    raise TAKEN


async def test_a_refused_plan_stands_where_it_would_and_another_target_may_be_chosen() -> None:
    client = CannedClient(*busy())
    client.backups.plan_restore = refuse  # type: ignore[method-assign]
    async with app_of(client, start="restore").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "SNAPSHOT" in screen(pilot) and ">ok" in screen(pilot))
        await pilot.press("r")
        await until(pilot, lambda: "› restore all" in screen(pilot))
        await pilot.press(*"shop")
        await until(pilot, lambda: "There is a claim default/shop already." in screen(pilot))
        await until(pilot, lambda: "Looking at the snapshot" not in screen(pilot))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "already. Choose another name." in screen(pilot))


def yaml_of_a_run(client: CannedClient) -> None:
    client.runs.get = refuse  # type: ignore[method-assign]


def events_of_a_run(client: CannedClient) -> None:
    client.runs.events = refuse  # type: ignore[method-assign]


@pytest.mark.parametrize(("break_call", "key"), [(yaml_of_a_run, "y"), (events_of_a_run, "e")])
async def test_a_page_that_cannot_be_read_says_why_and_is_read_again(
    break_call: Callable[[CannedClient], None], key: str
) -> None:
    client = CannedClient(*busy())
    works = (client.runs.get, client.runs.events)
    break_call(client)
    async with app_of(client, start="runs").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: ">ok" in screen(pilot) or ">run" in screen(pilot))
        await pilot.press(key)
        await until(pilot, lambda: "→ Choose another name." in screen(pilot))
        assert "Reading ..." not in screen(pilot)
        client.runs.get, client.runs.events = works  # type: ignore[method-assign]
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "→ Choose another name." not in screen(pilot))


async def test_before_anything_was_read_nothing_is_claimed() -> None:
    client = CannedClient([], [])
    client.away = "Nobody answers."
    async with app_of(client, start="overview").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "Nobody answers." in screen(pilot))
        for claim in ("no CronJob", "no storage", "nothing is running", "0 jobs", "every run since", " 0"):
            assert claim not in screen(pilot).split("\n", 1)[1].replace("03:14", ""), claim
        assert "0 jobs" not in screen(pilot)
        await until(pilot, lambda: "The daemon is away, so this was not read." in screen(pilot))
        assert "What was read stays" not in screen(pilot)


async def test_of_a_cluster_that_was_never_connected_nothing_is_claimed() -> None:
    """It says so in the first line and why below it; once the cluster is there, the view is as ever."""
    client = CannedClient([], [])
    why = "west does not answer: connection refused"
    placeholder = "never connected: west"
    client.clusters = [api.ClusterView(id=placeholder, name="west")]
    client.watches = [
        api.WatchView(name=api.CONNECTION, cluster=placeholder, status="failing", since=NOW, why=why)
    ]
    async with app_of(client, start="overview").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "never connected" in screen(pilot).split("\n", 1)[0])
        await until(pilot, lambda: "The cluster west has never been connected" in screen(pilot))
        assert why.split(": ")[1] in screen(pilot)
        for claim in ("no CronJob", "no storage", "nothing is running", "0 jobs", "Welcome", "Nothing needs"):
            assert claim not in screen(pilot), claim


async def test_runs_that_come_above_the_first_row_in_sight_are_announced() -> None:
    client = CannedClient(busy().cronjobs, many(60))
    async with app_of(client, start="runs").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "CRONJOB" in screen(pilot) and "pg-main-nightly" in screen(pilot))
        await pilot.press("G")
        await until(pilot, lambda: "46m" in screen(pilot))
        fresh = [
            run_at(run("pg-ledger", status), f"fresh-{status}", "billing", NOW, 1)
            for status in (ExecutionStatus.FAILED, ExecutionStatus.SUCCEEDED)
        ]
        client.runs_given = [*fresh, *client.runs_given]
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "2 new above, 1 FAIL" in screen(pilot))
        await pilot.press("g")
        await until(pilot, lambda: "new above" not in screen(pilot))


async def test_the_mouse_works_on_tabs_titles_rows_and_keys() -> None:
    async with app_of(CannedClient(*busy()), mouse=True).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "pg-main-nightly" in screen(pilot))

        def place_of(word: str) -> tuple[int, int]:
            lines = screen(pilot).splitlines()
            row = next(number for number, line in enumerate(lines) if word in line)
            return lines[row].index(word) + 1, row

        await pilot.click(offset=place_of("NAME "))
        await until(pilot, lambda: "sort: name" in screen(pilot))
        await pilot.click(offset=place_of("NAME^"))
        await until(pilot, lambda: "sort: name, reversed" in screen(pilot))
        row = place_of("pg-web-eu")
        await pilot.click(offset=row)
        await until(pilot, lambda: ">" in screen(pilot).splitlines()[row[1]][:2])
        await pilot.click(offset=row)
        await until(pilot, lambda: "Jobs › pg-web-eu" in screen(pilot))
        await pilot.click(offset=place_of("6 Storages"))
        await until(pilot, lambda: "nfs-1" in screen(pilot) and "STORAGE" in screen(pilot))
        await pilot.click(offset=place_of("? help"))
        await until(pilot, lambda: "› help" in screen(pilot))


async def test_help_and_a_key_have_the_line_for_a_shell() -> None:
    app = app_of(CannedClient(*busy()))
    app.frame.shell_line = shell_line(Path("/tmp/kronkeep-x/api.sock"), "/tmp/kronkeep-x/kubeconfig")
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "pg-main-nightly" in screen(pilot))
        await pilot.press("C")
        await until(pilot, lambda: "kubectl get cronjobs -A" in screen(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "Copied kronkeep get cronjobs" in screen(pilot))
        assert app.clipboard == "kronkeep get cronjobs"
        await pilot.press("end", "enter")
        await until(pilot, lambda: "Copied export KRONKEEP_SOCKET=/tmp/kronkeep-x/api.sock" in screen(pilot))
        assert app.clipboard == app.frame.shell_line
        await pilot.press("escape", "question_mark", "G")
        await until(pilot, lambda: "In a shell" in screen(pilot) and "KUBECONFIG=/tmp" in screen(pilot))


async def test_the_lines_of_an_ended_log_are_counted_and_esc_ends_its_search_first() -> None:
    async with app_of(CannedClient(), start="jobs").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "pg-main-nightly" in screen(pilot))
        await pilot.press("l")
        await until(pilot, lambda: "Log (2 lines)" in screen(pilot) and "-- end of log" in screen(pilot))
        await pilot.press("slash")
        await type_line(pilot, "part")
        await until(pilot, lambda: "1 with 'part'" in screen(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: "Log (2 lines)" in screen(pilot))
        assert "OOMKilled" in screen(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: "-- end of log" not in screen(pilot))


async def test_a_long_log_that_came_while_another_view_was_in_front_is_whole() -> None:
    client = CannedClient()
    client.log_text = b"".join(b"line %d\n" % number for number in range(45_000))
    async with app_of(client, start="jobs").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "pg-main-nightly" in screen(pilot))
        await pilot.press("l", "3")
        await until(pilot, lambda: "STARTED" in screen(pilot))
        await pilot.press("minus")
        await until(pilot, lambda: "Log (45,000 lines)" in screen(pilot))
        await pilot.press("g")
        await until(pilot, lambda: " line 0 " in screen(pilot))


async def test_what_cannot_come_while_the_daemon_is_away_says_so_and_comes_once_it_is_back() -> None:
    client = CannedClient(*night())
    away = "The daemon is away, so this was not read."
    async with app_of(client, start="jobs").run_test(size=(200, 50)) as pilot:
        await until(pilot, lambda: "part 311/402 uploaded" in screen(pilot))
        client.away = BROKEN
        client.lost.set()
        await until(pilot, lambda: "NO DAEMON" in screen(pilot))
        await pilot.press("j", "j")
        await until(pilot, lambda: away in screen(pilot))  # the log of another row
        assert "Reading ..." not in screen(pilot)
        await pilot.press("4")
        await until(pilot, lambda: "KEEP  The daemon is away" in screen(pilot))
        await pilot.press("8")
        await until(pilot, lambda: "not read: the daemon is away" in screen(pilot))
        assert "reading ..." not in screen(pilot)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "The daemon is away; it is tried at once." in screen(pilot))
        client.away = ""
        client.lost.clear()
        await pilot.press("ctrl+r", "2")
        await until(pilot, lambda: "part 311/402 uploaded" in screen(pilot))


async def test_the_plan_of_a_restore_comes_once_the_daemon_is_back() -> None:
    client = CannedClient(*night())
    async with app_of(client, start="restore").run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: ">ok" in screen(pilot))
        await pilot.press("r")
        await until(pilot, lambda: "› restore all" in screen(pilot))
        client.away = BROKEN
        client.lost.set()
        await until(pilot, lambda: "NO DAEMON" in screen(pilot))
        await pilot.press(*"shop")
        await until(pilot, lambda: "The daemon is away, so this was not read." in screen(pilot))
        assert "Looking at the snapshot" not in screen(pilot)
        client.away = ""
        client.lost.clear()
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "1 new, 1 overwritten" in screen(pilot))


async def test_a_page_that_was_opened_while_the_daemon_was_away_is_read_once_it_is_back() -> None:
    client = CoverageClient(*busy())
    async with app_of(client, start="runs").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: ">ok" in screen(pilot) or ">run" in screen(pilot))
        client.away = BROKEN
        client.lost.set()
        await until(pilot, lambda: "NO DAEMON" in screen(pilot))
        await pilot.press("V")
        await until(pilot, lambda: "ctrl+r tries again" in screen(pilot) and "coverage" in screen(pilot))
        client.away = ""
        client.lost.clear()
        running_app(pilot).reader.resync()
        await until(pilot, lambda: "ctrl+r tries again, esc goes back." not in screen(pilot))


class CoverageClient(CannedClient):
    """A daemon whose coverage cannot be read while it is away."""

    async def coverage(self) -> api.CoverageList:
        if self.away:
            raise DaemonUnreachable(self.away)
        return await super().coverage()


async def test_a_key_for_a_row_says_that_it_is_still_read_until_there_is_one() -> None:
    client = CannedClient(*busy())
    client.answers.clear()
    async with app_of(client).run_test(size=(80, 24)) as pilot:
        await pilot.press("h")
        await until(pilot, lambda: "Still reading: press the key again" in screen(pilot))
        client.answers.set()
        await until(pilot, lambda: "pg-main-nightly" in screen(pilot))
        await until(pilot, lambda: "Still reading" not in screen(pilot))
        await pilot.press("h")
        await until(pilot, lambda: "history" in screen(pilot).splitlines()[2])
