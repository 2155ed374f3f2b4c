"""From when on every run is known: what the first screen says of all runs must be of all of them."""

from datetime import timedelta

from tests.ui.canned import NOW
from tests.ui.scenes import busy, many

from kronkeep_common import api
from kronkeep_tui.pages.overview import last_day, success
from kronkeep_tui.store import (
    EARLIEST,
    LATEST,
    Store,
    merge_snapshot,
    store_from,
    with_page_of_runs,
    with_records,
)
from kronkeep_tui.widgets.cells import plain

RUNS = many(3000)  # one a minute, newest first


def snapshot(first: int, last: int) -> Store:
    given = api.Snapshot(
        seq=1,
        now=NOW,
        version="0",
        cronjobs=busy().cronjobs,
        executions=RUNS[first:last],
        backups=[],
        storages=[],
        watches=[],
    )
    return store_from(given)


def test_a_snapshot_knows_every_run_since_its_oldest_and_pages_go_further_back() -> None:
    assert Store().complete_since == LATEST
    store = snapshot(0, 200)
    assert store.complete_since == RUNS[199].created_at
    store = with_page_of_runs(store, RUNS[:1000], is_last=False)
    assert store.complete_since == RUNS[999].created_at
    assert with_page_of_runs(store, RUNS[1000:], is_last=True).complete_since == EARLIEST
    assert snapshot(0, 0).complete_since == EARLIEST


def test_runs_of_one_cronjob_prove_nothing_of_the_others() -> None:
    assert with_records(snapshot(0, 200), "executions", RUNS[500:600]).complete_since == RUNS[199].created_at


def test_what_was_read_before_a_loss_counts_where_there_is_no_gap() -> None:
    old = with_page_of_runs(snapshot(100, 300), RUNS[100:1000], is_last=False)
    assert merge_snapshot(snapshot(0, 200), old).complete_since == RUNS[999].created_at
    assert merge_snapshot(snapshot(0, 50), old).complete_since == RUNS[49].created_at, (
        "between 50 and 100 nothing was seen"
    )


def test_the_overview_counts_all_runs_or_says_since_when() -> None:
    short = snapshot(0, 200)
    whole = with_page_of_runs(snapshot(0, 200), RUNS, is_last=True)
    title, *lines = [plain(line) for line in success(short, NOW, 40)]
    assert title == f"SUCCESS  every run since {RUNS[199].created_at:%d %b %H:%M}Z"
    assert sum(int(line.rpartition(" of ")[2]) for line in lines) == 200
    assert plain(success(whole, NOW, 40)[0]) == "SUCCESS  14 days, every run"
    title, well, _ = [plain(line) for line in last_day(short, NOW, 40)]
    assert title == f"LAST 24 HOURS  read since {RUNS[199].created_at:%H:%M}Z"
    assert well[6:30].strip()
    assert well[6:26].isspace(), "hours that were not read are blank"
    assert plain(last_day(whole, NOW, 40)[0]) == "LAST 24 HOURS  one column an hour"
    assert " " not in plain(last_day(whole, NOW, 40)[1])[6:30]


def test_a_run_that_began_as_the_read_ones_begin_is_counted() -> None:
    store = with_page_of_runs(Store(), RUNS[:60], is_last=False)
    counted = sum(int(plain(line).rpartition(" of ")[2]) for line in success(store, NOW, 40)[1:])
    assert counted == 60
    assert store.complete_since == NOW - timedelta(minutes=59)
