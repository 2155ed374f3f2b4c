"""How a restore ended, from real words of restic 0.14 and of later versions."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from tests.records import make_backup

from kronkeep_common.models import BackupResult, Restore
from kronkeep_daemon.jobs.outcome import ContainerResult, FinishedJob
from kronkeep_daemon.restic import restore as restic_restore
from kronkeep_daemon.restic.faults import Fault
from kronkeep_daemon.restores import restore_outcome
from kronkeep_daemon.restores.restore_records import new_restore

NOW = datetime(2026, 11, 30, 21, 51, tzinfo=UTC)

TEXT = b"verifying files in /target\nfinished verifying 11 files in /target (took 0s)\n"
JSON = b'{"message_type":"summary","total_files":5,"files_restored":3,"files_skipped":1,"total_bytes":9}\n'


def container(name: str, exit_code: int | None, log: bytes) -> ContainerResult:
    return ContainerResult(name=name, exit_code=exit_code, log=log)


def job(*steps: ContainerResult, reason: str = "") -> FinishedJob:
    return FinishedJob(
        complete=all(s.exit_code == 0 for s in steps) and not reason,
        reason=reason,
        message="",
        containers=steps,
        pod="pod",
    )


@pytest.mark.parametrize(("log", "files"), [(TEXT, 11), (JSON, 4), (b"restoring <Snapshot 1>\n", None)])
def test_a_good_end_needs_its_words(log: bytes, files: int | None) -> None:
    ended = job(container("restore-0", 0, log))
    assert restic_restore.parse_verified(log) == files
    fault = restore_outcome.explain_failure(ended)
    assert (fault.reason if fault else None) == (None if files is not None else "NoSummary")


@pytest.mark.parametrize(
    ("name", "code", "log", "reason"),
    [
        ("restore-0", 1, b"Fatal: wrong password or no key found\n", "WrongPassword"),
        ("restore-0", 12, b"Fatal: wrong password or no key found\n", "WrongPassword"),
        ("restore-0", 1, b"ignoring error for /a: ciphertext verification failed\n", "RepositoryDamaged"),
        (
            "restore-0",
            1,
            b"ignoring error for /a: Load(<data/12>): invalid data returned\n",
            "RepositoryDamaged",
        ),
        ("restore-0", 1, b"ignoring error for /a: Invalid file size for /a\n", "ChangedMeanwhile"),
        ("restore-0", 1, b"ignoring error for /a: Unexpected content in /a, at 0\n", "Different"),
        ("restore-0", 1, b"write /target/a: no space left on device\n", "TargetFull"),
        (
            "restore-0",
            1,
            b"ignoring error for /source/c/a: write /target/source/c/a: no space left on device\n",
            "TargetFull",
        ),
        (
            "restore-0",
            1,
            b"Save(<lock/1>) failed: write /repository/locks/1-tmp-2: no space left on device\n",
            "StorageFull",
        ),
        (
            "restore-0",
            1,
            b"unable to create lock in backend: open /repository/locks/1: read-only file system\n",
            "StorageReadOnly",
        ),
        (
            "restore-0",
            1,
            b"ignoring error for /repository/a: open /target/repository/a: read-only file system\n",
            "TargetReadOnly",
        ),
        ("restore-0", 1, b"ignoring error for /a: open /target/a: permission denied\n", "TargetReadOnly"),
        (
            "restore-0",
            1,
            b"Load(<data/c1>, 0, 0) failed: open /repository/data/c1: permission denied\n",
            "PermissionDenied",
        ),
        ("restore-0", 1, b"open /kronkeep/keys/ca.crt: permission denied\n", "PermissionDenied"),
        ("restore-0", 1, b'sftp: "no space left on device"\n', "StorageFull"),
        ("restore-0", 1, b"open /tmp/restic-temp-1: no space left on device\n", "ScratchUnusable"),
        ("restore-0", 1, b'Fatal: no matching ID found for prefix "12"\n', "SnapshotGone"),
        ("restore-0", 137, b"", "Interrupted"),
        ("move", 2, b"/target/source/a/b is a mount point\n", "MoveFailed"),
        ("move", 3, b"mv: can't rename '/target/source/a/b'\n", "MoveFailed"),
        ("recover", 4, b"mv: can't rename '/target/source/a/b'\n", "MoveFailed"),
        ("names", 1, b"find: permission denied\n", "LookFailed"),
        ("check", 137, b"", "CheckFailed"),
        ("check", 3, b"the dump is broken\n", "CheckFailed"),
    ],
)
def test_every_failure_has_its_reason_and_a_next_step(name: str, code: int, log: bytes, reason: str) -> None:
    fault = restore_outcome.explain_failure(job(container("restore-0", 0, TEXT), container(name, code, log)))
    assert fault is not None
    assert fault.reason == reason
    assert fault.message
    assert fault.next_step.endswith(".")


def test_the_deadline_comes_before_what_the_killed_containers_say() -> None:
    fault = restore_outcome.explain_failure(job(container("restore-0", 137, b""), reason="DeadlineExceeded"))
    assert fault is not None
    assert fault.reason == "DeadlineExceeded"


def test_files_that_could_not_be_restored_are_named() -> None:
    fault = restore_outcome.explain_failure(
        job(container("restore-0", 1, b"ignoring error for /a: operation not permitted\n"))
    )
    assert fault is not None
    assert (fault.reason, fault.message) == (
        "ResticFailed",
        "1 file could not be restored: /a: operation not permitted",
    )


FULL = Fault("TargetFull", "The target is full.", "Make it larger.")


def make_restore(**fields: Any) -> Restore:
    backup = make_backup(result=BackupResult(snapshot_id="5" * 64))
    return msgspec.structs.replace(new_restore(backup, "r", NOW), **fields)


@pytest.mark.parametrize(
    ("fields", "fault", "message"),
    [
        (
            {"restoring_at": NOW},
            FULL,
            "The target is full; what it had written stays; the last file may be incomplete.",
        ),
        (
            {"attempt": 2},
            FULL,
            "The target is full; what it had written stays; the last file may be incomplete.",
        ),
        (
            {"restoring_at": NOW},
            Fault("Different", "One file differs: /a", "Look."),
            "One file differs: /a; what it had written stays.",
        ),
        ({}, FULL, FULL.message),
        ({"restoring_at": NOW, "overwrite": True}, FULL, FULL.message),
        ({"restoring_at": NOW, "purpose": "drill"}, FULL, FULL.message),
    ],
)
def test_a_restore_that_failed_names_what_stays_in_its_target(
    fields: dict[str, Any], fault: Fault, message: str
) -> None:
    assert restore_outcome.with_rest(make_restore(**fields), fault) == fault._replace(message=message)
