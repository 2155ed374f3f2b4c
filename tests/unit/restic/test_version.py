"""restic by version: what its exit codes mean, which policies it can carry out."""

import pytest

from kronkeep_common.errors import ToolMissing
from kronkeep_common.models import BackupPolicySpec, DatabaseDump, Encryption, Include
from kronkeep_common.states import BackupStatus
from kronkeep_daemon.restic import backup, exit_codes, requirements, version
from kronkeep_daemon.restic.version import ResticVersion

SUMMARY = b'{"message_type":"summary","snapshot_id":"0123abcd","total_files_processed":2}\n'


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("restic 0.14.0 compiled with go1.19.8 on linux/amd64", ResticVersion(0, 14, 0)),
        ("2026-01-01T00:00:00Z restic 0.19.1 compiled with go1.26.4", ResticVersion(0, 19, 1)),
        ("sh: restic: not found", version.UNKNOWN),
    ],
)
def test_the_version_is_read(text: str, parsed: ResticVersion) -> None:
    assert version.parse(text.encode()) == parsed


@pytest.mark.parametrize(
    ("code", "command", "release", "meaning"),
    [
        (0, "backup", "0.14.0", "done"),
        (1, "backup", "0.19.1", "failed"),
        (2, "prune", "0.19.1", "crashed"),
        (3, "backup", "0.14.0", "incomplete"),
        (3, "forget", "0.18.0", "failed"),
        (3, "forget", "0.19.1", "incomplete"),
        (3, "prune", "0.19.1", "failed"),
        (10, "backup", "0.16.5", "failed"),
        (10, "backup", "0.17.0", "no repository"),
        (11, "forget", "0.17.0", "locked"),
        (12, "backup", "0.17.0", "failed"),
        (12, "backup", "0.17.1", "wrong password"),
        (130, "backup", "0.18.0", "failed"),
        (130, "backup", "0.19.0", "interrupted"),
        (137, "backup", "0.14.0", "killed"),
        (77, "backup", "0.19.1", "failed"),
        (255, "check", "0.19.1", "failed"),
        (12, "backup", "", "wrong password"),
    ],
)
def test_exit_codes_by_version(code: int, command: str, release: str, meaning: str) -> None:
    assert exit_codes.meaning_of(code, command, version.parse_text(f"restic {release}")) == meaning


@pytest.mark.parametrize(
    ("code", "log", "version", "status", "reason"),
    [
        (10, b"", "0.19.1", BackupStatus.FAILED, "RepositoryMissing"),
        (11, b"", "0.19.1", BackupStatus.FAILED, "RepositoryLocked"),
        (12, b"", "0.19.1", BackupStatus.FAILED, "WrongPassword"),
        (130, b"", "0.19.1", BackupStatus.FAILED, "Interrupted"),
        (3, b"", "0.19.1", BackupStatus.FAILED, "SourceMissing"),
        (3, SUMMARY, "0.19.1", BackupStatus.PARTIAL, "Incomplete"),
        (0, SUMMARY, "0.19.1", BackupStatus.SUCCEEDED, None),
        (1, SUMMARY, "0.19.1", BackupStatus.FAILED, "ResticFailed"),
        (1, b"Fatal: wrong password or no key found", "0.14.0", BackupStatus.FAILED, "WrongPassword"),
    ],
)
def test_archives_by_version(
    code: int, log: bytes, version: str, status: BackupStatus, reason: str | None
) -> None:
    outcome = backup.judge(code, log, version)
    assert (outcome.status, outcome.reason) == (status, reason)
    assert status is BackupStatus.SUCCEEDED or (outcome.message and outcome.next_step)


DUMP = Include(database=DatabaseDump(image="postgres:16", command=("pg_dump",)))


@pytest.mark.parametrize(
    ("policy", "first"),
    [
        (BackupPolicySpec(storage_id="s", compression="max"), ResticVersion(0, 14, 0)),
        (BackupPolicySpec(storage_id="s", include=DUMP), ResticVersion(0, 17, 0)),
        (BackupPolicySpec(storage_id="s", encryption=Encryption(enabled=False)), ResticVersion(0, 17, 0)),
    ],
)
def test_what_a_version_cannot_do_is_refused(policy: BackupPolicySpec, first: ResticVersion) -> None:
    requirements.require(first, policy)
    with pytest.raises(ToolMissing) as refusal:
        requirements.require(ResticVersion(first.major, first.minor - 1, 9), policy)
    assert str(first) in refusal.value.message
    assert refusal.value.next_step.endswith(".")
    requirements.require(version.UNKNOWN, BackupPolicySpec(storage_id="s"))
