"""What a list of a repository of copies changes in their records."""

from pathlib import Path

import msgspec
from tests.records import make_backup, vault

from kronkeep_common.models import BackupPolicy, BackupResult
from kronkeep_common.states import CopyStatus
from kronkeep_daemon.copies.copy_reconciliation import CopyReconciliation
from kronkeep_daemon.copies.copy_records import CopyRecords, new_copy
from kronkeep_daemon.events import Bus
from kronkeep_daemon.history import History
from kronkeep_daemon.repositories.repository import repository_of_copy
from kronkeep_daemon.restic.snapshots import ListedSnapshot
from kronkeep_daemon.testing import FakeClock

SNAPSHOT = "c" * 64


async def test_a_copy_that_was_left_behind_by_an_adoption_follows_its_backup(tmp_path: Path) -> None:
    """Before copies went with adopted backups, the new policy's retention and planner did not see them."""
    clock = FakeClock()
    history = await History.open(tmp_path, clock=clock)
    records = CopyRecords(history, Bus(), clock)
    old = make_backup(policy_id="old", cronjob="gone", cronjob_id="uid-gone")
    copy = msgspec.structs.replace(
        new_copy(old, "second", "after-backup", old.created_at),
        status=CopyStatus.SUCCEEDED,
        ended_at=old.created_at,
        snapshot_id=SNAPSHOT,
    )
    await records.put(None, copy)
    adopted = make_backup(policy_id="new", tagged_policy_id="old", result=BackupResult(snapshot_id="a" * 64))
    history.backups.put(adopted)
    repository = repository_of_copy(adopted, copy, vault(id="second"))
    reconciliation = CopyReconciliation(records=records, history=history, clock=clock)
    listed = [ListedSnapshot(id=SNAPSHOT, tags=("policy=old", f"backup={adopted.id}"))]
    await reconciliation.apply(repository, [copy], listed)
    (moved,) = records.of_policy(BackupPolicy(id="new", storage_id="s"), "second")
    assert moved == msgspec.structs.replace(
        copy, policy_id="new", cronjob=adopted.cronjob, cronjob_id=adopted.cronjob_id
    )
    assert (await reconciliation.apply(repository, [moved], listed)).missing == ()
    assert records.get(copy.id) == moved
    await history.close()
