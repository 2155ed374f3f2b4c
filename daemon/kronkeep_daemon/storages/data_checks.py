"""Reads all data of every repository over 30 days, a thirtieth a day, and says where it is damaged.

`restic check --read-data-subset n/30` checks the structure and reads the packs whose id falls into the n-th
of 30 parts. What cannot be looked at today (a lock, a server that is away) is looked at tomorrow.
"""

import logging
from datetime import datetime, timedelta

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError, StorageFailed
from kronkeep_common.models import BackupStorage, DataCheck
from kronkeep_common.reasons import Reason
from kronkeep_common.states import StorageStatus
from kronkeep_daemon.kube.lease import Leaderships
from kronkeep_daemon.repositories.maintenance import RepositoryMaintenance
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.restic import check
from kronkeep_daemon.storages.service import StorageService
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
PARTS = 30
EVERY = timedelta(days=1)
SECONDS = 86400.0
LOOKS_SECONDS = 60.0


class DataChecks:
    """Reads the data of the storages of the clusters on which this daemon acts."""

    def __init__(
        self,
        *,
        storages: StorageService,
        maintenance: RepositoryMaintenance,
        index: RepositoryIndex,
        clock: Clock,
        supervisor: Supervisor,
        leads: Leaderships,
    ) -> None:
        self._storages = storages
        self._maintenance = maintenance
        self._index = index
        self._clock = clock
        self._supervisor = supervisor
        self._leads = leads
        self._tried: dict[str, datetime] = {}

    def start(self) -> None:
        """Begins to read."""
        self._supervisor.start("data checks", self._forever, death="restart")

    async def _forever(self) -> None:
        while True:
            await self._leads.wait_until_leading()
            for storage in self._storages.list():
                if self._leads.leads(storage.cluster):
                    self._look(storage)
            await self._clock.sleep(LOOKS_SECONDS)

    def _look(self, storage: BackupStorage) -> None:
        now = self._clock.now()
        name = f"data check of {storage.id}"
        part = due(storage, self._tried.get(storage.id), now)
        if part is not None and not self._supervisor.running(name):
            self._tried[storage.id] = now
            self._supervisor.start(name, lambda: self._try(storage, part), death="quiet")

    async def _try(self, storage: BackupStorage, part: int) -> None:
        try:
            await self.read(storage, part)
        except KronkeepError as fault:
            log.warning("the data of storage %s was not read: %s", storage.id, fault)

    async def read(self, storage: BackupStorage, part: int) -> BackupStorage:
        """Reads one part of every repository of the storage; the record says what was found."""
        found: StorageFailed | None = None
        argv = check.argv(check.DataSubset(part, PARTS))
        for repository in self._index.repositories_of(storage):
            try:
                await self._maintenance.run_exclusively("data", [("check", argv)], repository, SECONDS)
            except StorageFailed as fault:
                found = found or fault
        reason = found.details.get("reason") if found else None
        old = self._storages.get(storage.id)
        if found is not None and reason != Reason.REPOSITORY_DAMAGED:
            log.warning("the data of storage %s was not read: %s", storage.id, found.message)
            return old
        result = DataCheck(part=part, parts=PARTS, checked_at=self._clock.now(), ok=found is None)
        new = msgspec.structs.replace(
            old,
            data_check=result,
            check_ok=result.ok,
            checked_at=result.checked_at,
            reason=reason,
            message=found.message if found else None,
            next_step=found.next_step if found else None,
        )
        return await self._storages.save(old, new)


def due(storage: BackupStorage, tried: datetime | None, now: datetime) -> int | None:
    """The part to read now, of 30; None where a day has not passed since the last one, or the last try."""
    if storage.status is not StorageStatus.ACTIVE:
        return None
    last = storage.data_check
    since = max([last.checked_at if last else storage.created_at, *([tried] if tried else [])])
    if now - since < EVERY:
        return None
    if last is None:
        return 1
    return last.part % PARTS + 1 if last.ok else last.part
