"""What a waiting backup does next, which slot is due, what is overdue and what is tried again."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from tests.records import make_backup

from kronkeep_common.models import BackupPolicy, CronJobExecution
from kronkeep_common.states import BackupStatus, ExecutionStatus, Trigger
from kronkeep_daemon.backups import planning_rules

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
POLICY = BackupPolicy(id="p", storage_id="s", retries=1)
BACKUP = make_backup(
    status=BackupStatus.WAITING,
    created_at=NOW - timedelta(days=7),
    deadline_at=NOW,
)


def run(status: ExecutionStatus, minutes_ago: float | None = None) -> CronJobExecution:
    return CronJobExecution(
        id=f"{status}",
        cluster="c",
        namespace="n",
        cronjob="j",
        cronjob_id="u",
        status=status,
        trigger=Trigger.SCHEDULED,
        created_at=NOW - timedelta(hours=1),
        ended_at=NOW - timedelta(minutes=minutes_ago) if minutes_ago is not None else None,
        reason="ExitCode",
        next_step="Look.",
    )


@pytest.mark.parametrize(
    ("status", "when", "expected"),
    [
        ("pending", "always", None),
        ("running", "always", None),
        ("succeeded", "success", ("queued", None)),
        ("succeeded", "always", ("queued", None)),
        ("failed", "success", ("failed", "CronJobFailed")),
        ("failed", "always", ("queued", None)),
        ("cancelled", "always", ("cancelled", "CronJobCancelled")),
        ("unknown", "always", ("unknown", "CronJobUnknown")),
        ("missed", "success", ("unknown", "CronJobUnknown")),
    ],
)
def test_a_backup_follows_its_run(status: str, when: str, expected: tuple[str, str | None] | None) -> None:
    policy = msgspec.structs.replace(POLICY, when=when)
    transition = planning_rules.transition_after_run(run(ExecutionStatus(status), 1), policy, NOW)
    assert (transition and (str(transition.status), transition.reason)) == expected


@pytest.mark.parametrize(("delay", "waits"), [(0, False), (60, False), (61, True)])
def test_a_delay_counts_from_the_end_of_the_run(delay: float, waits: bool) -> None:
    policy = msgspec.structs.replace(POLICY, delay_seconds=delay)
    assert (
        planning_rules.transition_after_run(run(ExecutionStatus.SUCCEEDED, 1), policy, NOW) is None
    ) is waits
    without_end = planning_rules.transition_after_run(run(ExecutionStatus.SUCCEEDED), policy, NOW)
    assert (without_end is None) is (delay > 0)


@pytest.mark.parametrize(
    ("since", "now", "slot"),
    [
        ("11:59:59", "12:00:00", "12:00:00"),  # at its very second
        ("11:59:59", "11:59:59", None),  # not before it
        ("12:00:00", "12:00:00", None),  # once
        ("12:00:00", "12:59:00", None),
        ("09:30:00", "12:30:00", "12:00:00"),  # after a long sleep only the newest
    ],
)
def test_the_slot_that_is_due(since: str, now: str, slot: str | None) -> None:
    policy = msgspec.structs.replace(POLICY, schedule="0 * * * *")
    found = planning_rules.due_slot(policy, at(since), at(now), "UTC")
    assert found == (at(slot) if slot else None)
    assert (
        planning_rules.due_slot(msgspec.structs.replace(policy, enabled=False), at(since), at(now), "UTC")
        is None
    )
    assert planning_rules.due_slot(POLICY, at(since), at(now), "UTC") is None


def test_a_schedule_that_never_fired_is_not_due() -> None:
    policy = msgspec.structs.replace(POLICY, schedule="0 0 30 2 *")
    assert planning_rules.due_slot(policy, at("00:00:00"), NOW, "UTC") is None


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-01-01T{clock}+00:00")


def test_a_scheduled_backup_takes_the_newest_run_that_it_may() -> None:
    runs = [run(ExecutionStatus(s)) for s in ("running", "failed", "succeeded", "succeeded")]
    always = msgspec.structs.replace(POLICY, when="always")
    assert planning_rules.newest_archivable_run(runs, POLICY) is runs[2]
    assert planning_rules.newest_archivable_run(runs, always) is runs[1]
    assert planning_rules.newest_archivable_run(runs[:1], always) is None


def test_a_waiting_backup_ends_at_its_deadline() -> None:
    assert planning_rules.transition_at_deadline(BACKUP, NOW - timedelta(seconds=1)) is None
    transition = planning_rules.transition_at_deadline(BACKUP, NOW)
    assert transition is not None
    assert (transition.status, transition.reason) == (BackupStatus.MISSED, "RunNeverEnded")


@pytest.mark.parametrize(
    ("rpo", "good", "began", "overdue"),
    [
        (None, None, 1000, False),
        (3600, 30, 1000, False),
        (3600, 61, 1000, True),
        (3600, None, 59, False),
        (3600, None, 61, True),
    ],
)
def test_the_recovery_point(rpo: float | None, good: int | None, began: int, overdue: bool) -> None:
    policy = msgspec.structs.replace(POLICY, rpo_seconds=rpo)
    last = NOW - timedelta(minutes=good) if good is not None else None
    assert planning_rules.misses_recovery_point(policy, last, NOW - timedelta(minutes=began), NOW) is overdue
    off = msgspec.structs.replace(policy, enabled=False)
    assert not planning_rules.misses_recovery_point(off, last, NOW - timedelta(minutes=began), NOW)


def test_what_is_tried_again() -> None:
    failed = msgspec.structs.replace(BACKUP, status=BackupStatus.FAILED, attempt=1)
    for reason, again in (("StorageFull", True), ("Interrupted", True), ("WrongPassword", False)):
        assert planning_rules.may_retry(msgspec.structs.replace(failed, reason=reason), POLICY) is again
    second = msgspec.structs.replace(failed, attempt=2, reason="Interrupted")
    assert not planning_rules.may_retry(second, POLICY)
    assert planning_rules.may_retry(second, POLICY, free=1)
