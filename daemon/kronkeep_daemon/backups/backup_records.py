"""The records of backups: read, kept durably, told to the bus."""

from collections.abc import Sequence

from kronkeep_common.errors import BackupNotFound
from kronkeep_common.models import BackupExecution
from kronkeep_common.text import clean
from kronkeep_daemon.backups.policy_annotations import Carrier
from kronkeep_daemon.events import BackupChanged, Bus
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.clusters import Clusters

MOST_OF_A_POLICY = 100_000


class BackupRecords:
    """The backups of the history."""

    def __init__(self, history: History, bus: Bus, clusters: Clusters) -> None:
        self._history = history
        self._clusters = clusters
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

    def last(self, carrier: Carrier) -> BackupExecution | None:
        """The newest backup of a policy."""
        return next(iter(self._of(carrier, limit=1, cluster=carrier.cluster)), None)

    def with_snapshot(self, carrier: Carrier) -> Sequence[BackupExecution]:
        """The backups of a policy whose snapshot is still there, newest first."""
        return [
            backup
            for backup in self._of(carrier, limit=MOST_OF_A_POLICY)
            if backup.result is not None
            and backup.snapshot_removed_at is None
            and self._clusters.same(backup.cluster, carrier.cluster)
        ]

    def _of(self, carrier: Carrier, limit: int, cluster: str | None = None) -> Sequence[BackupExecution]:
        return self._history.backups.newest(
            limit=limit,
            policy_id=carrier.policy.id,
            namespace=carrier.namespace,
            cronjob=carrier.cronjob,
            cluster=cluster,
        ).items
