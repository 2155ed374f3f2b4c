"""The records of restores: durable before anything acts on them, every change along the table of states."""

from datetime import datetime
from typing import Any

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import RestoreNotFound
from kronkeep_common.models import BackupExecution, Restore
from kronkeep_common.states import RESTORE_TRANSITIONS, RestoreStatus, is_final, may_follow
from kronkeep_common.text import clean
from kronkeep_daemon.events import Bus, RestoreChanged
from kronkeep_daemon.history import History

UNDER_WAY = tuple(status for status in RestoreStatus if not is_final(RESTORE_TRANSITIONS, status))


def of_backup(backup: BackupExecution, restore_id: str, now: datetime, **fields: Any) -> Restore:
    """A new restore of a backup, which may be a drill or a verification."""
    return Restore(
        id=restore_id,
        cluster=backup.cluster,
        namespace=backup.namespace,
        cronjob=backup.cronjob,
        cronjob_id=backup.cronjob_id,
        policy_id=backup.policy_id,
        backup_id=backup.id,
        snapshot_id=backup.result.snapshot_id if backup.result else "",
        storage_id=backup.storage_id,
        status=RestoreStatus.PENDING,
        created_at=now,
        **fields,
    )


class RestoreRecords:
    """Restores, drills and verifications in the history."""

    def __init__(self, history: History, bus: Bus, clock: Clock) -> None:
        self._history = history
        self._bus = bus
        self._clock = clock

    def get(self, restore_id: str) -> Restore:
        """One restore; raises RestoreNotFound."""
        found = self._history.restores.get(restore_id)
        if found is None:
            raise RestoreNotFound(f"There is no restore {clean(restore_id, 80)}.")
        return found

    def under_way(self) -> list[Restore]:
        """Those that have not ended, or hold a CronJob suspended still."""
        going = [
            restore
            for status in UNDER_WAY
            for restore in self._history.restores.newest(limit=1000, status=status).items
        ]
        ended = self._history.restores.newest(limit=200).items
        return going + [restore for restore in ended if restore.suspended and restore.ended_at is not None]

    async def add(self, restore: Restore) -> Restore:
        """Keeps a new restore; one of that id that is there already is answered instead."""
        known = self._history.restores.get(restore.id)
        if known is not None:
            return known
        await self._put(None, restore)
        return restore

    async def change(self, restore_id: str, **fields: Any) -> Restore:
        """Changes fields durably; a state that may not follow is a ValueError."""
        old = self.get(restore_id)
        new = _changed(old, fields)
        await self._put(old, new)
        return new

    def note(self, restore_id: str, **fields: Any) -> None:
        """Changes fields without waiting for the disk; the next commit takes them along."""
        old = self.get(restore_id)
        new = _changed(old, fields)
        self._history.restores.put(new)

    async def end(self, restore_id: str, status: RestoreStatus, **fields: Any) -> Restore:
        """The final state with its times; one that has ended stays as it ended."""
        old = self.get(restore_id)
        if is_final(RESTORE_TRANSITIONS, old.status):
            return old
        now = self._clock.now()
        began = old.started_at or old.created_at
        return await self.change(
            restore_id,
            status=status,
            ended_at=now,
            duration_seconds=round((now - began).total_seconds(), 3),
            progress=None,
            **fields,
        )

    async def _put(self, old: Restore | None, new: Restore) -> None:
        self._history.restores.put(new)
        await self._history.commit()
        self._bus.publish(RestoreChanged(old, new))


def _changed(old: Restore, fields: dict[str, Any]) -> Restore:
    status = fields.get("status", old.status)
    if not may_follow(RESTORE_TRANSITIONS, old.status, status):
        raise ValueError(f"a restore that is {old.status} cannot become {status}")
    return msgspec.structs.replace(old, **fields)
