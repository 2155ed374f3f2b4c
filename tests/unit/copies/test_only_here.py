"""What would be lost from sight with a storage."""

from pathlib import Path

import msgspec
from tests.records import make_backup, vault

from kronkeep_common.clock import SystemClock
from kronkeep_common.models import BackupResult
from kronkeep_common.states import CopyStatus
from kronkeep_daemon.copies.copy_records import CopyRecords, new_copy
from kronkeep_daemon.copies.only_here import OnlyHere, count_only_here
from kronkeep_daemon.events import Bus
from kronkeep_daemon.history import History


async def test_what_another_storage_has_too_is_not_only_here(tmp_path: Path) -> None:
    history = await History.open(tmp_path, clock=SystemClock())
    copies = CopyRecords(history, Bus(), SystemClock())
    for name in ("first", "second"):
        history.storages.put(msgspec.structs.replace(vault(), id=name))
    result = BackupResult(snapshot_id="0a" * 32)
    both, single, gone, removed = (
        make_backup(id=name, storage_id="first", result=result)
        for name in ("both", "single", "gone", "removed")
    )
    gone_at = SystemClock().now()
    gone = msgspec.structs.replace(gone, snapshot_removed_at=gone_at)
    removed = msgspec.structs.replace(removed, snapshot_removed_at=gone_at)
    elsewhere = make_backup(id="elsewhere", storage_id="deleted", result=result)
    for backup in (both, single, gone, removed, elsewhere):
        history.backups.put(backup)
    for backup in (both, gone, elsewhere):
        queued = new_copy(backup, "second", "manual", gone_at)
        history.copies.put(
            msgspec.structs.replace(queued, status=CopyStatus.SUCCEEDED, snapshot_id="0b" * 32)
        )
    assert await count_only_here("first", history, copies) == OnlyHere(1, 0)
    assert await count_only_here("second", history, copies) == OnlyHere(0, 2)
    history.storages.remove("second")
    assert await count_only_here("first", history, copies) == OnlyHere(2, 0)
    await history.close()
