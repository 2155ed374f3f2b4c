"""What is due, overdue, tried again; where an archive must run; what a lost archive's snapshots tell."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from kronkeep_common.models import BackupExecution, BackupPolicy
from kronkeep_common.states import BackupStatus
from kronkeep_daemon.backups import outcome, placement, plan
from kronkeep_daemon.repositories.jobs import Ended, Step

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
POLICY = BackupPolicy(id="p", storage_id="s", retries=1)
BACKUP = BackupExecution(
    id="b",
    cluster="c",
    namespace="n",
    cronjob="j",
    cronjob_id="u",
    policy_id="p",
    storage_id="s",
    status=BackupStatus.WAITING,
    created_at=NOW - timedelta(days=7),
    deadline_at=NOW,
)
SUMMARY = b'{"message_type":"summary","snapshot_id":"0123abcd","total_files_processed":2}\n'
DUMP = b'{"message_type":"summary","snapshot_id":"deadbeef","total_files_processed":1}\n'


def test_a_waiting_backup_ends_at_its_deadline() -> None:
    assert plan.overdue(BACKUP, NOW - timedelta(seconds=1)) is None
    verdict = plan.overdue(BACKUP, NOW)
    assert verdict is not None
    assert (verdict.status, verdict.reason) == (BackupStatus.MISSED, "RunNeverEnded")


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
    assert plan.rpo_overdue(policy, last, NOW - timedelta(minutes=began), NOW) is overdue
    off = msgspec.structs.replace(policy, enabled=False)
    assert not plan.rpo_overdue(off, last, NOW - timedelta(minutes=began), NOW)


def test_what_is_tried_again() -> None:
    failed = msgspec.structs.replace(BACKUP, status=BackupStatus.FAILED, attempt=1)
    for reason, again in (("StorageFull", True), ("Interrupted", True), ("WrongPassword", False)):
        assert plan.may_retry(msgspec.structs.replace(failed, reason=reason), POLICY) is again
    second = msgspec.structs.replace(failed, attempt=2, reason="Interrupted")
    assert not plan.may_retry(second, POLICY)
    assert plan.may_retry(second, POLICY, free=1)


def pod(name: str, claim: str, node: str | None, phase: str = "Running") -> dict[str, object]:
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]
    spec = {"volumes": volumes, **({"nodeName": node} if node else {})}
    return {"metadata": {"name": name}, "spec": spec, "status": {"phase": phase}}


def test_an_archive_runs_where_the_claims_user_runs() -> None:
    pods = [
        pod("done", "data", "n1", "Succeeded"),
        pod("other", "logs", "n2"),
        pod("unbound", "data", None, "Pending"),
        pod("user", "data", "n3"),
    ]
    assert placement.user_node(pods, ["data"]) == "n3"
    assert placement.user_node(pods[:3], ["data"]) is None
    assert "n3" in str(placement.on_node("n3"))


def job(*steps: tuple[str, int | None, bytes], reason: str = "") -> Ended:
    return Ended(not reason, reason, "", [Step(*step) for step in steps], "pod")


VERSION = ("version", 0, b"restic 0.19.1 compiled")


@pytest.mark.parametrize(
    ("ended", "status", "reason", "kept"),
    [
        (job(VERSION, ("backup", 0, SUMMARY)), "succeeded", None, "0123abcd"),
        (job(VERSION, ("backup", 137, SUMMARY), reason="F"), "failed", "Interrupted", None),
        (
            job(VERSION, ("sources", 2, b"no"), ("backup", None, b""), reason="F"),
            "failed",
            "SourceMissing",
            None,
        ),
        (
            job(VERSION, ("repository", 12, b""), ("backup", None, b""), reason="F"),
            "failed",
            "WrongPassword",
            None,
        ),
        (job(("version", 127, b""), ("backup", None, b""), reason="F"), "failed", "ToolMissing", None),
        (job(reason="FailedCreate"), "failed", "JobFailed", None),
        (job(("backup", None, b""), reason="DeadlineExceeded"), "failed", "DeadlineExceeded", None),
        (job(VERSION, ("database", 0, DUMP), ("backup", 0, SUMMARY)), "succeeded", None, "0123abcd"),
        (
            job(VERSION, ("database", 0, DUMP), ("backup", 3, SUMMARY), reason="F"),
            "partial",
            "Incomplete",
            "0123abcd",
        ),
        (
            job(VERSION, ("database", 0, DUMP), ("backup", 1, b"no"), reason="F"),
            "failed",
            "ResticFailed",
            "deadbeef",
        ),
        (job(VERSION, ("database", 0, DUMP)), "succeeded", None, "deadbeef"),
        (
            job(VERSION, ("database", 1, b"no"), ("backup", None, b""), reason="F"),
            "failed",
            "DumpFailed",
            None,
        ),
        (
            job(VERSION, ("database", 12, b"x"), ("backup", None, b""), reason="F"),
            "failed",
            "WrongPassword",
            None,
        ),
    ],
)
def test_how_a_job_ended(ended: Ended, status: str, reason: str | None, kept: str | None) -> None:
    found = outcome.judge(ended)
    assert (found.status, found.reason) == (status, reason)
    assert (found.result.snapshot_id if found.result else None) == kept


def test_a_failed_archive_that_left_its_dump_is_partial_once_it_is_over() -> None:
    ended = job(VERSION, ("database", 0, DUMP), ("backup", 1, b"no"), reason="F")
    over = outcome.final(outcome.judge(ended))
    assert over.status is BackupStatus.PARTIAL
    assert "dump is archived, the files are not" in (over.message or "")


def test_a_snapshot_whose_exit_code_was_lost_is_unknown_and_never_green() -> None:
    lost = outcome.lost("JobGone", "gone")
    snapshot = {"short_id": "0123abcd", "tags": ["backup=b", "policy=p"]}
    found = outcome.found([snapshot], lost, complete=False)
    assert found is not None
    assert (found.status, found.reason) == (BackupStatus.UNKNOWN, "ResultLost")
    whole = outcome.found([snapshot], lost, complete=True)
    assert whole is not None
    assert whole.status is BackupStatus.SUCCEEDED
    assert whole.warnings
    only_dump = snapshot | {"tags": ["backup=b", "part=database"]}
    assert outcome.found([only_dump], lost, complete=False) is None
    assert outcome.found([], lost, complete=True) is None
