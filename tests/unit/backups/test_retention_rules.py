"""Retention against a model that is too simple to be wrong, over 400 days; then its guards one by one."""

import random
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.records import make_backup

from kronkeep_common.models import BackupExecution, BackupResult, Retention
from kronkeep_common.states import BackupStatus
from kronkeep_daemon.backups import retention_rules

START = datetime(2025, 1, 1, tzinfo=UTC)


def backup(number: int, at: datetime, status: BackupStatus = BackupStatus.SUCCEEDED) -> BackupExecution:
    return make_backup(
        id=f"b{number}",
        sequence=number + 1,
        status=status,
        created_at=at,
        result=BackupResult(snapshot_id=f"{number:08x}"),
    )


def is_good(one: BackupExecution) -> bool:
    return one.status is BackupStatus.SUCCEEDED


def brute_force(backups: list[BackupExecution], rules: Retention, now: datetime) -> set[str]:
    """For each backup on its own, rule by rule, by counting what is newer than it; good ones count first."""
    periods = {
        "keep_hourly": "%Y-%m-%d %H",
        "keep_daily": "%Y-%m-%d",
        "keep_weekly": "%G-%V",
        "keep_monthly": "%Y-%m",
        "keep_yearly": "%Y",
    }
    periods_of = {
        one.id: {rule: one.created_at.strftime(form) for rule, form in periods.items()} for one in backups
    }
    staying = set()
    for one in backups:
        good = [other for other in backups if is_good(other)]
        newer = [other for other in backups if other.sequence > one.sequence]
        before_it = (
            [b for b in newer if is_good(b)] if is_good(one) else good + [b for b in newer if b not in good]
        )
        stays = one.pinned or len(before_it) < rules.keep_last
        if is_good(one):
            stays |= len(before_it) < rules.min_good
        else:
            stays |= len(newer) < 3 and not any(is_good(other) for other in newer)
        if rules.days is not None and (now - one.created_at).total_seconds() < rules.days * 86400:
            stays |= is_good(one) or all(other.created_at.date() != one.created_at.date() for other in good)
        for rule in periods:
            mine = periods_of[one.id][rule]
            taken = {periods_of[other.id][rule] for other in before_it}
            stays |= mine not in taken and len(taken) < getattr(rules, rule)
        if stays:
            staying.add(one.id)
    return staying


RULES = [
    Retention(days=30),
    Retention(keep_last=3),
    Retention(keep_daily=7, keep_weekly=4, keep_monthly=6, keep_yearly=2),
    Retention(days=2, keep_hourly=5, min_good=4),
    Retention(keep_weekly=60),
    Retention(min_good=2),
    Retention(days=14, keep_last=2, keep_monthly=13),
]


@pytest.mark.parametrize("rules", RULES)
def test_400_days_against_the_model(rules: Retention) -> None:
    chance = random.Random(str(rules))
    there: list[BackupExecution] = []
    number = 0
    for day in range(400):
        if chance.random() < 0.1:
            continue  # a day without a backup
        for second in sorted(chance.sample(range(86400), chance.choice([1, 1, 1, 2, 5]))):
            at = START + timedelta(days=day, seconds=second)
            status = BackupStatus.PARTIAL if chance.random() < 0.15 else BackupStatus.SUCCEEDED
            made = backup(number, at, status)
            there.append(msgspec.structs.replace(made, pinned=chance.random() < 0.01))
            number += 1
        now = START + timedelta(days=day + 1)
        found = retention_rules.plan_retention("p", there, rules, now)
        assert {verdict.backup_id for verdict in found.keep} == brute_force(there, rules, now)
        assert len(found.keep) + len(found.remove) == len(there)
        there = [b for b in there if b.id in {verdict.backup_id for verdict in found.keep}]
    assert number > 400


def daily(count: int) -> list[BackupExecution]:
    return [backup(n, START + timedelta(days=n)) for n in range(count)]


def gone(backups: list[BackupExecution], **rules: int) -> list[str]:
    now = backups[-1].created_at + timedelta(hours=1)
    return [v.backup_id for v in retention_rules.plan_retention("p", backups, Retention(**rules), now).remove]


def test_the_newest_good_ones_stay_whatever_the_rules_say() -> None:
    old_good = daily(4)
    bad = [backup(10 + n, START + timedelta(days=100 + n), BackupStatus.PARTIAL) for n in range(3)]
    assert gone(old_good + bad, days=1, min_good=2) == ["b1", "b0"]
    more_bad = [backup(13 + n, START + timedelta(days=103 + n), BackupStatus.PARTIAL) for n in range(3)]
    assert gone(old_good + bad + more_bad, days=1, min_good=2) == ["b12", "b11", "b10", "b1", "b0"]


def apply_each_day(rules: Retention, days: int, *statuses: BackupStatus) -> list[BackupExecution]:
    """Return what is left after days with a backup of each status, each followed by retention."""
    there: list[BackupExecution] = []
    for number in range(days * len(statuses)):
        day, place = divmod(number, len(statuses))
        at = START + timedelta(days=day, hours=2 + 6 * place)
        there.append(backup(number, at, statuses[place]))
        plan = retention_rules.plan_retention("p", there, rules, at, just_made=f"b{number}")
        kept = {verdict.backup_id for verdict in plan.keep}
        assert f"b{number}" in kept
        there = [one for one in there if one.id in kept]
    return there


@pytest.mark.parametrize("bad", [BackupStatus.PARTIAL, BackupStatus.UNKNOWN])
@pytest.mark.parametrize("rules", [Retention(keep_daily=30), Retention(keep_last=30), Retention(days=30)])
def test_a_bad_backup_after_each_good_one_pushes_no_good_one_out(bad: BackupStatus, rules: Retention) -> None:
    left = apply_each_day(rules, 60, BackupStatus.SUCCEEDED, bad)
    assert sum(map(is_good, left)) >= 30
    assert len(left) - sum(map(is_good, left)) <= 3


def test_a_week_of_partial_backups_leaves_the_seven_good_ones_of_the_week_before() -> None:
    good = daily(7)
    bad = [backup(7 + n, START + timedelta(days=7 + n), BackupStatus.PARTIAL) for n in range(7)]
    assert gone(good + bad, keep_daily=7) == ["b10", "b9", "b8", "b7"]
    plan = retention_rules.plan_retention("p", good + bad, Retention(keep_daily=7), START)
    assert plan.keep[0].why == "one of the newest 3 since the last good one"
    assert {verdict.why for verdict in plan.remove} == {"not good (partial), and no rule keeps it"}


def test_bad_backups_fill_the_places_for_which_there_is_no_good_one() -> None:
    partial = [backup(n, START + timedelta(days=n), BackupStatus.PARTIAL) for n in range(10)]
    assert gone(partial, keep_daily=7) == ["b2", "b1", "b0"]


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_adding_bad_backups_never_removes_a_good_one(data: st.DataObject) -> None:
    numbers = st.integers(0, 20)
    rules = Retention(
        days=data.draw(st.none() | st.integers(1, 40)),
        keep_last=data.draw(numbers),
        keep_hourly=data.draw(numbers),
        keep_daily=data.draw(numbers),
        keep_weekly=data.draw(numbers),
        keep_monthly=data.draw(numbers),
        keep_yearly=data.draw(numbers),
        min_good=data.draw(st.integers(1, 20)),
    )
    statuses = st.sampled_from([BackupStatus.SUCCEEDED, BackupStatus.PARTIAL, BackupStatus.UNKNOWN])
    entries = data.draw(st.lists(st.tuples(st.integers(0, 60 * 24), statuses), min_size=1, max_size=40))
    backups = [
        backup(number, START + timedelta(hours=hour), status) for number, (hour, status) in enumerate(entries)
    ]
    now = START + timedelta(days=61)
    only_good = [one for one in backups if is_good(one)]
    kept = brute_force(backups, rules, now)
    plan = retention_rules.plan_retention("p", backups, rules, now)
    assert {verdict.backup_id for verdict in plan.keep} == kept
    kept_without_bad = retention_rules.keeping_rules(only_good, rules, now).keys()
    assert kept_without_bad <= kept


def test_the_newest_is_the_one_recorded_last_whatever_its_time_says() -> None:
    ahead = backup(0, START + timedelta(days=400))
    later = [backup(1 + n, START + timedelta(days=n)) for n in range(2)]
    plan = retention_rules.plan_retention("p", [ahead, *later], Retention(keep_last=1), START)
    assert [verdict.backup_id for verdict in plan.keep] == ["b2"]


def test_the_backup_just_made_stays_even_where_a_later_one_is_recorded() -> None:
    backups = daily(2)
    plan = retention_rules.plan_retention("p", backups, Retention(keep_last=1), START, just_made="b0")
    assert not plan.remove
    assert plan.keep[1].why == "just made"


def test_what_is_pinned_stays() -> None:
    backups = daily(3)
    backups[0] = msgspec.structs.replace(backups[0], pinned=True)
    assert gone(backups, keep_last=1) == ["b1"]


def test_more_than_a_fifth_at_once_waits_for_approval() -> None:
    def blocked(count: int, keep: int) -> bool:
        found = retention_rules.plan_retention(
            "p", daily(count), Retention(keep_last=keep), START + timedelta(days=count)
        )
        return found.blocked_by is not None

    assert not blocked(2, 1)  # one goes as one comes
    assert not blocked(10, 8)  # a fifth
    assert blocked(10, 7)
    assert blocked(3, 1)


def test_the_token_names_exactly_the_removals() -> None:
    def token(count: int, keep: int) -> str:
        now = START + timedelta(days=400)
        return retention_rules.plan_retention("p", daily(count), Retention(keep_last=keep), now).token

    assert token(10, 3) == token(10, 3)
    assert len({token(10, 3), token(10, 4), token(11, 3)}) == 3


def test_every_verdict_says_why() -> None:
    found = retention_rules.plan_retention(
        "p", daily(3), Retention(keep_last=1, days=1), START + timedelta(days=2, hours=1)
    )
    assert found.keep[0].why == "the newest good one, the newest, younger than a day"
    assert {verdict.why for verdict in found.remove} == {"no rule keeps it"}


def test_why_sizes_are_not_known_is_said_where_restic_did_not_tell_them() -> None:
    silent, told = daily(2)
    assert told.result is not None
    told = msgspec.structs.replace(told, result=msgspec.structs.replace(told.result, bytes_stored=10))
    found = retention_rules.plan_retention("p", [silent, told], Retention(), START).sizes_unknown
    assert found is not None
    assert found.startswith("What 1 of 2 snapshots take")
    assert retention_rules.plan_retention("p", [told], Retention(), START).sizes_unknown is None


def test_no_days_are_no_rule_as_of_the_other_rules() -> None:
    backups = [backup(number, START + timedelta(days=number)) for number in range(5)]
    now = START + timedelta(days=4)
    none = retention_rules.keeping_rules(backups, Retention(keep_last=2), now)
    assert retention_rules.keeping_rules(backups, Retention(keep_last=2, days=0), now) == none
    later = retention_rules.keeping_rules(backups, Retention(days=0), START - timedelta(days=1))
    assert all("days" not in rule for rules in later.values() for rule in rules)
