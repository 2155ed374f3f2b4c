"""Two CronJobs of one name are told apart on a screen of 80x24, wherever one of them is named."""

import msgspec
import pytest
from tests.ui.canned import POLICY, CannedClient, cronjob, run
from tests.ui.driving import app_of, screen, until
from tests.ui.scenes import backup, storage

from kronkeep_common.models import CronJob, CronJobExecution
from kronkeep_common.states import BackupStatus, ExecutionStatus
from kronkeep_tui.store import store_from, with_records

NAMESPACES = ("default", "pay")
OK = ExecutionStatus.SUCCEEDED


def namesake(namespace: str) -> CronJob:
    policy = msgspec.structs.replace(POLICY, id=f"p-{namespace}", storage_id="s3-eu")
    made = cronjob("always-fails", OK, policy=policy)
    return msgspec.structs.replace(made, id=namespace, namespace=namespace)


def run_of(namespace: str, run_id: str, status: ExecutionStatus) -> CronJobExecution:
    made = run("always-fails", status)
    return msgspec.structs.replace(made, id=run_id, namespace=namespace, cronjob_id=namespace)


def client() -> CannedClient:
    cronjobs = [*map(namesake, NAMESPACES), cronjob("ledger", OK, policy=POLICY)]
    ended = [run_of(namespace, f"run-{namespace}", OK) for namespace in NAMESPACES]
    active = [run_of(namespace, f"now-{namespace}", ExecutionStatus.RUNNING) for namespace in NAMESPACES]
    backups = [backup(each, BackupStatus.SUCCEEDED) for each in ended]
    return CannedClient(cronjobs, [*active, *ended], backups, [storage("s3-eu", 1, 4)])


@pytest.mark.parametrize("start", ["overview", "jobs", "runs", "policies", "restore", "storages"])
async def test_a_name_that_several_have_stands_with_its_namespace(start: str) -> None:
    async with app_of(client(), start=start).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "default/always-fails" in screen(pilot))
        await until(pilot, lambda: "pay/always-fails" in screen(pilot))
        assert "default/ledger" not in screen(pilot)


@pytest.mark.parametrize(
    ("start", "keys", "words"),
    [
        ("jobs", ("down", "down", "enter"), "Jobs › pay/always-fails"),
        ("restore", ("v",), "of default/always-fails"),
        ("restore", ("r",), "default/always-fails"),
        ("runs", ("x",), "Stop default/always-fails-29925000?"),
        ("jobs", ("h",), "default/always-fails  every day"),
    ],
)
async def test_so_it_does_in_crumbs_and_questions(start: str, keys: tuple[str, ...], words: str) -> None:
    async with app_of(client(), start=start).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "pay/always-fails" in screen(pilot))
        await pilot.press(*keys)
        await until(pilot, lambda: words in screen(pilot))


async def test_a_name_becomes_shared_by_what_comes_later() -> None:
    store = store_from(await CannedClient([namesake("pay")], [], []).snapshot())
    assert store.label("pay", "always-fails") == "always-fails"

    later = with_records(store, "executions", [run_of("gone", "old", OK)])

    assert later.label("pay", "always-fails") == "pay/always-fails"
    assert later.label("pay", "ledger") == "ledger"


async def test_a_job_that_never_ran_is_started_from_its_empty_list_and_keys_say_what_is_marked() -> None:
    client = CannedClient(cronjobs=[cronjob("fresh"), cronjob("other")], runs=[])
    async with app_of(client).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "fresh" in screen(pilot))
        await pilot.press("space", "space")
        await until(pilot, lambda: "2 marked: " in screen(pilot).splitlines()[-1])
        await pilot.press("escape", "home", "enter", "t")
        await until(pilot, lambda: "Run now default/fresh? y/n" in screen(pilot))
