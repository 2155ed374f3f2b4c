"""Whose backups are restored where two clusters have CronJobs of one name, with the same policy."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from tests.records import make_backup

from kronkeep_daemon.history import History
from kronkeep_daemon.restores.restorable_backups import RestorableBackups
from kronkeep_daemon.testing import FakeClock


class Places:
    """Places and storages of backups, all of them there."""

    def __init__(self, history: History) -> None:
        self._history = history

    def list_places(self, backup_id: str) -> list[Any]:
        return [self._history.backups.get(backup_id)]


async def test_a_namesake_in_another_cluster_has_no_newer_backup(tmp_path: Path) -> None:
    history = await History.open(tmp_path, clock=FakeClock())
    older = make_backup(id="a" * 32, status="succeeded")
    newer = msgspec.structs.replace(
        older,
        id="b" * 32,
        cluster="another",
        cronjob_id="its-own",
        created_at=older.created_at + timedelta(days=1),
    )
    for backup in (older, newer):
        history.backups.put(backup)
    await history.commit()
    parts: Any = Places(history)
    restorable = RestorableBackups(history=history, places=parts, storages=parts)
    assert await restorable.find_newer(older) is None
    again = msgspec.structs.replace(newer, id="c" * 32, cluster=older.cluster)
    history.backups.put(again)
    await history.commit()
    assert await restorable.find_newer(older) == again
    await history.close()
