"""Evidence: the worst gap against counting second by second, and what each record adds."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.records import make_backup

from kronkeep_common.evidence import EvidenceSubject, Period, collect_evidence, find_worst_gap
from kronkeep_common.models import Restore
from kronkeep_common.models.copy_state import CopyState
from kronkeep_common.states import BackupStatus, RestoreStatus

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
PERIOD = Period(START, START + 24 * HOUR)


def subject(rpo: float | None = None, since: datetime = START - 99 * HOUR) -> EvidenceSubject:
    return EvidenceSubject(
        policy_id="p",
        cluster="c",
        namespace="n",
        cronjob="j",
        storage_id="s",
        is_gone=False,
        rpo_seconds=rpo,
        since=since,
    )


def backup(hours: float, **fields: Any) -> Any:
    return make_backup(id=f"b{hours}", created_at=START + hours * HOUR, **fields)


@given(st.sets(st.integers(-20, 40)))
def test_the_worst_gap_is_what_a_look_at_every_hour_shows(hours: set[int]) -> None:
    _, seconds = find_worst_gap([START + hour * HOUR for hour in hours], PERIOD)
    ages = []
    for at in range(25):  # just before each hour of the period
        earlier = [hour for hour in hours if hour < at]
        before = [hour for hour in earlier if hour < 0]
        oldest = 0 if not before else max(before)
        ages.append(at - max([hour for hour in earlier if hour >= 0], default=oldest))
    assert seconds == max(ages) * 3600


@pytest.mark.parametrize(("rpo", "kept"), [(None, None), (12 * 3600, True), (12 * 3600 - 1, False)])
def test_an_rpo_is_kept_by_good_backups_only(rpo: float | None, kept: bool | None) -> None:
    records = [
        backup(-1),
        backup(4, status=BackupStatus.FAILED),
        backup(8, status=BackupStatus.PARTIAL),
        backup(9, snapshot_missing_at=START),
        backup(11, verified_at=START + 12 * HOUR),
        backup(20),
    ]
    evidence = collect_evidence(subject(rpo), records, [], PERIOD)
    assert (evidence.worst_gap_seconds, evidence.worst_gap_from) == (12 * 3600, START - HOUR)
    assert evidence.rpo_kept == kept
    assert (evidence.good, evidence.partial, evidence.failed, evidence.unverified) == (2, 1, 1, 1)
    assert evidence.is_proven == (kept is not False)


def test_a_policy_without_any_backup_lost_all_since_it_was_there() -> None:
    evidence = collect_evidence(subject(3600, START + 20 * HOUR), [], [], PERIOD)
    assert (evidence.worst_gap_seconds, evidence.rpo_kept) == (4 * 3600, False)


@pytest.mark.parametrize(
    ("seconds", "measured", "kept"), [(30, None, True), (90, None, False), (90, 40, True)]
)
def test_a_restore_is_measured_against_the_rto(seconds: float, measured: float | None, kept: bool) -> None:
    drill = Restore(
        id="r", cluster="c", namespace="n", cronjob="j", cronjob_id="u", policy_id="p", backup_id="b",
        storage_id="s", purpose="drill", status=RestoreStatus.COMPLETED, created_at=START,
        ended_at=START + HOUR, duration_seconds=seconds, restore_seconds=measured,
    )  # fmt: skip
    evidence = collect_evidence(subject(None)._replace(rto_seconds=60), [backup(1)], [drill], PERIOD)
    assert (evidence.rto_kept, evidence.is_proven) == (kept, kept)
    assert collect_evidence(subject(None), [], [drill], PERIOD).rto_kept is None


def test_copies_are_late_when_they_lack_a_backup() -> None:
    copies = (
        CopyState(storage_id="far", behind_since=START + 20 * HOUR, overdue=True),
        CopyState(storage_id="near"),
    )
    evidence = collect_evidence(subject(None)._replace(copies=copies), [backup(1)], [], PERIOD)
    assert (evidence.copies, evidence.copies_overdue, evidence.copies_lag_seconds) == (2, 1, 4 * 3600)
    assert not evidence.is_proven


def test_drills_and_verifications_count_and_restores_of_people_do_not() -> None:
    def restore(purpose: Any, status: RestoreStatus, seconds: float) -> Restore:
        return Restore(
            id="r", cluster="c", namespace="n", cronjob="j", cronjob_id="u", policy_id="p", backup_id="b",
            storage_id="s", purpose=purpose, status=status, created_at=START, ended_at=START + HOUR,
            duration_seconds=seconds,
        )  # fmt: skip

    tests = [
        restore("drill", RestoreStatus.COMPLETED, 30),
        restore("verify", RestoreStatus.COMPLETED, 90),
        restore("drill", RestoreStatus.FAILED, 500),
        restore("restore", RestoreStatus.COMPLETED, 900),
    ]
    evidence = collect_evidence(subject(), [backup(1)], tests, PERIOD)
    assert (evidence.drills, evidence.drills_failed, evidence.slowest_restore_seconds) == (3, 1, 90)
    assert evidence.last_verified_at == START + HOUR
    assert not evidence.is_proven
