"""`kronkeep timeline`: events, what is told as one, periods as people write them, lines on a screen."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models.timeline import Timeline, TimelineBackup, TimelineRow, TimelineRun
from kronkeep_common.states import BackupStatus, ExecutionStatus
from kronkeep_tui.cli import output
from kronkeep_tui.cli.timeline import describe_event, name_kind, read_period
from kronkeep_tui.cli.timeline_events import SORT_ORDERS, TimelineEvent, fold_events, list_events, sum_up

NOW = datetime(2026, 3, 29, 3, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BERLIN = ZoneInfo("Europe/Berlin")


def run_of(
    number: int, status: ExecutionStatus = ExecutionStatus.SUCCEEDED, took: int | None = 1
) -> TimelineRun:
    began = NOW - 60 * MINUTE + number * 10 * MINUTE
    ended = None if took is None else began + took * MINUTE
    return TimelineRun(id=f"run-{number}", status=status, began_at=began, ended_at=ended)


def timeline_of(*rows: TimelineRow) -> Timeline:
    return Timeline(
        from_at=NOW - timedelta(hours=24),
        until_at=NOW + timedelta(hours=12),
        now=NOW,
        complete_since=NOW - timedelta(hours=24),
        planned_until=NOW + timedelta(hours=12),
        rows=rows,
    )


def row_of(
    name: str, *runs: TimelineRun, backups: tuple[TimelineBackup, ...] = (), planned: int = 0
) -> TimelineRow:
    return TimelineRow(
        cluster="c",
        namespace="pay",
        cronjob=name,
        cronjob_id=name,
        runs=runs,
        backups=backups,
        planned=tuple(NOW + (number + 1) * 10 * MINUTE for number in range(planned)),
    )


def archive_of(
    run: TimelineRun, waited: timedelta, status: BackupStatus = BackupStatus.SUCCEEDED
) -> TimelineBackup:
    assert run.ended_at is not None
    started = run.ended_at + waited
    return TimelineBackup(
        id=f"of-{run.id}",
        run_id=run.id,
        storage_id="vault",
        status=status,
        queued_at=run.ended_at,
        started_at=started,
        ended_at=started + MINUTE,
    )


def lines_of(events: list[TimelineEvent]) -> list[tuple[str, str, int]]:
    return [(event.cronjob, event.status, event.count) for event in events]


def test_a_run_its_wait_its_archive_and_what_is_planned_are_events() -> None:
    run = run_of(0)
    row = row_of("report", run, backups=(archive_of(run, 2 * MINUTE),), planned=1)
    ran, archived, planned = list_events(timeline_of(row))
    assert (ran.kind, ran.seconds, ran.usual_seconds) == ("run", 60.0, 60.0)
    assert (archived.kind, archived.waited_seconds, archived.run_id) == ("archive", 120.0, "run-0")
    assert (planned.status, planned.begins_at, planned.id) == ("planned", NOW + 10 * MINUTE, "pay/report")
    assert describe_event(archived, UTC) == "to vault, waited 2m00s"
    assert describe_event(planned, UTC) == "usually 1m00s"


def test_archives_by_a_schedule_of_their_own_are_planned_too() -> None:
    run = run_of(0)
    often = msgspec.structs.replace(
        row_of("report", run, backups=(archive_of(run, 2 * MINUTE),), planned=1),
        planned_backups=tuple(NOW + (number + 1) * 15 * MINUTE for number in range(4)),
        planned_storage_id="vault",
    )
    never_ran = msgspec.structs.replace(
        row_of("pvc/data"), planned_backups=(NOW + 20 * MINUTE,), planned_storage_id="attic"
    )
    folded = fold_events(list_events(timeline_of(often, never_ran)))
    planned = [(name_kind(event), event.name, describe_event(event, UTC)) for event in folded[2:]]
    assert planned == [
        ("run", "pay/report", "usually 1m00s"),
        ("4 archives", "pay/report", "to 04:00, to vault, usually 1m00s"),
        ("archive", "pay/pvc/data", "to attic"),
    ]
    assert sum_up(folded).endswith("; 1 planned; 5 archives planned")


def test_what_goes_on_has_taken_until_now_and_what_waits_waits_until_now() -> None:
    running = run_of(5, ExecutionStatus.RUNNING, took=None)
    waiting = TimelineBackup(
        id="w", storage_id="vault", status=BackupStatus.QUEUED, queued_at=NOW - 3 * MINUTE
    )
    events = {
        event.kind: event for event in list_events(timeline_of(row_of("a", running, backups=(waiting,))))
    }
    assert (events["run"].seconds, events["run"].ends_at) == (600.0, None)
    assert (events["archive"].seconds, describe_event(events["archive"], UTC)) == (
        None,
        "to vault, waits for 3m00s",
    )


def test_runs_that_ended_alike_are_one_line_and_a_failure_between_them_is_seen() -> None:
    failed = run_of(3, ExecutionStatus.FAILED)
    runs = [run_of(0), run_of(1), run_of(2), failed, run_of(4), run_of(5)]
    folded = fold_events(list_events(timeline_of(row_of("a", *runs, planned=40), row_of("b", run_of(1)))))
    assert lines_of(folded) == [
        ("a", "succeeded", 3),
        ("b", "succeeded", 1),
        ("a", "failed", 1),
        ("a", "succeeded", 1),
        ("a", "succeeded", 1),
        ("a", "planned", 40),
    ]
    assert describe_event(folded[0], BERLIN) == "to 04:20, usually 1m00s", "after the hour that is left out"
    assert sum_up(folded) == "7 runs: 6 succeeded, 1 failed; 40 planned"


def test_two_that_run_are_two_lines() -> None:
    runs = [run_of(number, ExecutionStatus.RUNNING, took=None) for number in range(4)]
    assert [event.count for event in fold_events(list_events(timeline_of(row_of("a", *runs))))] == [1] * 4


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("start", ["a-10", "a-2", "long", "a-2"]),
        ("length", ["long", "a-10", "a-2", "a-2"]),
        ("overlap", ["a-2", "long", "a-10", "a-2"]),
        ("name", ["a-2", "a-2", "a-10", "long"]),
    ],
)
def test_sort_orders(order: str, names: list[str]) -> None:
    rows = (
        row_of("long", run_of(2, took=25)),
        row_of("a-2", run_of(1), run_of(3)),
        row_of("a-10", run_of(0, took=2)),
    )
    events = sorted(list_events(timeline_of(*rows)), key=SORT_ORDERS[order])
    if order == "overlap":
        assert [event.overlaps for event in events] == [1, 1, 0, 0]
        assert {event.cronjob for event in events[:2]} == {"a-2", "long"}
    else:
        assert [event.cronjob for event in events] == names


@pytest.mark.parametrize(
    ("begin", "end", "period"),
    [
        (None, None, (None, None)),
        ("2026-03-28", "2026-03-29T02:00Z", ("2026-03-27T23:00+00:00", "2026-03-29T02:00+00:00")),
        ("22:00", "06:00", ("2026-03-28T21:00+00:00", "2026-03-29T04:00+00:00")),
        ("6h", "+2h", ("2026-03-28T21:00+00:00", "2026-03-29T05:00+00:00")),
        ("04:30", None, ("2026-03-29T02:30+00:00", None)),
        ("05:30", None, ("2026-03-28T04:30+00:00", None)),
    ],
)
def test_periods_as_people_write_them(
    begin: str | None, end: str | None, period: tuple[str | None, str | None]
) -> None:
    moments = read_period(begin, end, NOW.astimezone(BERLIN))
    assert [moment and moment.astimezone(UTC).isoformat(timespec="minutes") for moment in moments] == list(
        period
    )


@pytest.mark.parametrize(
    ("begin", "end", "words"),
    [
        ("yesterday", None, "'yesterday' of --from is no moment"),
        ("6h", "25:00", "'25:00' of --to is no moment"),
        ("2h", "6h", "ends before it begins"),
        ("99999d", "99999d99999h", "no moment|ends before"),
    ],
)
def test_what_is_no_period_is_refused(begin: str, end: str | None, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        read_period(begin, end, NOW)


def test_on_a_screen_the_last_cell_is_cut_and_no_other() -> None:
    rows = [["A", "NOTE"], ["x" * 20, "y" * 100]]
    assert output.clip_last(rows, None) == rows
    cut = output.clip_last(rows, 60)
    assert (cut[1][0], len(cut[1][1])) == ("x" * 20, 38)
