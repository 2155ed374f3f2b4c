"""Retention against a model that is too simple to be wrong, over 400 days; then its guards one by one."""

import random
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from kronkeep_common.models import BackupExecution, BackupResult, Retention
from kronkeep_common.states import BackupStatus
from kronkeep_daemon.backups import retention_rules

START = datetime(2025, 1, 1, tzinfo=UTC)


def backup(number: int, at: datetime, status: BackupStatus = BackupStatus.SUCCEEDED) -> BackupExecution:
    return BackupExecution(
        id=f"b{number}",
        cluster="c",
        namespace="n",
        cronjob="j",
        cronjob_id="u",
        policy_id="p",
        storage_id="s",
        status=status,
        created_at=at,
        result=BackupResult(snapshot_id=f"{number:08x}"),
    )


def brute_force(backups: list[BackupExecution], rules: Retention, now: datetime) -> set[str]:
    """For each backup on its own, rule by rule, by counting what is newer than it."""
    periods = {
        "keep_hourly": "%Y-%m-%d %H",
        "keep_daily": "%Y-%m-%d",
        "keep_weekly": "%G-%V",
        "keep_monthly": "%Y-%m",
        "keep_yearly": "%Y",
    }
    staying = set()
    for one in backups:
        newer = [other for other in backups if other.created_at > one.created_at]
        stays = one.pinned or len(newer) < rules.keep_last
        if one.status is BackupStatus.SUCCEEDED:
            stays |= sum(b.status is BackupStatus.SUCCEEDED for b in newer) < rules.min_good
        if rules.days is not None:
            stays |= (now - one.created_at).total_seconds() < rules.days * 86400
        for rule, form in periods.items():
            mine = one.created_at.strftime(form)
            later = {other.created_at.strftime(form) for other in newer}
            stays |= mine not in later and len(later) < getattr(rules, rule)
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
        for _ in range(chance.choice([1, 1, 1, 2, 5])):
            at = START + timedelta(days=day, seconds=chance.randrange(86400))
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
    assert gone(old_good + bad, days=1, min_good=2) == ["b11", "b10", "b1", "b0"]


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
    assert found.keep[0].why == "one of the newest 1 good ones, one of the newest 1, younger than 1 days"
    assert {verdict.why for verdict in found.remove} == {"no rule keeps it"}


def test_why_sizes_are_not_known_is_said_where_restic_did_not_tell_them() -> None:
    silent, told = daily(2)
    assert told.result is not None
    told = msgspec.structs.replace(told, result=msgspec.structs.replace(told.result, bytes_stored=10))
    found = retention_rules.plan_retention("p", [silent, told], Retention(), START).sizes_unknown
    assert found is not None
    assert found.startswith("What 1 of 2 snapshots take")
    assert retention_rules.plan_retention("p", [told], Retention(), START).sizes_unknown is None
