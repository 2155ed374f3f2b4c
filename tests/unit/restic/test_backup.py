"""`restic backup` as it is judged, with the machine's own restic where it is installed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.waiting import LONGEST_WAIT

from kronkeep_common.states import BackupStatus
from kronkeep_daemon.restic import backup, faults, output

needs_restic = pytest.mark.skipif(shutil.which("restic") is None, reason="restic is not installed")


class ResticRepository:
    """A repository in a folder, and restic run on it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "repository"
        self.password = folder / "password"
        self.password.write_text("right")
        self.cache = folder / "cache"

    def call(self, *argv: str) -> tuple[int, bytes]:
        env = os.environ | {
            "RESTIC_REPOSITORY": str(self.path),
            "RESTIC_PASSWORD_FILE": str(self.password),
            "RESTIC_CACHE_DIR": str(self.cache),
        }
        done = subprocess.run(
            ["restic", *argv],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=LONGEST_WAIT,
            check=False,
        )
        return done.returncode, done.stdout


@pytest.fixture
def repository(tmp_path: Path) -> ResticRepository:
    repository = ResticRepository(tmp_path)
    assert repository.call("init")[0] == 0
    return repository


@needs_restic
def test_a_backup_and_an_incremental_one(repository: ResticRepository, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "line\nfeed é").write_bytes(os.urandom(200_000))
    first = backup.judge(*repository.call("backup", "--json", "--", str(source)), "0.14.0")
    (source / "new").write_bytes(b"more")
    second = backup.judge(*repository.call("backup", "--json", "--", str(source)), "0.14.0")
    assert first.status is second.status is BackupStatus.SUCCEEDED
    assert first.result is not None
    assert second.result is not None
    assert first.result.files_new == 1
    assert first.result.bytes_added > 200_000
    assert (second.result.files_new, second.result.files_unmodified) == (1, 1)
    assert second.result.bytes_added < 10_000
    assert second.result.snapshot_id != first.result.snapshot_id


@needs_restic
def test_an_empty_source_gets_a_warning(repository: ResticRepository, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    outcome = backup.judge(*repository.call("backup", "--json", "--", str(tmp_path / "empty")), "")
    assert (outcome.status, outcome.reason) == (BackupStatus.PARTIAL, "SourceEmpty")
    assert any("empty" in warning for warning in outcome.warnings)


@needs_restic
def test_a_wrong_password(repository: ResticRepository, tmp_path: Path) -> None:
    repository.password.write_text("wrong")
    outcome = backup.judge(*repository.call("backup", "--json", "--", str(tmp_path)), "")
    assert (outcome.status, outcome.reason) == (BackupStatus.FAILED, "WrongPassword")


@needs_restic
def test_a_repository_that_is_not_there(repository: ResticRepository) -> None:
    shutil.rmtree(repository.path)
    assert faults.explain(*repository.call("cat", "config"))[0] == "RepositoryMissing"


SUMMARY = b'{"message_type":"summary","snapshot_id":"0123abcd","total_files_processed":2}\n'


@pytest.mark.parametrize(
    ("code", "log", "status", "reason"),
    [
        (0, b"text between\n" + SUMMARY, BackupStatus.SUCCEEDED, None),
        (3, SUMMARY, BackupStatus.PARTIAL, "Incomplete"),
        (0, b"", BackupStatus.UNKNOWN, "NoSummary"),
        (3, b"", BackupStatus.FAILED, "SourceMissing"),
        (1, SUMMARY, BackupStatus.FAILED, "ResticFailed"),
        (137, b"", BackupStatus.FAILED, "Interrupted"),
        (2, b"panic: runtime error", BackupStatus.FAILED, "ResticCrashed"),
        (127, b"", BackupStatus.FAILED, "ToolMissing"),
        (10, b"", BackupStatus.FAILED, "ResticFailed"),
        (130, b"", BackupStatus.FAILED, "ResticFailed"),
        (1, b"write: no space left on device", BackupStatus.FAILED, "StorageFull"),
        (77, b"", BackupStatus.FAILED, "ResticFailed"),
        (None, SUMMARY, BackupStatus.FAILED, "ResticFailed"),
    ],
)
def test_exit_codes(code: int | None, log: bytes, status: BackupStatus, reason: str | None) -> None:
    outcome = backup.judge(code, log, "0.14.0")
    assert (outcome.status, outcome.reason) == (status, reason)


@pytest.mark.parametrize(
    "line",
    [
        b'{"message_type":"summary","snapshot_id":"--keep-last=0"}',
        b'{"message_type":"summary","snapshot_id":"latest"}',
        b'{"message_type":"summary","snapshot_id":7}',
        b'{"message_type":"summary","snapshot_id":"0123abcd","data_added":"much"}',
        b'{"message_type":"status","percent_done":"half"}',
        b'{"message_type":"status","current_files":7}',
        b'{"message_type":["status"]}',
        b'{"message_type":"status","current_files":["\xff"]}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_what_a_dumps_command_writes_is_not_taken_for_a_message_of_restic(line: bytes) -> None:
    assert backup.parse_summary(line, "0.19.1") is None
    assert [backup.parse_progress(obj) for obj in output.parse_objects(line)] in ([], [None])
    summary = b'{"message_type":"summary","snapshot_id":"0123abcd","total_files_processed":1}'
    result = backup.parse_summary(summary + b"\n" + line, "0.19.1")
    assert result is not None
    assert result.snapshot_id == "0123abcd"


def test_the_last_message_is_not_an_empty_line() -> None:
    log = b"2026-01-01T00:00:00.0Z Fatal: something new\n2026-01-01T00:00:00.1Z \n"
    assert faults.explain(1, log).message == "restic ended with exit code 1: Fatal: something new"
