"""Usual durations and trends, from the runs that were read."""

from datetime import UTC, datetime, timedelta

from tests.records import make_run

from kronkeep_common.models import CronJobExecution
from kronkeep_common.states import ExecutionStatus
from kronkeep_tui.pages.durations import group_runs, since_run, slow_role, trend, usual_seconds
from kronkeep_tui.store import Store, table_of
from kronkeep_tui.widgets.cells import plain, replace_drawings

START = datetime(2026, 11, 24, tzinfo=UTC)


def run(number: int, seconds: float | None, status: str = "succeeded") -> CronJobExecution:
    return make_run(
        id=f"r{number}",
        cronjob_id=f"u{number % 2}",
        created_at=START + timedelta(hours=number),
        duration_seconds=seconds,
        status=ExecutionStatus(status),
    )


def test_the_usual_duration_is_the_median_of_what_succeeded() -> None:
    runs = [run(0, 100), run(2, 110), run(4, 900, "failed"), run(6, 120), run(8, None, "running")]
    assert usual_seconds(runs) == 110
    assert usual_seconds([]) is None
    assert (slow_role(250, 110), slow_role(150, 110), slow_role(30, 5), slow_role(None, 5)) == (
        "warn",
        "",
        "",
        "",
    )


def test_a_trend_has_heights_for_durations_and_letters_for_what_failed() -> None:
    runs = [run(6, 800), run(4, 10, "failed"), run(2, 400), run(0, 100)]
    drawn = trend(runs, 6)
    assert plain(drawn) == "  ▁▄x█"
    assert [role for words, role in drawn if "x" in words] == ["bad"]
    assert plain(replace_drawings(drawn)) == "usually 6m40s"
    assert plain(trend(since_run(runs, "r2"), 3)) == " ▂▆"
    assert plain(replace_drawings(trend([], 4))) == "none"


def test_runs_are_grouped_newest_first() -> None:
    store = Store(executions=table_of([run(number, 1) for number in range(6)]))
    groups = group_runs(store)
    assert [each.id for each in groups["u0"]] == ["r4", "r2", "r0"]
