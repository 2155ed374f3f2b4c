"""Tests of storages at once, where other work met a fault of theirs or proves that it is over."""

import logging
from datetime import datetime, timedelta
from functools import partial

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import BackupStorage
from kronkeep_common.reasons import Reason
from kronkeep_common.states import CopyStatus, RestoreStatus
from kronkeep_daemon.events import BackupChanged, Bus, CopyChanged, RestoreChanged
from kronkeep_daemon.kube.lease import Leaderships
from kronkeep_daemon.storages.service import StorageService
from kronkeep_daemon.storages.upkeep import StorageUpkeep
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
PAUSE_IN_VAIN = timedelta(minutes=15)  # after a test that found the storage as its record says


class StorageFaultTests:
    """Tests of the storages whose state the end of other work makes doubtful.

    A test decides, as what one backup met may be of its own repository or node only.
    """

    def __init__(
        self,
        *,
        storages: StorageService,
        upkeep: StorageUpkeep,
        bus: Bus,
        clock: Clock,
        supervisor: Supervisor,
        leads: Leaderships,
    ) -> None:
        self._storages = storages
        self._upkeep = upkeep
        self._clock = clock
        self._supervisor = supervisor
        self._leads = leads
        self._wanted: set[str] = set()
        self._vain_at: dict[str, datetime] = {}
        bus.subscribe(BackupChanged, self._note_backup)
        bus.subscribe(CopyChanged, self._note_copy)
        bus.subscribe(RestoreChanged, self._note_restore)

    def _note_backup(self, change: BackupChanged) -> None:
        is_good = change.new.result is not None and (change.old is None or change.old.result is None)
        before = change.old.reason if change.old else None
        self._note(change.new.storage_id, before, change.new.reason, is_good=is_good)

    def _note_copy(self, change: CopyChanged) -> None:
        is_good = change.new.status is CopyStatus.SUCCEEDED and change.old != change.new
        before = change.old.reason if change.old else None
        for name in (change.new.storage_id, change.new.from_storage_id):
            self._note(name, before, change.new.reason, is_good=is_good)

    def _note_restore(self, change: RestoreChanged) -> None:
        is_good = change.new.status is RestoreStatus.COMPLETED and change.old != change.new
        before = change.old.reason if change.old else None
        self._note(change.new.storage_id, before, change.new.reason, is_good=is_good)

    def _note(self, name: str, before: str | None, reason: str | None, *, is_good: bool) -> None:
        """Start a test of the storage where the end of some work differs from what its record says."""
        storage = self._storages.find(name)
        is_new = reason is not None and reason != before
        if storage is None or not differs(storage, reason if is_new else None, is_good=is_good):
            return
        vain_at = self._vain_at.get(name)
        is_paused = vain_at is not None and self._clock.now() - vain_at < PAUSE_IN_VAIN
        if is_paused or not self._leads.leads(storage.cluster):
            return
        self._wanted.add(name)
        task = f"test of {name}"
        if not self._supervisor.running(task):
            self._supervisor.start(task, partial(self._test, name), death="quiet")

    async def _test(self, name: str) -> None:
        """Test the storage, and again where work that ended meanwhile asks for it."""
        while name in self._wanted:
            self._wanted.discard(name)
            before = self._storages.get(name).reason
            try:
                await self._upkeep.test(name)
            except KronkeepError as fault:
                log.warning("test of storage %s: %s", name, fault)
            storage = self._storages.find(name)
            if storage is None or storage.reason != before:
                self._vain_at.pop(name, None)
            else:
                self._vain_at[name] = self._clock.now()


def differs(storage: BackupStorage, reason: str | None, *, is_good: bool) -> bool:
    """Whether work that ended with a reason, or well, says otherwise than the storage's record."""
    if is_good:
        return storage.reason is not None
    met = Reason.parse(reason)
    return storage.reason is None and met is not None and met.testable
