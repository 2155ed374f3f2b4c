"""The Overview's sections: what failed is marked, hours of many failures are told, all sections fit."""

from datetime import timedelta

import msgspec
from tests.records import vault_with_usage
from tests.ui.canned import BAD, NOW, OK, cronjob, run

from kronkeep_common import api
from kronkeep_common.states import StorageStatus
from kronkeep_tui.pages import overview as page
from kronkeep_tui.store import Store, store_from
from kronkeep_tui.widgets.cells import plain

DAYS = timedelta(days=2)


def busy_store() -> Store:
    """A failed storage, twelve failures within the hour, six CronJobs that are due, and one good run."""
    vault = vault_with_usage(used_bytes=1, capacity_bytes=None)
    failed = [
        msgspec.structs.replace(run("a", BAD), id=f"r{number}", created_at=NOW - timedelta(minutes=5))
        for number in range(12)
    ]
    snapshot = api.Snapshot(
        seq=1,
        now=NOW,
        version="1",
        cronjobs=[cronjob(f"job-{number}") for number in range(6)],
        executions=[*failed, run("good", OK), msgspec.structs.replace(run("old", OK), created_at=NOW - DAYS)],
        backups=[],
        storages=[msgspec.structs.replace(vault, status=StorageStatus.FAILED)],
        watches=[],
    )
    return store_from(snapshot)


def test_fail_of_a_storage_is_the_thing_that_is_marked() -> None:
    line = next(line for line in page.storages(busy_store(), NOW, 60) if "FAIL" in plain(line))
    roles = dict(line)
    assert (roles["FAIL"], roles["not checked"]) == ("bad", "quiet")


def test_an_hour_with_more_than_nine_failures_says_so() -> None:
    title, _, bad = page.last_day(busy_store(), NOW, 60)
    assert plain(bad).split()[1][-1] == "+"
    assert plain(bad).endswith("12")
    assert bad[1][0].words == "12 in the last hour"  # type: ignore[attr-defined]
    assert "+ is more than 9" in plain(title) or "read since" in plain(title)


def test_all_sections_are_there_in_eleven_lines() -> None:
    store = busy_store()
    text = [plain(line) for line in page.column(page.RIGHT, store, NOW, 38, 11)]
    assert any(line.startswith("SUCCESS") for line in text[:11])
    assert any("%" in line for line in text[:11])
    assert len(page.column(page.RIGHT, store, NOW, 38)) > 12
