"""The `:` commands: what is typed after a command counts, or is refused."""

import msgspec
import pytest
from tests.ui.canned import CannedClient, cronjob
from tests.ui.driving import app_of, running_app, screen, type_line, until
from tests.ui.scenes import alert, busy, storage

from kronkeep_common.models import CronJob
from kronkeep_common.states import BackupStatus
from kronkeep_common.text import count_words
from kronkeep_tui.pages.status_words import FAULTS


def namesakes() -> list[CronJob]:
    """Two CronJobs of one name, and one of another."""
    names = (("shop", "dump"), ("billing", "dump"), ("shop", "report"))
    return [
        msgspec.structs.replace(cronjob(name), id=f"{namespace}-{name}", namespace=namespace)
        for namespace, name in names
    ]


@pytest.mark.parametrize("start", ["jobs", "overview", "runs", "alerts"])
@pytest.mark.parametrize(
    ("line", "question"),
    [
        ("trigger pg-ledger", "Run now billing/pg-ledger? y/n"),
        ("suspend billing/pg-ledger", "Suspend billing/pg-ledger? y/n"),
        ("back-up pg-ledger", "Back up now billing/pg-ledger? y/n"),
        ("delete pg-ledger", "Delete billing/pg-ledger? Its history stays. Type pg-ledger"),
    ],
)
async def test_a_command_acts_on_the_name_and_not_on_the_row_under_the_cursor(
    start: str, line: str, question: str
) -> None:
    given = CannedClient(*busy(failing=True))
    async with app_of(given, start=start).run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: running_app(pilot).reader.has_read)
        await pilot.press("colon")
        await type_line(pilot, line)
        await until(pilot, lambda: question in screen(pilot))
        assert given.asked == []


@pytest.mark.parametrize(
    ("line", "refusal"),
    [
        ("trigger nope", "There is no 'nope' here."),
        ("suspend dump", "'dump' is the name of several. Choose: "),
        ("job dump", "'dump' is the name of several. Choose: billing/dump, shop/dump."),
        ("create dump", ":create takes no name."),
        ("sort nope", "There is no order 'nope'. There are: duration, last,"),
        ("filter nope:x", "nope"),
        ("ns shopp", "No CronJob is in a namespace 'shopp'. Did you mean shop?"),
        ("acknowledge dump", "acknowledge is for Alerts, Storages, not for this view."),
        ("run run-", "The ids of 3 runs begin so. Type more: run-pg-main-"),
        ("run", "No run that was read begins with ''. Write :run ID."),
    ],
)
async def test_what_a_command_cannot_use_is_refused(line: str, refusal: str) -> None:
    given = CannedClient(namesakes())
    async with app_of(given).run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: "report" in screen(pilot))
        await pilot.press("colon")
        await type_line(pilot, line)
        await until(pilot, lambda: refusal in screen(pilot))
        assert "y/n" not in screen(pilot)
        assert given.asked == []


async def test_filter_and_sort_take_their_text() -> None:
    async with app_of(CannedClient(namesakes(), [])).run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: "report" in screen(pilot))
        await pilot.press("colon")
        await type_line(pilot, "filter ns:shop")
        await until(pilot, lambda: "filter: ns:shop" in screen(pilot))
        await pilot.press("colon")
        await type_line(pilot, "sort name")
        await until(pilot, lambda: "sort: name" in screen(pilot))


async def test_an_alert_leads_to_its_own_storage_or_says_that_it_is_gone() -> None:
    names = ("alpha", "beta", "gamma")
    alerts = [
        msgspec.structs.replace(
            alert("StorageFailed", name, "", number, kind="storage"), id=name, object_id=name
        )
        for number, name in enumerate(("gone", "gamma"))
    ]
    given = CannedClient(storages=[storage(name, 1, 2) for name in names], alerts=alerts)
    async with app_of(given, start="alerts").run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: "gamma" in screen(pilot))
        await pilot.press("colon")
        await type_line(pilot, "choose gamma")
        await until(pilot, lambda: "Storages" in screen(pilot) and ">" in screen(pilot))
        await pilot.press("x")
        await until(pilot, lambda: "Type gamma and enter" in screen(pilot))
        await pilot.press("escape", "escape", "colon")
        await type_line(pilot, "choose gone")
        await until(pilot, lambda: "The storage gone no longer exists." in screen(pilot))


async def test_names_are_completed_and_the_start_of_an_id_is_enough_for_a_run() -> None:
    given = CannedClient(namesakes())
    async with app_of(given).run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: "report" in screen(pilot))
        await pilot.press("colon", *"trigger sh", "tab", "enter")
        await until(pilot, lambda: "Run now shop/dump? y/n" in screen(pilot))
        await pilot.press("n", "colon", *"run run-pg-l", "enter")
        await until(pilot, lambda: "pg-ledger-29925000  [ older" in screen(pilot))
        await pilot.press("colon")
        await type_line(pilot, f"run {'0' * 36}")
        await until(pilot, lambda: "There is no such record." in screen(pilot))


async def test_a_place_to_which_a_command_jumps_has_its_whole_way_in_the_crumbs() -> None:
    scene = busy(failing=True)
    run = scene.runs[0]
    async with app_of(CannedClient(*scene), start="overview").run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: running_app(pilot).reader.has_read)
        for line, way in (
            (f"run {run.id}", f" Runs › {run.job}"),
            ("grep full", " Runs › grep full"),
            ("job pg-ledger", " Jobs › pg-ledger"),
        ):
            await pilot.press("colon")
            await type_line(pilot, line)
            await until(pilot, lambda: way in screen(pilot).splitlines()[2])  # noqa: B023


async def test_faults_only_in_runs_has_good_runs_with_failed_backups_and_tells_both_apart() -> None:
    scene = busy(failing=True)
    own = msgspec.structs.replace(scene.backups[0], status=BackupStatus.FAILED, message="No space.")
    scene = scene._replace(backups=[own, *scene.backups[1:]])
    async with app_of(CannedClient(*scene), start="runs").run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: "row 1/" in screen(pilot))
        await pilot.press("z")
        failed = count_words(sum(run.status in FAULTS for run in scene.runs), "run")
        await until(pilot, lambda: f"({failed} failed, 1 backup of good ones)" in screen(pilot))
        assert "backup: No" in screen(pilot)
