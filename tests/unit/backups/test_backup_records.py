"""The link from a run to its backup: the backup names the run, and a run's record names no backup."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from kronkeep_common.models import BackupExecution, BackupResult, CronJobExecution
from kronkeep_common.states import BackupStatus, ExecutionStatus, Trigger
from kronkeep_daemon.backups.backup_records import PAGE, BackupRecords, backup_id_for
from kronkeep_daemon.events import Bus
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.testing import FakeClock

NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
RUN = CronJobExecution(
    id="run",
    cluster="c",
    namespace="shop",
    cronjob="dump",
    cronjob_id="cronjob",
    job="dump-1",
    status=ExecutionStatus.SUCCEEDED,
    trigger=Trigger.SCHEDULED,
    created_at=NOON,
)


def backup(policy_id: str, key: str, *, cronjob_id: str = "cronjob", **fields: Any) -> BackupExecution:
    return BackupExecution(
        id=backup_id_for(cluster="c", cronjob_id=cronjob_id, policy_id=policy_id, key=key),
        cluster="c",
        namespace="shop",
        cronjob="dump",
        cronjob_id=cronjob_id,
        cronjob_execution_id="run",
        policy_id=policy_id,
        storage_id="vault",
        status=BackupStatus.WAITING,
        **{"created_at": NOON} | fields,
    )


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[BackupRecords]:
    history = await History.open(tmp_path, clock=FakeClock(NOON))
    yield BackupRecords(history, Bus(), cast(Clusters, None))
    await history.close()


async def test_a_run_without_a_backup_is_answered_as_it_is(records: BackupRecords) -> None:
    assert records.link_to_backup(RUN) is RUN


async def test_a_run_is_answered_with_the_backup_that_belongs_to_it(records: BackupRecords) -> None:
    own = backup("p", "run")
    await records.put(None, own)
    linked = records.link_to_backup(RUN)
    assert (linked.backup_id, linked.policy_id) == (own.id, "p")


async def test_backups_by_hand_by_schedule_and_of_other_cronjobs_belong_to_no_run(
    records: BackupRecords,
) -> None:
    await records.put(None, backup("p", "manual/1"))
    await records.put(None, backup("p", NOON.isoformat()))
    await records.put(None, backup("p", "run", cronjob_id="other"))
    assert records.id_after_run(RUN) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"cluster": "other"},
        {"cronjob_id": "other"},
        {"policy_id": "p/u", "cronjob_id": ""},  # a tenant's policy id that reaches into the next part
        {"policy_id": "p", "key": "u/run", "cronjob_id": ""},
    ],
)
def test_no_other_cluster_cronjob_or_policy_has_a_backup_of_the_same_id(changed: dict[str, str]) -> None:
    parts = {"cluster": "c", "cronjob_id": "u", "policy_id": "p", "key": "run"}
    assert len(backup_id_for(**parts)) * 4 == 128
    assert backup_id_for(**parts) == backup_id_for(**parts)
    assert backup_id_for(**parts) != backup_id_for(**(parts | changed))


async def test_of_the_backups_of_two_policies_the_newest_counts(records: BackupRecords) -> None:
    later = backup("b", "run", created_at=NOON + timedelta(minutes=1))
    for one in (backup("a", "run"), later, backup("c", "run")):
        await records.put(None, one)
    assert records.id_after_run(RUN) == later.id
    assert sorted(records.cronjob_ids("b")) == ["cronjob"]
    assert records.cronjob_ids("none") == ()


async def test_a_backup_that_failed_and_whose_snapshot_is_found_says_how_it_had_ended(
    records: BackupRecords,
) -> None:
    failed = backup("p", "run", message="The Job is gone.")
    failed = msgspec.structs.replace(failed, status=BackupStatus.FAILED)
    await records.put(None, failed)
    assert not records.is_accounted_for(failed.id)
    result = BackupResult(snapshot_id="0123abcd")
    earlier = NOON - timedelta(hours=1)
    recovered = msgspec.structs.replace(
        failed, status=BackupStatus.UNKNOWN, result=result, recovered_at=NOON, created_at=earlier
    )
    unknown = msgspec.structs.replace(recovered, id="0" * 32)
    await records.add_recovered([recovered, unknown])
    kept = records.get(failed.id)
    assert (kept.status, kept.result, kept.recovered_at) == ("unknown", result, NOON)
    assert (kept.sequence, kept.created_at) == (0, earlier)
    assert kept.warnings == ("Its snapshot was found later; before, it was failed. The Job is gone.",)
    assert records.get(unknown.id) == unknown
    assert records.is_accounted_for(failed.id)


async def test_what_changes_while_many_are_acknowledged_is_kept(records: BackupRecords) -> None:
    """They are stored page by page, and a person may pin one of the last meanwhile."""
    missing = [
        backup("p", str(number), snapshot_missing_at=NOON, result=BackupResult(snapshot_id="0" * 64))
        for number in range(PAGE + 1)
    ]
    for each in missing:
        await records.put(None, each)
    acknowledging = asyncio.ensure_future(records.acknowledge_missing(missing, NOON))
    await asyncio.sleep(0)
    await records.change(missing[-1].id, pinned=True, snapshot_missing_at=None)
    await acknowledging
    last = records.get(missing[-1].id)
    assert (last.pinned, last.snapshot_missing_at) == (True, None)
    assert records.get(missing[0].id).snapshot_missing_acknowledged_at == NOON
