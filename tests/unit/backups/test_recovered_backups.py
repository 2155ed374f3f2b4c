"""Records made again from the tags of snapshots, which anybody with the repository's password can write."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from tests.records import make_backup, make_run, vault

from kronkeep_common.models import BackupPolicy, CronJobExecution, Encryption, SecretKeyRef
from kronkeep_common.states import BackupStatus, ExecutionStatus
from kronkeep_daemon.backups import recovered_backups
from kronkeep_daemon.backups.recovered_backups import Recovery
from kronkeep_daemon.repositories.repository import Repository, repository_of_policy
from kronkeep_daemon.restic.snapshots import ListedSnapshot, SnapshotTags

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BACKUP_ID = "0123456789abcdef" * 2
TAGS = SnapshotTags(
    policy="p",
    run="8a0b2a3e-0000-4000-8000-000000000001",
    backup=BACKUP_ID,
    cluster="cluster-1",
    namespace="shop",
    cronjob="nightly",
    cronjob_id="uid-0001",
    backup_type="full",
    trigger="scheduled",
    run_status="succeeded",
)
OWN = Repository(storage=vault(settings={"path": "/srv"}))


def snapshot(number: int = 1, **tags: str) -> ListedSnapshot:
    texts = tuple(msgspec.structs.replace(TAGS, **tags).texts())
    return ListedSnapshot(id=f"{number:064x}", time=f"2026-03-01T11:{number:02d}:00.123456789Z", tags=texts)


def recover(*snapshots: ListedSnapshot, repository: Repository = OWN, carried: Any = None) -> Recovery:
    return recovered_backups.recover_backups(
        snapshots,
        repository,
        is_our_cluster="cluster-1".__eq__,
        policy_of=lambda _: carried,
        now=NOON,
    )


def test_a_record_is_what_the_tags_say_and_is_not_good() -> None:
    (backup,) = recover(snapshot()).backups
    assert (backup.id, backup.policy_id, backup.cronjob_id) == (BACKUP_ID, "p", "uid-0001")
    assert (backup.cluster, backup.namespace, backup.cronjob) == ("cluster-1", "shop", "nightly")
    assert (backup.backup_type, backup.trigger, backup.sequence) == ("full", "scheduled", 0)
    assert (backup.status, backup.reason, backup.recovered_at) == ("unknown", "Recovered", NOON)
    assert backup.cronjob_execution_id == TAGS.run
    assert backup.created_at == backup.ended_at == datetime(2026, 3, 1, 11, 1, 0, 123456, UTC)
    assert backup.result is not None
    assert backup.result.snapshot_id == f"{1:064x}"


@pytest.mark.parametrize("time", ["yesterday", "", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"])
def test_a_snapshot_whose_time_nobody_can_believe_is_an_old_one(time: str) -> None:
    (backup,) = recover(msgspec.structs.replace(snapshot(), time=time)).backups
    assert backup.created_at == datetime(2015, 1, 1, tzinfo=UTC)


def test_a_backup_without_a_run_has_its_own_id_for_one() -> None:
    (backup,) = recover(snapshot(run=BACKUP_ID)).backups
    assert backup.cronjob_execution_id is None


def test_a_dump_and_files_are_one_backup_and_half_of_it_is_partial() -> None:
    (whole,) = recover(snapshot(1, part="database"), snapshot(2, part="files")).backups
    assert whole.result is not None
    assert (whole.result.snapshot_id, whole.result.database_snapshot_id) == (f"{2:064x}", f"{1:064x}")
    assert whole.status is BackupStatus.UNKNOWN
    for part in ("database", "files"):
        (half,) = recover(snapshot(1, part=part)).backups
        assert half.status is BackupStatus.PARTIAL


def test_of_two_snapshots_of_one_backup_the_later_one_counts() -> None:
    (backup,) = recover(snapshot(2), snapshot(1)).backups
    assert backup.result is not None
    assert backup.result.snapshot_id == f"{2:064x}"


@pytest.mark.parametrize(
    "tags",
    [
        {"namespace": ""},
        {"cronjob": "../other"},
        {"cronjob": "pvc/../other"},
        {"cronjob": "pvc/"},
        {"cronjob_id": "x" * 100},
        {"cluster": ""},
        {"policy": "-option"},
        {"backup": "--all"},
        {"run": "a\nb"},
        {"part": "other"},
    ],
)
def test_tags_that_cannot_be_ours_make_no_record(tags: dict[str, str]) -> None:
    recovery = recover(snapshot(1, **tags))
    assert (recovery.backups, len(recovery.unusable)) == ((), 1)


def test_a_backup_of_a_claim_is_known_by_the_claims_name() -> None:
    (backup,) = recover(snapshot(1, cronjob="pvc/data-db-0")).backups
    assert backup.cronjob == "pvc/data-db-0"


def test_snapshots_of_one_backup_with_different_tags_make_no_record() -> None:
    recovery = recover(snapshot(1, part="database"), snapshot(2, part="files", namespace="other"))
    assert (recovery.backups, len(recovery.unusable)) == ((), 2)


def test_backups_of_another_cluster_are_told_apart() -> None:
    recovery = recover(snapshot(cluster="another-1"))
    assert (recovery.backups, len(recovery.elsewhere)) == ((), 1)


@pytest.mark.parametrize("time", ["2036-01-01T00:00:00Z", "never", ""])
def test_no_backup_is_dated_after_its_recovery(time: str) -> None:
    (backup,) = recover(msgspec.structs.replace(snapshot(), time=time)).backups
    assert backup.created_at <= NOON


@pytest.mark.parametrize(
    "encryption", [Encryption(enabled=False), Encryption(key=SecretKeyRef(secret="own"))]
)
@pytest.mark.parametrize("carried", [True, False])
def test_a_policys_own_repository_is_found_again(encryption: Encryption, carried: bool) -> None:
    repository = repository_of_policy("p", "cluster-1", "shop", encryption, OWN.storage)
    policy = BackupPolicy(id="p", storage_id="vault", encryption=encryption)
    (backup,) = recover(snapshot(), repository=repository, carried=policy if carried else None).backups
    assert backup.policy is not None
    assert backup.policy.encryption == encryption
    assert recover(snapshot(namespace="other"), repository=repository).backups == ()


def run(**fields: Any) -> CronJobExecution:
    base = make_run(
        id=TAGS.run,
        cluster="cluster-1",
        namespace="shop",
        cronjob="nightly",
        cronjob_id="uid-0001",
        job="nightly-1",
        created_at=NOON - timedelta(hours=2),
        ended_at=NOON - timedelta(hours=1),
    )
    return msgspec.structs.replace(base, **fields)


@pytest.mark.parametrize(
    ("record", "agrees"),
    [
        (run(), True),
        (None, False),
        (run(status=ExecutionStatus.FAILED), False),
        (run(cronjob_id="another"), False),
        (run(cluster="another"), False),
        (run(ended_at=None), False),
        (run(ended_at=NOON), False),  # after the snapshot
    ],
)
def test_a_recovered_backup_is_good_when_the_record_of_its_run_agrees(
    record: CronJobExecution | None, agrees: bool
) -> None:
    (backup,) = recover(snapshot()).backups
    assert recovered_backups.is_confirmed_by(record, backup) is agrees
    good = recovered_backups.as_good(backup)
    assert (good.status, good.reason, good.message) == ("succeeded", None, None)


def test_no_other_backup_is_made_good_by_its_run() -> None:
    assert not recovered_backups.is_confirmed_by(run(), make_backup(status=BackupStatus.UNKNOWN))
