"""The schedule against answers of the cron library that Kubernetes uses.

`cron.jsonl` has 1,942 of them. `cron-edges.jsonl` has 617 that robfig/cron v3.0.1 gave under Go 1.27 with
tzdata 2026f, drawn at random near changes of the clocks, in zones with seconds in their offsets, in far years
and odd grammar; local days that do not exist, on which the library never returns, are left out.
"""

import json
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kronkeep_common.errors import InvalidSchedule, InvalidTimeZone, KronkeepError
from kronkeep_common.schedule import Schedule
from kronkeep_common.schedule.fire_search import FireSearch
from kronkeep_common.schedule.grammar import parse_schedule
from kronkeep_common.schedule.zone import load_zone

ORACLES = Path(__file__).parents[2] / "data" / "oracles"
ZONES = sorted(available_timezones() - {"Factory", "localtime"})


def answer(case: dict[str, Any]) -> tuple[bool, list[str]]:
    try:
        schedule = Schedule.parse(case["expr"], case["zone"])
    except KronkeepError:
        return False, []
    fires: list[str] = []
    at = datetime.fromisoformat(case["start"])
    while len(fires) < 5 and (fire := schedule.next(at)) is not None:
        at = fire
        fires.append(at.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return True, fires


@pytest.mark.parametrize(("name", "count"), [("cron.jsonl", 1942), ("cron-edges.jsonl", 617)])
def test_every_answer_of_the_oracle(name: str, count: int) -> None:
    cases = [json.loads(line) for line in (ORACLES / name).read_text().split("\n") if line]
    wrong = [case for case in cases if answer(case) != (case["valid"], case["next"] or [])]
    assert len(cases) == count
    assert wrong == []


def test_the_ends_of_the_calendar_are_no_crash() -> None:
    schedule = Schedule.parse("0 0 1 1 *", "Pacific/Kiritimati")
    assert schedule.next(datetime.max.replace(tzinfo=UTC)) is None
    assert schedule.next(datetime(9997, 6, 1, tzinfo=UTC)) == datetime(9997, 12, 31, 10, tzinfo=UTC)
    assert schedule.next(datetime.min.replace(tzinfo=UTC)) is not None
    assert schedule.previous(datetime(1, 1, 1, tzinfo=UTC)) is None


def field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high).map(str)
    span = st.tuples(st.integers(low, high), st.integers(low, high), st.integers(1, 9)).map(
        lambda t: f"{min(t[:2])}-{max(t[:2])}/{t[2]}"
    )
    return st.one_of(st.just("*"), number, span, st.integers(1, high).map(lambda n: f"*/{n}"))


EXPRESSIONS = st.tuples(field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 6)).map(" ".join)
INSTANTS = st.integers(315532800, 2208988800)


@given(EXPRESSIONS, st.sampled_from(ZONES), INSTANTS)
def test_plain_arithmetic_and_the_library_s_own_steps_agree(expr: str, zone: str, at: int) -> None:
    search = FireSearch(parse_schedule(expr), load_zone(zone))
    stepwise = search.next_fire_stepwise(at) if search.possible else None
    assert Schedule.parse(expr, zone).next_second(at) == stepwise


@given(EXPRESSIONS, st.sampled_from(ZONES), INSTANTS)
def test_next_is_the_smallest_element_of_between(expr: str, zone: str, at: int) -> None:
    schedule = Schedule.parse(expr, zone)
    fire = schedule.next_second(at)
    if fire is not None:
        assert next(schedule.seconds_between(at + 1, fire + 1)) == fire
        assert next(schedule.seconds_between(at + 1, fire), None) is None
        assert schedule.previous(datetime.fromtimestamp(fire + 1, UTC)) == datetime.fromtimestamp(fire, UTC)


@given(EXPRESSIONS, st.sampled_from(ZONES), INSTANTS)
def test_between_is_next_repeated(expr: str, zone: str, at: int) -> None:
    schedule = Schedule.parse(expr, zone)
    chain: list[int] = []
    second = at
    while len(chain) < 40 and (fire := schedule.next_second(second)) is not None:
        second = fire
        chain.append(fire)
    assert list(islice(schedule.seconds_between(at + 1, (chain or [at])[-1] + 1), 41)) == chain


@pytest.mark.parametrize(
    ("expr", "field_name"),
    [
        ("60 * * * *", "minute"),
        ("* 24 * * *", "hour"),
        ("* * 0 * *", "day of month"),
        ("* * * 13 *", "month"),
        ("* * * * 7", "day of week"),
        ("5-1 * * * *", "minute"),
        ("*/0 * * * *", "minute"),
        ("1-2-3 * * * *", "minute"),
        ("* * * * fri-mon", "day of week"),
        ("* * L * *", "day of month"),
        ("* * * *", "schedule"),
        ("", "schedule"),
        ("TZ=UTC * * * * *", "schedule"),
        ("@reboot", "schedule"),
        ("@every 1d", "schedule"),
    ],
)
def test_a_refusal_names_the_field_and_the_fault(expr: str, field_name: str) -> None:
    with pytest.raises(InvalidSchedule) as refusal:
        Schedule.parse(expr)
    assert refusal.value.details["field"] == field_name
    assert field_name in str(refusal.value)


@pytest.mark.parametrize(
    "zone", ["Local", "local", "", "europe/berlin", "utc", "GMT+1", "../UTC", "zone.tab", "A" * 15]
)
def test_zones_that_kubernetes_refuses(zone: str) -> None:
    with pytest.raises(InvalidTimeZone):
        Schedule.parse("* * * * *", zone)


def test_no_zone_means_the_controller_s() -> None:
    schedule = Schedule.parse("0 2 * * *", None, controller_zone="Asia/Tokyo")
    assert schedule.next(datetime(2026, 1, 1, tzinfo=UTC)) == datetime(2026, 1, 1, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expr", "zone", "words"),
    [
        ("0 2 * * *", "Europe/Berlin", "every day at 02:00, Europe/Berlin"),
        ("*/5 * * * *", None, "every 5 minutes, UTC"),
        ("* * * * *", None, "every minute, UTC"),
        ("0 0 13 * 5", None, "at 00:00 on day 13 of the month or Friday, UTC"),
        ("5 4 1 1,7 *", None, "at 04:05 on day 1 of the month in January and July, UTC"),
        ("0 0 13 * 0-6", None, "every day at 00:00, UTC"),
        ("@every 90s", None, "every 1m30s"),
        (", * * * *", None, "never, UTC"),
    ],
)
def test_words(expr: str, zone: str | None, words: str) -> None:
    assert Schedule.parse(expr, zone).describe() == words


def test_days_on_which_clocks_change_are_explained() -> None:
    schedule = Schedule.parse("30 2 * * *", "Europe/Berlin")
    assert schedule.explain(date(2027, 3, 28)) == ["02:30 does not exist on 2027-03-28: no run"]
    assert schedule.explain(date(2026, 10, 25)) == ["02:30 occurs twice on 2026-10-25: 2 runs"]
    assert schedule.explain(date(2026, 10, 26)) == []


def test_every_counts_from_the_last_run() -> None:
    schedule = Schedule.parse("@every 1h30m")
    assert schedule.next(datetime(2026, 1, 1, tzinfo=UTC)) == datetime(2026, 1, 1, 1, 30, tzinfo=UTC)
    assert schedule.every == timedelta(minutes=90)


@pytest.mark.parametrize("expr", ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *", ", * * * *"])
def test_never(expr: str) -> None:
    schedule = Schedule.parse(expr)
    assert schedule.next(datetime(2026, 1, 1, tzinfo=UTC)) is None
    assert schedule.previous(datetime(2026, 1, 1, tzinfo=UTC)) is None
