"""The first comparison of each storage with the records, once this daemon acts on the storage's cluster.

Another daemon may have acted before this one, or the records may be older than the repositories (the state
folder was lost, an older copy of it was put back). Until a storage was compared, runs and slots of the time
before may have backups there that are not recorded yet, and an archive of them would be a second one.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from kronkeep_common.clock import Clock
from kronkeep_common.models import BackupStorage
from kronkeep_common.states import StorageStatus
from kronkeep_daemon.events import ActingChanged, Bus

LONGEST_WAIT = timedelta(minutes=30)  # for a storage's comparison, before its backups are planned without
_COMES = (StorageStatus.PENDING, StorageStatus.CREATING, StorageStatus.ACTIVE)


class Acting(Protocol):
    """Who acts on each cluster."""

    def leads(self, cluster_id: str) -> bool:
        """Whether this daemon may act on a cluster now."""

    def stands_by(self, cluster_id: str) -> bool:
        """Whether another daemon was seen to act on a cluster."""


class FirstComparisons:
    """Which storages were compared since this daemon began to act on their clusters.

    find_storage: returns a storage, None where there is none of that name.
    """

    def __init__(
        self,
        *,
        find_storage: Callable[[str], BackupStorage | None],
        acting: Acting,
        bus: Bus,
        clock: Clock,
    ) -> None:
        self._find_storage = find_storage
        self._acting = acting
        self._clock = clock
        self._acting_since: dict[str, datetime] = {}
        self._compared: set[str] = set()
        self._tried: dict[str, str] = {}  # storage -> its cluster, where the comparison failed too
        bus.subscribe(ActingChanged, self._on_acting_changed)

    def was_compared(self, storage: BackupStorage) -> bool:
        """Whether a storage was compared, and what had no record was recorded."""
        return storage.id in self._compared

    def was_tried(self, storage: BackupStorage) -> bool:
        """Whether a storage was compared, or could not be."""
        return storage.id in self._tried

    def mark_compared(self, storage: BackupStorage) -> None:
        """Take note that a storage was compared."""
        self._compared.add(storage.id)
        self._tried[storage.id] = storage.cluster

    def mark_failed(self, storage: BackupStorage) -> None:
        """Take note that a storage could not be compared; its backups no longer wait for that."""
        self._tried[storage.id] = storage.cluster

    def forget(self, storage_id: str) -> None:
        """Take note that a storage is deleted; one of its name that is made later is another."""
        self._compared.discard(storage_id)
        self._tried.pop(storage_id, None)

    def may_have_backup(self, cluster_id: str, storage_id: str, at: datetime) -> bool:
        """Return whether what was due at a time may have a backup in a storage that is not recorded yet.

        A storage that is not there, as after the state folder was lost, may be made again.
        """
        now = self._clock.now()
        since = self._acting_since.setdefault(cluster_id, now)
        if at >= since or now - since >= LONGEST_WAIT or storage_id in self._tried:
            return False
        storage = self._find_storage(storage_id)
        return storage is None or (storage.status in _COMES and self._acting.leads(storage.cluster))

    def _on_acting_changed(self, change: ActingChanged) -> None:
        """Note when this daemon begins to act; compare all again where another one acts meanwhile."""
        if self._acting.leads(change.cluster):
            self._acting_since.setdefault(change.cluster, self._clock.now())
        if not self._acting.stands_by(change.cluster):
            return
        self._acting_since.pop(change.cluster, None)
        for storage_id in [each for each, cluster in self._tried.items() if self._acting.stands_by(cluster)]:
            self.forget(storage_id)
