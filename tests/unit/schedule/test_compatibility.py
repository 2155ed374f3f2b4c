"""The check against a brute-force simulation of 400 days, minute by minute, and what strategies leave."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from kronkeep_common.compatibility import CheckContext, OtherPolicy, check, offer_resolutions, resolve
from kronkeep_common.compatibility.shift import candidates, find_shifted_schedule
from kronkeep_common.errors import ScheduleConflict
from kronkeep_common.models import BackupPolicySpec
from kronkeep_common.schedule import Schedule

DAYS = 400
# Zones whose clocks change by whole hours away from midnight, so that wall-clock fields alone say when.
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Kolkata")
CODES = ("SameTime", "BackupBeforeRun", "TooClose", "NothingNew", "RunNotArchived")


class Times:
    """One schedule as sets of wall-clock fields, matched minute by minute, without the code tested."""

    def __init__(self, minutes: set[int], hours: set[int], weekdays: set[int], zone: str) -> None:
        self.minutes = minutes
        self.hours = hours
        self.weekdays = weekdays
        self.zone = zone

    def expr(self) -> str:
        fields = (self.minutes, self.hours, self.weekdays)
        minutes, hours, days = (",".join(str(n) for n in sorted(numbers)) for numbers in fields)
        return f"{minutes} {hours} * * {'*' if len(self.weekdays) == 7 else days}"

    def fires(self, wall: int) -> bool:
        """Whether it fires at a wall clock, given as minutes since 1970-01-01 00:00, a Thursday."""
        return (
            wall % 60 in self.minutes
            and wall // 60 % 24 in self.hours
            and (wall // 1440 + 4) % 7 in self.weekdays
        )


def numbers(high: int, most: int) -> st.SearchStrategy[set[int]]:
    return st.sets(st.integers(0, high), min_size=1, max_size=most)


TIMES = st.builds(
    Times,
    numbers(59, 3),
    st.one_of(numbers(23, 3), st.just(set(range(24)))),
    st.one_of(st.just(set(range(7))), numbers(6, 5)),
    st.sampled_from(ZONES),
)


class Walk:
    """What is known at one minute of the simulation, and the counts so far."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.counts: Counter[str] = Counter()
        self.run_days: dict[int, int] = {}
        self.backup_days: dict[int, int] = {}
        self.last_run: int | None = None
        self.hit: int | None = None  # the last run that a backup came too close to
        self.backed_up = self.archived = False
        self.new_runs = self.passed_over = 0

    def step(self, minute: int, day: int, run: bool, backup: bool) -> None:
        """One minute in which something fires; `day` is the CronJob's local one."""
        if run and self.last_run is not None and not self.archived:
            self.passed_over += 1
        if backup:
            self._backup(minute, day, run)
        if run:
            self.run_days.setdefault(day, minute)
            self.last_run = minute
            self.archived = False
            self.new_runs = self.new_runs + 1
        elif backup:
            self.archived = True

    def _backup(self, minute: int, day: int, run: bool) -> None:
        self.counts["SameTime"] += run
        self.backup_days.setdefault(day, minute)
        last = self.last_run
        if last is not None and minute - last < self.expected and self.hit != last:
            self.counts["TooClose"] += 1
            self.hit = last
        self.counts["NothingNew"] += self.backed_up and self.new_runs == 0
        self.counts["RunNotArchived"] += self.passed_over
        self.backed_up = True
        self.new_runs = 0
        self.passed_over = 0


def simulate(run: Times, backup: Times, start: int, expected: int) -> dict[str, int]:
    """The count of each finding from one walk over 400 days; `start` and `expected` in minutes."""
    walk = Walk(expected)
    run_zone = ZoneInfo(run.zone)
    backup_zone = ZoneInfo(backup.zone)
    ours = theirs = 0
    for minute in range(start, start + DAYS * 1440):
        if minute % 30 == 0 or minute == start:
            at = datetime.fromtimestamp(minute * 60, UTC)
            ours = minutes_of(at.astimezone(run_zone).utcoffset())
            theirs = minutes_of(at.astimezone(backup_zone).utcoffset())
        fires = run.fires(minute + ours), backup.fires(minute + theirs)
        if any(fires):
            walk.step(minute, (minute + ours) // 1440, *fires)
    days = walk.run_days.keys() & walk.backup_days.keys() - {(start + first_offset(run_zone, start)) // 1440}
    walk.counts["BackupBeforeRun"] = sum(walk.backup_days[day] < walk.run_days[day] for day in days)
    return {code: walk.counts[code] for code in CODES}


def minutes_of(offset: timedelta | None) -> int:
    assert offset is not None
    return int(offset.total_seconds()) // 60


def first_offset(zone: ZoneInfo, start: int) -> int:
    return minutes_of(datetime.fromtimestamp(start * 60, UTC).astimezone(zone).utcoffset())


STARTS = st.integers(29_450_000, 31_550_000)  # minutes; 2025-12 to 2029-12


@settings(max_examples=8, deadline=None)
@given(TIMES, TIMES, STARTS, st.integers(0, 180))
@example(
    Times(minutes={0}, hours={2}, weekdays=set(range(7)), zone="Europe/Berlin"),
    Times(minutes={0}, hours={2}, weekdays={1}, zone="UTC"),
    29_800_000,
    60,
)
@example(
    Times(minutes={30}, hours={1, 2, 3}, weekdays=set(range(7)), zone="America/New_York"),
    Times(minutes={30, 45}, hours={2}, weekdays=set(range(7)), zone="America/New_York"),
    29_700_000,
    30,
)
def test_check_agrees_with_a_simulation_minute_by_minute(
    run: Times, backup: Times, start: int, expected: int
) -> None:
    question = CheckContext(
        cronjob=Schedule.parse(run.expr(), run.zone),
        now=datetime.fromtimestamp(start * 60, UTC),
        run_duration=timedelta(minutes=expected),
        horizon=timedelta(days=DAYS),
    )
    verdict = check(question, Schedule.parse(backup.expr(), backup.zone))
    told = {finding.code: finding.count for finding in verdict.findings}
    assert {code: told.get(code, 0) for code in CODES} == simulate(run, backup, start, expected)


@settings(max_examples=3, deadline=None)  # each takes seconds; torture has 500
@given(TIMES, TIMES, STARTS, st.integers(0, 180))
def test_shift_leaves_no_conflict_and_keeps_the_cadence(
    run: Times, backup: Times, start: int, expected: int
) -> None:
    check_shift(run, backup, start, expected)


@pytest.mark.torture
@settings(max_examples=500, deadline=None)
@given(TIMES, TIMES, STARTS, st.integers(0, 180))
def test_shift_leaves_no_conflict_for_long(run: Times, backup: Times, start: int, expected: int) -> None:
    check_shift(run, backup, start, expected)


def check_shift(run: Times, backup: Times, start: int, expected: int) -> None:
    """Shift a schedule that conflicts, and compare what comes of it."""
    question = CheckContext(
        cronjob=Schedule.parse(run.expr(), run.zone),
        now=datetime.fromtimestamp(start * 60, UTC),
        run_duration=timedelta(minutes=expected),
    )
    asked = Schedule.parse(backup.expr(), backup.zone)
    assume(check(question, asked).verdict == "conflict")
    moved = find_shifted_schedule(asked, question)
    if moved is None:
        return
    assert check(question, moved).verdict != "conflict"
    assert moved.zone == asked.zone
    assert moved.expr.split()[2:] == asked.expr.split()[2:]
    assert len(moved.times_of_day) == len(asked.times_of_day)


NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def question(run: str, *others: OtherPolicy, minutes: int = 10, zone: str = "UTC") -> CheckContext:
    return CheckContext(
        cronjob=Schedule.parse(run, zone),
        now=NOW,
        run_duration=timedelta(minutes=minutes),
        other_policies=others,
    )


@pytest.mark.parametrize(
    ("run", "backup", "minutes", "moved"),
    [
        ("0 2 * * *", "0 2 * * *", 10, "10 2 * * *"),
        ("0 4 * * *", "0 3 * * *", 10, "10 4 * * *"),
        ("0 2 * * *", "30 2 * * *", 45, "45 2 * * *"),
        ("0 * * * *", "0 * * * *", 10, "10 * * * *"),
        ("0 */6 * * *", "@hourly", 10, "10 * * * *"),
        ("0 0 * * 1", "@weekly", 10, None),  # Sunday's backup and Monday's run: nothing conflicts
        ("0 4 * * 1-5", "0 3 * * 1-5", 10, "10 4 * * 1-5"),
        ("0 0 * * *", "*/30 * * * *", 5, "5,35 * * * *"),
    ],
)
def test_shift_is_the_earliest_minute_that_fits(
    run: str, backup: str, minutes: int, moved: str | None
) -> None:
    asked = question(run, minutes=minutes)
    schedule = Schedule.parse(backup)
    verdict = check(asked, schedule)
    assert (verdict.verdict == "conflict") == (moved is not None)
    if moved is not None:
        shifted = find_shifted_schedule(schedule, asked)
        assert shifted is not None
        assert shifted.expr == moved


def test_shift_avoids_minutes_at_which_the_storage_is_held() -> None:
    other = OtherPolicy(name="shop/other", schedule=Schedule.parse("15 2 * * *"), duration=1800)
    asked = question("0 2 * * *", other)
    shifted = find_shifted_schedule(Schedule.parse("0 2 * * *"), asked)
    assert shifted is not None
    assert shifted.expr == "45 2 * * *"  # 02:10 would run into 02:15's backup, which ends at 02:45


def test_shift_takes_a_held_minute_when_there_is_no_other() -> None:
    always = OtherPolicy(name="shop/other", schedule=Schedule.parse("* * * * *"), duration=60)
    shifted = find_shifted_schedule(Schedule.parse("0 2 * * *"), question("0 2 * * *", always))
    assert shifted is not None
    assert shifted.expr == "10 2 * * *"


@pytest.mark.parametrize("backup", ["* * * * *", "@every 1h", "*/30 * * * *"])
def test_shift_finds_nothing_where_nothing_fits(backup: str) -> None:
    assert find_shifted_schedule(Schedule.parse(backup), question("*/30 * * * *", minutes=45)) is None


def test_candidates_go_once_around_the_clock_and_keep_the_days() -> None:
    expressions = [schedule.expr for schedule in candidates(Schedule.parse("30 22 * * 1"))]
    assert expressions[0] == "31 22 * * 1"
    assert expressions[-1] == "29 22 * * 1"
    assert len(expressions) == len(set(expressions)) == 1439
    assert all(expr.endswith(" * * 1") for expr in expressions)
    assert [s.expr for s in candidates(Schedule.parse("*/20 * * * *"))] == [
        f"{minute}-59/20 * * * *" for minute in range(1, 20)
    ]
    # Ten minutes past both cannot be said once one of them has carried into the next hour.
    assert "0,55 1,2 * * *" not in [s.expr for s in candidates(Schedule.parse("50,55 1,2 * * *"))]


POLICY = BackupPolicySpec(storage_id="vault", schedule="0 3 * * *", time_zone="UTC")


@pytest.mark.parametrize(
    ("strategy", "schedule", "said"),
    [
        ("shift", "10 4 * * *", "moves from '0 3 * * *' to '10 4 * * *'"),
        ("after-run", None, "starts when the run has ended"),
        ("accept", "0 3 * * *", "stays on record (BackupBeforeRun)"),
    ],
)
def test_a_strategy_gives_the_changed_policy_and_says_so(
    strategy: str, schedule: str | None, said: str
) -> None:
    asked = question("0 4 * * *")
    backup = Schedule.parse("0 3 * * *")
    verdict = check(asked, backup)
    settled = resolve(strategy, POLICY, backup, asked, verdict)
    assert settled.policy.schedule == schedule
    assert settled.policy.time_zone == ("UTC" if schedule else None)
    assert said in settled.sentence
    offered = {offer.strategy: offer for offer in offer_resolutions(backup, asked, verdict)}
    assert (offered[strategy].schedule, offered[strategy].message) == (schedule, settled.sentence)  # type: ignore[index]


def test_reject_and_a_shift_in_vain_are_refused() -> None:
    asked = question("0 4 * * *")
    backup = Schedule.parse("0 3 * * *")
    with pytest.raises(ScheduleConflict) as refusal:
        resolve("reject", POLICY, backup, asked, check(asked, backup))
    assert refusal.value.details["finding"] == "BackupBeforeRun"
    asked = question("*/30 * * * *", minutes=45)
    backup = Schedule.parse("0 * * * *")
    with pytest.raises(ScheduleConflict, match="No minute"):
        resolve("shift", POLICY, backup, asked, check(asked, backup))
    assert [offer.possible for offer in offer_resolutions(backup, asked, check(asked, backup))] == [
        False,
        True,
        True,
    ]


def test_where_nothing_conflicts_no_strategy_changes_anything() -> None:
    asked = question("0 2 * * *")
    backup = Schedule.parse("0 3 * * *")
    verdict = check(asked, backup)
    assert list(offer_resolutions(backup, asked, verdict)) == []
    for strategy in ("reject", "shift", "after-run", "accept"):
        assert resolve(strategy, POLICY, backup, asked, verdict) == (POLICY, "")
