"""Each finding on both sides of its border, and the verdict that findings come to."""

from datetime import UTC, datetime, timedelta

import pytest

from kronkeep_common.compatibility import CheckContext, OtherPolicy, check, percentile_95
from kronkeep_common.models import Finding, ScheduleVerdict
from kronkeep_common.schedule import Schedule

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
TEN = timedelta(minutes=10)


def verdict(
    run: str, backup: str, zone: str | None = None, backup_zone: str | None = None, **more: object
) -> ScheduleVerdict:
    context = CheckContext(cronjob=Schedule.parse(run, zone), now=NOW, **more)  # type: ignore[arg-type]
    return check(context, Schedule.parse(backup, zone if backup_zone is None else backup_zone))


def found(answer: ScheduleVerdict, code: str) -> Finding | None:
    return next((finding for finding in answer.findings if finding.code == code), None)


@pytest.mark.parametrize(
    ("run", "backup", "expected"),
    [
        ("0 2 * * *", "0 4 * * *", "ok"),
        ("0 2 * * *", "0 3 * * *", "ok"),
        ("0 2 * * *", "0 2 * * *", "conflict"),
        ("0 4 * * *", "0 3 * * *", "conflict"),
        ("0 4 * * *", "30 4 * * *", "ok"),
        ("0 4 * * *", "59 3 * * *", "conflict"),
    ],
)
def test_the_seed_s_cases_hold(run: str, backup: str, expected: str) -> None:
    assert verdict(run, backup).verdict == expected


@pytest.mark.parametrize(
    ("backup", "count"), [("0 2 * * *", 400), ("1 2 * * *", 0), ("59 1 * * *", 0), ("0 2 1 1 *", 2)]
)
def test_same_time_is_the_same_minute(backup: str, count: int) -> None:
    finding = found(verdict("0 2 * * *", backup, run_duration=timedelta(0)), "SameTime")
    assert (finding.count if finding else 0) == count
    assert finding is None or (finding.severity, finding.of) == ("conflict", count)


def test_same_time_is_the_instant_and_not_the_wall_clock() -> None:
    assert found(verdict("0 2 * * *", "0 2 * * *", "Europe/Berlin", "UTC"), "SameTime") is None
    same = found(verdict("0 2 * * *", "0 1 * * *", "Europe/Berlin", "UTC"), "SameTime")  # in winter only
    assert same is not None
    assert 0 < same.count < same.of
    assert (same.first[0], same.first_local[0]) == (
        datetime(2026, 11, 26, 1, tzinfo=UTC),
        "2026-11-26T02:00+01:00",
    )


@pytest.mark.parametrize(
    ("backup", "hit"), [("59 3 * * *", True), ("0 4 * * *", False), ("1 4 * * *", False)]
)
def test_backup_before_run_is_a_minute_earlier(backup: str, hit: bool) -> None:
    assert (found(verdict("0 4 * * *", backup), "BackupBeforeRun") is not None) == hit


def test_backup_before_run_needs_a_day_on_which_both_fire() -> None:
    assert found(verdict("0 4 * * 1", "0 3 * * 2"), "BackupBeforeRun") is None
    both = found(verdict("0 4 * * 1,2", "0 3 * * 2,3"), "BackupBeforeRun")
    assert both is not None
    assert both.count == both.of


def test_backup_before_run_counts_days_of_the_cronjob_s_zone() -> None:
    # 23:30 in Berlin is the same evening's after the run at 23:00, though its UTC day has a backup first.
    assert found(verdict("0 23 * * *", "30 22 * * *", "Europe/Berlin", "UTC"), "BackupBeforeRun") is not None
    assert found(verdict("0 22 * * *", "30 21 * * *", "Europe/Berlin", "UTC"), "BackupBeforeRun") is None


@pytest.mark.parametrize(("minutes", "hit"), [(30, False), (30.02, True)])
def test_too_close_ends_with_the_expected_duration(minutes: float, hit: bool) -> None:
    answer = verdict("0 2 * * *", "30 2 * * *", run_duration=timedelta(minutes=minutes))
    assert (found(answer, "TooClose") is not None) == hit
    assert answer.verdict == ("conflict" if hit else "ok")
    assert answer.minimum_slack_seconds == 1800


def test_too_close_is_a_conflict_above_five_percent() -> None:
    # 24 runs a day; one day in five has a backup five minutes after one of them: 1 of 120. Six times: 5 %.
    few = found(verdict("0 * * * *", "5 7 */5 * *"), "TooClose")
    assert few is not None
    assert (few.severity, few.of) == ("warning", 9600)
    exactly = found(verdict("0 0-19 * * *", "5 7 * * *"), "TooClose")
    assert exactly is not None
    assert (exactly.severity, exactly.count / exactly.of) == ("warning", 0.05)
    above = found(verdict("0 0-18 * * *", "5 7 * * *"), "TooClose")
    assert above is not None
    assert (above.severity, above.count, above.of) == ("conflict", 400, 7600)


def test_nothing_new_needs_a_run_between_two_backups() -> None:
    assert found(verdict("0 2 * * *", "0 4 * * *"), "NothingNew") is None
    twice = found(verdict("0 2 * * *", "0 4,16 * * *"), "NothingNew")
    assert twice is not None
    assert (twice.severity, twice.of) == ("warning", 800)
    assert twice.count == 399  # each afternoon's, but for the first, before which nothing is known


def test_run_not_archived_is_a_run_that_the_next_one_follows() -> None:
    assert found(verdict("0 2 * * *", "0 4 * * *"), "RunNotArchived") is None
    weekly = found(verdict("0 2 * * *", "0 4 * * 0"), "RunNotArchived")
    assert weekly is not None
    assert (weekly.severity, weekly.of) == ("warning", 400)
    assert 6 / 7 - 0.02 < weekly.count / weekly.of < 6 / 7


def test_never_fires_is_not_rarely() -> None:
    never = verdict("0 2 * * *", "0 0 31 2 *")
    assert [(f.code, f.severity) for f in never.findings] == [("NeverFires", "conflict")]
    assert never.backup_next == ()
    rare = verdict("0 2 * * *", "0 4 29 2 *")
    assert found(rare, "NeverFires") is None
    assert found(rare, "RarelyFires") is not None
    assert rare.backup_next[0] == datetime(2028, 2, 29, 4, tzinfo=UTC)


def test_rarely_is_longer_than_half_a_year() -> None:
    assert found(verdict("0 2 1 1,7 *", "0 4 1 1,7 *"), "RarelyFires") is None
    rare = verdict("0 2 1 1,8 *", "0 4 1 1,8 *")  # 212 days from January to August
    finding = found(rare, "RarelyFires")
    assert finding is not None
    assert (finding.severity, finding.first[0]) == ("warning", datetime(2027, 8, 1, 2, tzinfo=UTC))


def test_leap_days_conflict_however_far_they_are() -> None:
    same = found(verdict("0 2 29 2 *", "0 2 29 2 *"), "SameTime")
    assert same is not None
    assert "in the same minute, each time." in same.message
    assert verdict("0 2 29 2 *", "0 3 29 2 *").verdict == "warning"


@pytest.mark.parametrize(
    ("backup", "code", "day"),
    [
        ("0 3 * * *", None, None),  # the first minute after the gap, and after the repeat
        ("59 1 * * *", None, None),
        ("0 2 * * *", "DstSkip", "02:00 on 2027-03-28"),
        ("59 2 * * *", "DstSkip", "02:59 on 2027-03-28"),
        ("0 2 * * *", "DstRepeat", "02:00 on 2027-10-31"),
        ("59 2 * * *", "DstRepeat", "02:59 on 2027-10-31"),
    ],
)
def test_clocks_skip_and_repeat_in_berlin(backup: str, code: str | None, day: str | None) -> None:
    answer = verdict("0 0 * * *", backup, "Europe/Berlin")
    if code is None:
        assert found(answer, "DstSkip") is None
        assert found(answer, "DstRepeat") is None
        return
    finding = found(answer, code)
    assert finding is not None
    assert day is not None
    assert day in finding.message
    assert (finding.severity, finding.count) == ("warning", 1)


def test_clocks_that_do_not_change_and_schedules_of_every_hour_are_no_finding() -> None:
    assert found(verdict("30 2 * * *", "30 3 * * *", "Asia/Tokyo"), "DstSkip") is None
    for backup in ("15 * * * *", "*/5 * * * *"):
        answer = verdict("0 0 * * *", backup, "Europe/Berlin")
        assert found(answer, "DstSkip") is None
        assert found(answer, "DstRepeat") is None
    assert found(verdict("0 0 * * *", "30 1,2,3 * * *", "Europe/Berlin"), "DstSkip") is not None
    # Half an hour's change costs a schedule of every hour a run (Australia/Lord_Howe, 02:00 to 02:30).
    assert found(verdict("0 0 * * *", "15 * * * *", "Australia/Lord_Howe"), "DstSkip") is not None


@pytest.mark.parametrize(
    ("start", "hit"),
    [("50 3 * * *", False), ("51 3 * * *", True), ("9 4 * * *", True), ("10 4 * * *", False)],
)
def test_storage_busy_is_an_overlap_with_another_policy(start: str, hit: bool) -> None:
    other = OtherPolicy(name="shop/other", schedule=Schedule.parse(start), duration=600)
    answer = verdict("0 2 * * *", "0 4 * * *", other_policies=(other,), backup_duration=TEN)
    finding = found(answer, "StorageBusy")
    assert (finding is not None) == hit
    assert answer.verdict == ("warning" if hit else "ok")
    assert finding is None or ("shop/other" in finding.message and finding.count == 400)


def test_a_policy_after_the_run_holds_the_storage_when_its_run_has_ended() -> None:
    for delay, hit in ((1800, False), (3600, True)):
        other = OtherPolicy(
            name="shop/other", schedule=Schedule.parse("0 3 * * *"), duration=600, delay=delay
        )
        answer = verdict("0 2 * * *", "0 4 * * *", other_policies=(other,), backup_duration=TEN)
        assert (found(answer, "StorageBusy") is not None) == hit


@pytest.mark.parametrize(
    ("durations", "expected"),
    [([], None), ([7.0], 7.0), ([float(n) for n in range(1, 21)], 19.0), ([1.0] * 95 + [100.0] * 5, 1.0)],
)
def test_the_expected_duration_is_the_95th_percentile(durations: list[float], expected: float | None) -> None:
    assert percentile_95(durations) == expected
