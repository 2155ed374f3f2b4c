"""The Policies view's words: whether a promise is kept, what was verified, what comes, what is wrong."""

from datetime import timedelta

import msgspec
import pytest
from tests.records import make_backup, vault
from tests.ui.canned import BACKUPS, NOW, cronjob

from kronkeep_common import api
from kronkeep_common.models import BackupPolicy, CronJob, Retention
from kronkeep_common.states import BackupStatus
from kronkeep_tui.pages.policies import detail, findings, retention_words, row, rpo, verification_age
from kronkeep_tui.store import Store, store_from, table_of
from kronkeep_tui.views.snapshots import state_of
from kronkeep_tui.widgets.cells import plain, spans

POLICY = BackupPolicy(id="p", storage_id="vault", rpo_seconds=86400)


def cronjob_with_policy(**changes: object) -> CronJob:
    return msgspec.structs.replace(cronjob("one"), **{"policy": POLICY} | changes)


def test_the_recovery_point_is_met_missed_or_not_promised() -> None:
    assert rpo(cronjob_with_policy()) == ("ok", "ok")
    assert rpo(cronjob_with_policy(backup_overdue=True)) == ("LATE", "bad")
    assert rpo(cronjob("bare")) == ("-", "quiet")
    assert rpo(cronjob_with_policy(policy=BackupPolicy(id="p", storage_id="v"), backup_overdue=True)) == (
        "-",
        "quiet",
    )


def test_what_was_verified_and_what_is_wrong_are_said() -> None:
    assert verification_age(cronjob_with_policy(), NOW) == ("never", "quiet")
    assert verification_age(cronjob_with_policy(last_verified_at=NOW - timedelta(hours=5)), NOW) == (
        "5h",
        "ok",
    )
    assert findings(cronjob_with_policy(), Store()) == ("none", "quiet")
    wrong = ("SameTime: Run and backup start in the same minute.", "DstSkip: The clocks skip one.")
    assert findings(cronjob_with_policy(policy_findings=wrong), Store()) == ("SameTime, DstSkip", "warn")
    assert findings(cronjob_with_policy(policy_fault="bad", policy_findings=wrong), Store()) == (
        "cannot be read",
        "bad",
    )


def test_a_storage_that_is_away_is_seen_where_policies_and_snapshots_are() -> None:
    away = vault(id="vault", reason="RepositoryMissing", next_step="Look at the folder.")
    store = Store(storages=table_of([away]), backups=table_of(BACKUPS))
    assert findings(cronjob_with_policy(), store) == ("storage: RepositoryMissing", "bad")
    backup = make_backup(storage_id="vault")
    assert state_of(backup, store) == ("away", "bad")
    there = Store(storages=table_of([vault(id="vault", reason="StorageFull")]))
    assert state_of(backup, there)[0] == "ok"
    assert findings(cronjob_with_policy(), there) == ("none", "quiet")


@pytest.mark.parametrize(
    ("retention", "words"),
    [
        (Retention(days=30), "30 days"),
        (Retention(keep_daily=7, keep_weekly=4), "7 daily, 4 weekly"),
        (Retention(days=1), "1 day"),
        (Retention(days=1, keep_last=2), "all of 1 day, and 2 last"),
        (Retention(days=3, keep_last=2), "all of 3 days, and 2 last"),
        (Retention(days=30, keep_daily=7, keep_monthly=12), "all of 30 days, and 7 daily, 12 monthly"),
        (Retention(), "the newest good one alone"),
        (Retention(min_good=3), "the newest 3 good ones alone"),
    ],
)
def test_retention_in_a_few_words(retention: Retention, words: str) -> None:
    assert retention_words(retention) == words


def test_a_row_and_its_detail_hold_the_promise() -> None:
    shown = cronjob_with_policy(next_backup_at=NOW + timedelta(minutes=46), backup_overdue=True)
    cells = [plain(spans(cell)) for cell in row(shown, Store(), NOW).cells]
    assert cells[3:7] == ["LATE", "never", "never", "46m"]
    first = plain(detail(shown, Store(), NOW, 120)[0])
    assert first == "a good backup every 1d00h LATE  last good never  verified never  next 46m  keeps 30 days"


def test_why_the_backup_failed_and_what_to_do_are_within_six_lines_of_80_columns() -> None:
    """What the details have room for at 80x24, however much else there is to say."""
    late = cronjob_with_policy(
        backup_overdue=True, policy_findings=("SameTime: Both start in the same minute.",)
    )
    failed = msgspec.structs.replace(
        BACKUPS[0],
        cronjob_id=late.id,
        status=BackupStatus.FAILED,
        result=None,
        reason="StorageFull",
        message="The storage vault has no space left.",
        next_step="Free some, then press b.",
    )
    store = store_from(
        api.Snapshot(
            seq=1,
            now=NOW,
            version="0",
            cronjobs=[late],
            executions=[],
            backups=[failed],
            storages=[],
            watches=[],
        )
    )
    lines = [plain(line) for line in detail(late, store, NOW, 80)][:6]
    assert "The storage vault has no space left." in lines
    assert "→ Free some, then press b." in lines
    assert sum("SameTime" in line for line in lines) == 1
    assert all(len(line) <= 80 for line in lines[:2])
