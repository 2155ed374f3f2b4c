"""How an archive ended, by the containers of its Job and by the snapshots of a lost one."""

import msgspec
import pytest
from tests.records import make_backup

from kronkeep_common.models import BackupResult
from kronkeep_common.reasons import Reason
from kronkeep_common.states import BackupStatus
from kronkeep_daemon.backups import archive_outcome
from kronkeep_daemon.jobs.outcome import ContainerResult, FinishedJob
from kronkeep_daemon.restic import backup as restic_backup
from kronkeep_daemon.restic.faults import Fault
from kronkeep_daemon.restic.snapshots import ListedSnapshot

SUMMARY = b'{"message_type":"summary","snapshot_id":"0123abcd","total_files_processed":2}\n'
DUMP = b'{"message_type":"summary","snapshot_id":"deadbeef","total_files_processed":1}\n'


def container(name: str, exit_code: int | None, log: bytes) -> ContainerResult:
    return ContainerResult(name=name, exit_code=exit_code, log=log)


def job(*steps: tuple[str, int | None, bytes], reason: str = "") -> FinishedJob:
    return FinishedJob(
        complete=not reason,
        reason=reason,
        message="",
        containers=tuple(container(*step) for step in steps),
        pod="pod",
    )


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
def test_how_a_job_ended(ended: FinishedJob, status: str, reason: str | None, kept: str | None) -> None:
    found = archive_outcome.judge_job(ended)
    assert (found.status, found.reason) == (status, reason)
    assert (found.result.snapshot_id if found.result else None) == kept


def test_a_failed_archive_that_left_its_dump_is_partial_once_it_is_over() -> None:
    ended = job(VERSION, ("database", 0, DUMP), ("backup", 1, b"no"), reason="F")
    over = archive_outcome.partial_if_dumped(archive_outcome.judge_job(ended))
    assert over.status is BackupStatus.PARTIAL
    assert "dump is archived, the files are not" in (over.message or "")
    for as_it_was in (archive_outcome.outcome_of_lost(Reason.JOB_GONE, "gone"), over):
        assert archive_outcome.partial_if_dumped(as_it_was) is as_it_was


def test_a_dump_that_wrote_nothing_says_so() -> None:
    nothing = b'{"message_type":"summary","snapshot_id":"deadbeef","total_files_processed":0}\n'
    found = archive_outcome.judge_job(job(VERSION, ("database", 0, nothing), ("backup", None, b"")))
    assert (found.status, found.reason) == (BackupStatus.PARTIAL, "DumpEmpty")


def test_a_dump_that_was_killed_is_interrupted() -> None:
    for code in (137, 143):
        found = archive_outcome.judge_job(
            job(VERSION, ("database", code, b""), ("backup", None, b""), reason="F")
        )
        assert (found.status, found.reason) == (BackupStatus.FAILED, "Interrupted")


def test_a_snapshot_whose_exit_code_was_lost_is_unknown_and_never_green() -> None:
    lost = archive_outcome.outcome_of_lost(Reason.JOB_GONE, "gone")
    snapshot = ListedSnapshot(id="0123abcd" * 8, short_id="0123abcd", tags=("backup=b", "policy=p"))
    found = archive_outcome.judge_snapshots([snapshot], lost, is_complete=False)
    assert found is not None
    assert (found.status, found.reason) == (BackupStatus.UNKNOWN, "ResultLost")
    assert (found.message or "").endswith("it may lack files. gone")
    whole = archive_outcome.judge_snapshots([snapshot], lost, is_complete=True)
    assert whole is not None
    assert whole.status is BackupStatus.SUCCEEDED
    assert whole.warnings
    only_dump = msgspec.structs.replace(snapshot, tags=("backup=b", "part=database"))
    assert archive_outcome.judge_snapshots([only_dump], lost, is_complete=False) is None
    assert archive_outcome.judge_snapshots([], lost, is_complete=True) is None


OURS = make_backup(id="b1", policy_id="p")
FULL_ID = "0123abcd" * 8


def listed(backup: str = "b1", policy: str = "p", snapshot_id: str = FULL_ID) -> ListedSnapshot:
    return ListedSnapshot(id=snapshot_id, tags=(f"policy={policy}", f"backup={backup}"))


def list_log(*snapshots: ListedSnapshot) -> bytes:
    return msgspec.json.encode(list(snapshots)).replace(b"}", b"\n")


@pytest.mark.parametrize(
    ("step", "confirmed"),
    [
        (("snapshots", 0, list_log(listed())), True),
        (("snapshots", 0, list_log(listed(backup="b2"))), False),
        (("snapshots", 0, list_log(listed(policy="another"))), False),
        (("snapshots", 0, list_log(listed(snapshot_id="ff" * 32))), False),
        (("snapshots", 0, b"[]"), False),
        (("snapshots", 1, list_log(listed())), False),
        (("snapshots", None, b""), False),
        (("backup", 0, list_log(listed())), False),
    ],
)
def test_a_snapshot_is_confirmed_by_the_repositorys_list_and_the_tags_alone(
    step: tuple[str, int | None, bytes], confirmed: bool
) -> None:
    outcome = restic_backup.failure(Fault.of(Reason.INTERRUPTED))._replace(
        result=BackupResult(snapshot_id="0123abcd")
    )
    shown = archive_outcome.confirm(OURS, outcome, job(VERSION, step))
    assert (shown is not None) is confirmed


@pytest.mark.parametrize(
    ("shown", "status", "reason", "snapshot_id"),
    [
        ([listed()], "succeeded", None, FULL_ID),
        ([listed(snapshot_id="ff" * 32)], "succeeded", None, "ff" * 32),
        ([], "failed", "SnapshotUnconfirmed", None),
        (None, "unknown", "SnapshotUnconfirmed", "0123abcd"),
    ],
)
def test_an_unconfirmed_archive_is_what_the_repository_shows(
    shown: list[ListedSnapshot] | None, status: str, reason: str | None, snapshot_id: str | None
) -> None:
    claimed = archive_outcome.judge_job(job(VERSION, ("backup", 0, SUMMARY)))
    outcome = archive_outcome.with_listed_snapshots(OURS, claimed, shown, is_complete=True)
    assert (outcome.status, outcome.reason) == (status, reason)
    assert (outcome.result.snapshot_id if outcome.result else None) == snapshot_id


@pytest.mark.parametrize("shown", [None, []])
def test_a_failed_archive_whose_dump_is_not_shown_stays_failed_without_it(
    shown: list[ListedSnapshot] | None,
) -> None:
    steps = (("database", 0, DUMP), ("backup", 1, b"Fatal: no\n"))
    claimed = archive_outcome.judge_job(job(VERSION, *steps, reason="F"))
    assert claimed.result is not None
    outcome = archive_outcome.with_listed_snapshots(OURS, claimed, shown, is_complete=False)
    assert (outcome.status, outcome.reason, outcome.result) == ("failed", claimed.reason, None)
