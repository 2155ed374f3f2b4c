"""Rows from a timeline and from records; order, overlap and batches."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from tests.records import make_backup, make_run

from kronkeep_common.models import CronJob
from kronkeep_common.models.timeline import Timeline, TimelineRow, TimelineRun
from kronkeep_common.states import BackupStatus, ExecutionStatus
from kronkeep_tui.night.bars import Bar, NightRow, Rows, with_cronjobs, with_records, with_timeline
from kronkeep_tui.night.batches import NEVER, entry_of, fold_batches, fold_rest, with_overlaps
from kronkeep_tui.night.chart import Look
from kronkeep_tui.night.time_window import TimeWindow

START = datetime(2026, 11, 24, tzinfo=UTC)
HOUR = timedelta(hours=1)
LOOK = Look(TimeWindow(int(START.timestamp()), 600, 60), (START + 9 * HOUR).timestamp(), UTC)


def cronjob(number: int, schedule: str = "0 3 * * *", namespace: str = "shop") -> CronJob:
    return CronJob(
        id=f"u{number}",
        cluster="c",
        namespace=namespace,
        name=f"job-{number}",
        schedule=schedule,
        created_at=START,
    )


def timeline(*rows: TimelineRow) -> Timeline:
    return Timeline(
        from_at=START,
        until_at=START + 10 * HOUR,
        now=START + 9 * HOUR,
        complete_since=START,
        planned_until=START + 10 * HOUR,
        rows=rows,
    )


def night_row(number: int, *spans: tuple[float, float], schedule: str = "") -> NightRow:
    runs = tuple(
        Bar(
            id=f"{number}.{n}",
            status="succeeded",
            begin=(START + first * HOUR).timestamp(),
            end=(START + end * HOUR).timestamp(),
        )
        for n, (first, end) in enumerate(spans)
    )
    return NightRow(
        id=f"u{number}", cluster="c", namespace="shop", cronjob=f"job-{number}", schedule=schedule, runs=runs
    )


def test_a_change_makes_one_row_again_and_keeps_the_others() -> None:
    rows: Rows = with_cronjobs({}, [cronjob(n) for n in range(3)])
    rows = with_timeline(
        rows,
        timeline(
            TimelineRow(
                cluster="c",
                namespace="shop",
                cronjob="job-1",
                cronjob_id="u1",
                runs=(TimelineRun(id="r", status=ExecutionStatus.RUNNING, began_at=START + HOUR),),
                planned=(START + 10 * HOUR,),
            )
        ),
    )
    assert rows["u1"].runs[0].end is None
    ended = make_run(
        id="r",
        cronjob_id="u1",
        status=ExecutionStatus.FAILED,
        created_at=START + HOUR,
        started_at=START + HOUR,
        ended_at=START + 2 * HOUR,
    )
    archive = make_backup(cronjob_id="u1", cronjob_execution_id="r", created_at=START + 2 * HOUR)
    given_up = make_backup(id="x", cronjob_id="u2", status=BackupStatus.FAILED, reason="CronJobFailed")
    changed = with_records(rows, [ended], [archive, given_up])
    assert [(bar.status, bar.seconds) for bar in changed["u1"].runs] == [("failed", 3600)]
    assert [bar.run_id for bar in changed["u1"].archives] == ["r"]
    assert changed["u0"] is rows["u0"]
    assert changed["u2"] is rows["u2"], "no archive of a failed run was ever in a queue"
    assert with_cronjobs(changed, [cronjob(n) for n in range(3)])["u1"] is changed["u1"]
    assert with_cronjobs(changed, [cronjob(0)])["u1"].schedule == "", "it is gone"
    unknown = with_records({}, [make_run(id="z", cronjob_id="gone", created_at=START)], [])
    assert (unknown["gone"].cronjob, unknown["gone"].usual_seconds) == ("j", None)


def test_what_rows_are_sorted_by() -> None:
    rows = [night_row(1, (1, 3), (5, 6)), night_row(2, (2, 4)), night_row(3, (5.5, 6)), night_row(4)]
    entries = with_overlaps([entry_of(row, LOOK) for row in rows], LOOK)
    assert [entry.length / 3600 for entry in entries] == [3, 2, 0.5, 0]
    assert [entry.overlap for entry in entries] == [2, 2, 2, 0]
    assert [entry.start for entry in entries][3] == NEVER
    later = entry_of(night_row(1, (-3, 1)), LOOK)
    assert later.start == LOOK.window.begin, "the window is what counts"


def test_cronjobs_of_one_schedule_are_a_batch_where_rows_run_out() -> None:
    alike = [entry_of(night_row(n, (1, 2), schedule="0 1 * * *"), LOOK) for n in range(37)]
    other = [entry_of(night_row(n, (0, 4), schedule="0 0 * * *"), LOOK) for n in (50, 51)]
    folded = fold_batches([other[0], *alike, other[1]])
    assert [entry.row.cronjob for entry in folded] == ["job-50", "job-51", "37 × 0 1 * * *"]
    batch = folded[2].row
    assert (batch.members, len(batch.runs), batch.namespace) == (37, 37, "shop")
    opened = fold_batches([*other, *alike], frozenset((batch.id,)))
    assert len(opened) == 39
    rest = fold_rest([*other, *alike], 3)
    assert [entry.row.cronjob for entry in rest] == ["job-50", "job-51", "37 × more"]
    assert fold_rest(other, 3) == other


@given(st.lists(st.sampled_from(["0 1 * * *", "0 2 * * *", ""]), max_size=30), st.integers(1, 12))
def test_folding_loses_nobody(schedules: list[str], room: int) -> None:
    entries = [entry_of(night_row(n, (1, 2), schedule=each), LOOK) for n, each in enumerate(schedules)]
    for folded in (fold_batches(entries), fold_rest(entries, room), fold_rest(fold_batches(entries), room)):
        assert sum(entry.row.members for entry in folded) == len(entries)
        ids = sorted(bar.id for entry in folded for bar in entry.row.runs)
        assert ids == sorted(bar.id for entry in entries for bar in entry.row.runs)
    assert len(fold_rest(entries, room)) <= max(room, 1)
