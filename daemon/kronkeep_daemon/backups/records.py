"""The records of backups: read, kept durably, told to the bus."""

from collections.abc import Sequence

from kronkeep_common.errors import BackupNotFound
from kronkeep_common.models import BackupExecution
from kronkeep_common.text import clean
from kronkeep_daemon.events import BackupChanged, Bus
from kronkeep_daemon.history import History

MOST_OF_A_POLICY = 100_000


class BackupRecords:
    """The backups of the history."""

    def __init__(self, history: History, bus: Bus) -> None:
        self._history = history
        self._bus = bus

    def get(self, backup_id: str) -> BackupExecution:
        """One backup; raises BackupNotFound."""
        found = self._history.backups.get(backup_id)
        if found is None:
            raise BackupNotFound(f"There is no backup {clean(backup_id, 80)}.")
        return found

    async def put(self, old: BackupExecution | None, new: BackupExecution) -> None:
        """Keeps a backup durably and tells the bus."""
        self._history.backups.put(new)
        await self._history.commit()
        self._bus.publish(BackupChanged(old, new))

    def progressed(self, backup: BackupExecution) -> None:
        """Keeps progress without waiting for the disk; the next commit takes it along."""
        self._history.backups.put(backup)

    def with_snapshot(self, policy_id: str) -> Sequence[BackupExecution]:
        """The backups of a policy whose snapshot is still there, newest first."""
        found = self._history.backups.newest(limit=MOST_OF_A_POLICY, policy_id=policy_id).items
        return [b for b in found if b.result is not None and b.snapshot_removed_at is None]
