"""The check of all data of every repository within 30 days, a thirtieth a day.

`restic check --read-data-subset n/30` checks the structure and reads the packs whose id falls into the n-th
of 30 parts. What cannot be read today, as for a lock or a server that is away, is read tomorrow.
"""

import logging
from datetime import datetime, timedelta
from functools import partial

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError, StorageFailed
from kronkeep_common.models import BackupStorage, DataCheck
from kronkeep_common.reasons import Reason
from kronkeep_common.states import StorageStatus
from kronkeep_daemon.kube.lease import Leaderships
from kronkeep_daemon.repositories.maintenance import RepositoryMaintenance
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.restic import check
from kronkeep_daemon.storages.service import StorageService
from kronkeep_daemon.storages.upkeep import can_be_read
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
PARTS = 30
INTERVAL = timedelta(days=1)
DEADLINE_SECONDS = 86400.0
ROUND_SECONDS = 60.0


class DataChecks:
    """Data checks of the storages in the clusters on which this daemon acts."""

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
        self._tried_at: dict[str, datetime] = {}

    def start(self) -> None:
        """Start to read in the background."""
        self._supervisor.start("data checks", self._run_forever, death="restart")

    async def _run_forever(self) -> None:
        while True:
            await self._leads.wait_until_leading()
            for storage in self._storages.list():
                if self._leads.leads(storage.cluster):
                    self.start_if_due(storage)
            await self._clock.sleep(ROUND_SECONDS)

    def start_if_due(self, storage: BackupStorage) -> None:
        """Start to read the next part of the storage's data where that is due."""
        now = self._clock.now()
        name = f"data check of {storage.id}"
        part = due_part(storage, self._tried_at.get(storage.id), now)
        if part is not None and not self._supervisor.running(name):
            self._tried_at[storage.id] = now
            self._supervisor.start(name, partial(self._try_to_read, storage, part), death="quiet")

    async def _try_to_read(self, storage: BackupStorage, part: int) -> None:
        try:
            await self.read_part(storage, part)
        except KronkeepError as fault:
            log.warning("the data of storage %s was not read: %s", storage.id, fault)

    async def read_part(self, storage: BackupStorage, part: int) -> BackupStorage:
        """Read one part, counted from 1, of every repository of the storage; return the changed record.

        The record stays as it is where the data could not be read for another reason than damage.
        """
        fault, had_locks = await self._read_repositories(storage, part)
        reason = fault.details.get("reason") if fault else None
        old = self._storages.get(storage.id)
        if fault is not None and reason != Reason.REPOSITORY_DAMAGED:
            log.warning("the data of storage %s was not read: %s", storage.id, fault.message)
            return old
        result = DataCheck(part=part, parts=PARTS, checked_at=self._clock.now(), ok=fault is None)
        told = msgspec.structs.replace(
            old,
            reason=reason,
            message=fault.message if fault else None,
            next_step=fault.next_step if fault else None,
        )
        new = msgspec.structs.replace(
            told if had_locks or fault else old,
            data_check=result,
            check_ok=result.ok,
            checked_at=result.checked_at,
            checked_without_lock=not had_locks,
        )
        return await self._storages.save(old, new)

    async def _read_repositories(
        self, storage: BackupStorage, part: int
    ) -> tuple[StorageFailed | None, bool]:
        """Return the first fault of the storage's repositories, and whether all could be locked."""
        first_fault: StorageFailed | None = None
        had_locks = True
        for repository in self._index.repositories_of(storage):
            try:
                had_locks &= await self._read_repository(repository, check.DataSubset(part, PARTS))
            except StorageFailed as fault:
                first_fault = first_fault or fault
        return first_fault, had_locks

    async def _read_repository(self, repository: Repository, subset: check.DataSubset) -> bool:
        """Read a part, without a lock where none can be written; return whether there was one."""
        run = partial(self._maintenance.run_exclusively, "data", repository=repository)
        try:
            await run(steps=check.steps(subset), seconds=DEADLINE_SECONDS)
        except StorageFailed as fault:
            if not can_be_read(fault):
                raise
            await run(steps=check.steps(subset, lock=False), seconds=DEADLINE_SECONDS)
            return False
        return True


def due_part(storage: BackupStorage, tried_at: datetime | None, now: datetime) -> int | None:
    """Return the part to read now, from 1 to 30; None less than a day after the last part or the last try.

    A damaged part is read again until it is whole.
    """
    if storage.status is not StorageStatus.ACTIVE:
        return None
    last = storage.data_check
    since = last.checked_at if last else storage.created_at
    if tried_at is not None:
        since = max(since, tried_at)
    if now - since < INTERVAL:
        return None
    if last is None:
        return 1
    return last.part % PARTS + 1 if last.ok else last.part
