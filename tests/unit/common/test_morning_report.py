"""The sums of a morning report against a count by hand, and the order of what it lists."""

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.records import make_backup, make_run, vault, vault_with_usage

from kronkeep_common.evidence import Period
from kronkeep_common.models import BackupPolicy, BackupStorage, CronJob, Restore
from kronkeep_common.models.coverage import ClaimCoverage, ClaimStatus
from kronkeep_common.morning_report import (
    MorningTally,
    is_faulty,
    list_overdue,
    list_storages,
    list_uncovered,
)
from kronkeep_common.states import BackupStatus, ExecutionStatus, RestoreStatus, StorageStatus

NOW = datetime(2026, 11, 30, 7, tzinfo=UTC)
DAY = Period(NOW - timedelta(days=1), NOW)
ENDS = st.integers(-30, 3).map(lambda hours: NOW + timedelta(hours=hours))


@given(st.lists(st.tuples(st.sampled_from(ExecutionStatus), ENDS, st.booleans(), st.sampled_from("ab"))))
def test_runs_are_counted_where_they_ended(
    runs: list[tuple[ExecutionStatus, datetime, bool, str]],
) -> None:
    tally = MorningTally(DAY)
    for status, end, has_end, name in runs:
        begun = end - timedelta(hours=5) if has_end else end
        run = make_run(status=status, created_at=begun, ended_at=end if has_end else None, cronjob=name)
        tally.add_run(run)
    for field in ("succeeded", "failed", "cancelled", "unknown", "missed"):
        expected = sum(each == field and DAY.start <= end < DAY.end for each, end, _, _ in runs)
        assert tally.sums[field] == expected
    faults = sum(
        each in ("failed", "missed", "unknown") and DAY.start <= end < DAY.end for each, end, _, _ in runs
    )
    listed = tally.faulty_cronjobs()
    assert sum(each.failed + each.missed + each.unknown for each in listed) == faults
    counts = [each.failed + each.missed + each.unknown for each in listed]
    assert counts == sorted(counts, reverse=True)


def test_a_time_that_nobody_watched_counts_with_all_its_slots() -> None:
    tally = MorningTally(DAY)
    begun = NOW - timedelta(hours=3)
    tally.add_run(make_run(status=ExecutionStatus.UNKNOWN, created_at=begun, gap_slots=12))
    assert tally.sums["unknown"] == 12


def test_backups_and_verifications() -> None:
    tally = MorningTally(DAY)
    at = NOW - timedelta(hours=1)
    good = make_backup(status=BackupStatus.SUCCEEDED, created_at=at, ended_at=at)
    for backup in (
        good,
        msgspec.structs.replace(good, snapshot_missing_at=at),
        msgspec.structs.replace(good, status=BackupStatus.PARTIAL),
        msgspec.structs.replace(good, status=BackupStatus.MISSED, ended_at=None),
        msgspec.structs.replace(good, status=BackupStatus.FAILED, reason="CronJobFailed"),
        msgspec.structs.replace(good, status=BackupStatus.CANCELLED),
        msgspec.structs.replace(good, ended_at=NOW),
    ):
        tally.add_backup(backup)
    assert tally.sums == {
        "backups_good": 1,
        "backups_lost": 1,
        "backups_partial": 1,
        "backups_missed": 1,
        "backups_failed": 1,
        "backups_not_begun": 1,
    }
    tally.add_backup(msgspec.structs.replace(good, id="odd", unusual=("It is empty.", "It was quick.")))
    (odd,) = tally.unusual
    assert (tally.sums["unusual_total"], odd.unusual, odd.is_acknowledged) == (1, "It is empty.", False)
    restore = Restore(
        id="v",
        cluster="c",
        namespace="n",
        cronjob="j",
        cronjob_id="u",
        policy_id="p",
        backup_id="b",
        storage_id="s",
        purpose="drill",
        status=RestoreStatus.COMPLETED,
        created_at=at,
        ended_at=at,
    )
    for each in (
        restore,
        msgspec.structs.replace(restore, purpose="verify"),
        msgspec.structs.replace(restore, purpose="restore"),
        msgspec.structs.replace(restore, include=("/a",)),
        msgspec.structs.replace(restore, status=RestoreStatus.FAILED),
        msgspec.structs.replace(restore, ended_at=DAY.start - timedelta(seconds=1)),
    ):
        tally.add_restore(each)
    assert (tally.sums["verified"], tally.sums["verifications_failed"]) == (2, 1)


def test_what_is_overdue_is_sorted_by_how_far_beyond_its_rpo_it_is() -> None:
    def cronjob(name: str, hours: int | None, rpo_hours: int, *, overdue: bool = True) -> CronJob:
        return CronJob(
            id=name,
            cluster="c",
            namespace="n",
            name=name,
            schedule="@daily",
            created_at=NOW,
            policy=BackupPolicy(id="p", storage_id="s", rpo_seconds=rpo_hours * 3600),
            last_good_backup_at=None if hours is None else NOW - timedelta(hours=hours),
            backup_overdue=overdue,
        )

    cronjobs = [
        cronjob("a", 50, 48),
        cronjob("b", 9, 1),
        cronjob("c", None, 24),
        cronjob("d", 1, 9, overdue=False),
    ]
    assert [each.cronjob for each in list_overdue(cronjobs, NOW)] == ["c", "b", "a"]


def test_uncovered_claims_are_sorted_by_what_was_to_protect_them_then_by_size() -> None:
    stated: list[tuple[str, ClaimStatus, int]] = [
        ("small", "nobody", 1),
        ("large", "nobody", 9),
        ("kept", "covered", 99),
        ("known", "exempt", 99),
        ("ended", "stopped", 1),
        ("sub", "partly", 99),
    ]
    claims = [
        ClaimCoverage(
            id=name,
            cluster="c",
            namespace="n",
            name=name,
            status=status,
            created_at=NOW,
            size_bytes=size,
            message="",
        )
        for name, status, size in stated
    ]
    assert [claim.claim for claim in list_uncovered(claims)] == ["ended", "large", "small", "sub"]


def test_storages_are_sorted_by_faults_then_by_the_days_until_they_are_full() -> None:
    def filling(name: str, days: float | None, used: int) -> BackupStorage:
        usage = {"used_bytes": used, "capacity_bytes": 100, "days_until_full": days}
        return msgspec.structs.replace(vault_with_usage(**usage), id=name)

    storages = [
        filling("steady", None, 10),
        filling("slow", 40.0, 10),
        filling("fast", 3.0, 10),
        filling("fuller", None, 50),
        vault(id="gone", status=StorageStatus.ACTIVE, reason="StorageUnreachable", message="No route."),
        vault(id="damaged", check_ok=False),
        vault(id="new"),
    ]
    outlooks = list_storages(storages)
    names = [outlook.id for outlook in outlooks]
    assert names == ["damaged", "gone", "fast", "slow", "fuller", "steady", "new"]
    assert [outlook.id for outlook in outlooks if is_faulty(outlook)] == ["damaged", "gone"]
