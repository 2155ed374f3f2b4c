"""Records of restores: durable before anything acts on them, changed along the table of states only."""

from datetime import datetime
from typing import Any

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import RestoreNotFound
from kronkeep_common.models import BackupExecution, Cause, Restore
from kronkeep_common.states import RESTORE_TRANSITIONS, RestoreStatus, is_final, may_follow
from kronkeep_common.text import clean
from kronkeep_daemon.events import Bus, RestoreChanged
from kronkeep_daemon.history import History

ACTIVE_STATES = tuple(status for status in RestoreStatus if not is_final(RESTORE_TRANSITIONS, status))
MOST_ACTIVE = 1000  # of each state
MOST_ENDED = 200  # in which those that have a CronJob suspended are looked for
NO_REASON: dict[str, None] = dict.fromkeys(("reason", "message", "next_step"))


def new_restore(backup: BackupExecution, restore_id: str, now: datetime, **fields: Any) -> Restore:
    """Return a new restore of a backup, which may be a drill or a verification by its `purpose`."""
    return Restore(
        id=restore_id,
        cluster=backup.cluster,
        namespace=backup.namespace,
        cronjob=backup.cronjob,
        cronjob_id=backup.cronjob_id,
        policy_id=backup.policy_id,
        backup_id=backup.id,
        snapshot_id=backup.result.snapshot_id if backup.result else "",
        snapshot_at=backup.created_at,
        storage_id=backup.storage_id,
        status=RestoreStatus.PENDING,
        created_at=now,
        **fields,
    )


class RestoreRecords:
    """The records of restores, drills and verifications in the history."""

    def __init__(self, history: History, bus: Bus, clock: Clock) -> None:
        self._history = history
        self._bus = bus
        self._clock = clock

    def get(self, restore_id: str) -> Restore:
        """Return one restore; raise RestoreNotFound."""
        restore = self._history.restores.get(restore_id)
        if restore is None:
            raise RestoreNotFound(f"There is no restore {clean(restore_id, 80)}.")
        return restore

    def has(self, restore_id: str) -> bool:
        """Return whether a restore is recorded."""
        return self._history.restores.get(restore_id) is not None

    def active_restores(self) -> list[Restore]:
        """Return the restores that have not ended, or still have a CronJob suspended."""
        active = [
            restore
            for status in ACTIVE_STATES
            for restore in self._history.restores.newest(limit=MOST_ACTIVE, status=status).items
        ]
        recent = self._history.restores.newest(limit=MOST_ENDED).items
        return active + [restore for restore in recent if restore.suspended and restore.ended_at is not None]

    async def add(self, restore: Restore) -> Restore:
        """Record a new restore; return the one of that id where it is recorded already."""
        recorded = self._history.restores.get(restore.id)
        if recorded is not None:
            return recorded
        await self._put(None, restore)
        return restore

    async def change(self, restore_id: str, **fields: Any) -> Restore:
        """Change fields durably and return the restore; raise ValueError for a state that may not follow."""
        old = self.get(restore_id)
        new = _with_changes(old, fields)
        await self._put(old, new)
        return new

    def note(self, restore_id: str, **fields: Any) -> None:
        """Change fields as `change` does, but only with the next commit: a crash may lose them."""
        self._history.restores.put(_with_changes(self.get(restore_id), fields))

    async def note_waiting(self, restore_id: str, cause: Cause | None) -> None:
        """Record what the restore's Job waits for; None once it waits no more."""
        await self.change(
            restore_id,
            reason=cause.reason if cause is not None else None,
            message=cause.message if cause is not None else None,
            next_step=cause.next_step if cause is not None else None,
        )

    async def note_beginning(self, restore_id: str) -> None:
        """Record when the Job of an attempt is begun, unless an earlier process of the daemon began it.

        What that one saw the Job wait for is forgotten: it is found out again.
        """
        restoring_at = self.get(restore_id).restoring_at or self._clock.now()
        await self.change(restore_id, restoring_at=restoring_at, **NO_REASON)

    async def warn(self, restore_id: str, sentence: str) -> None:
        """Record a warning, once."""
        warnings = self.get(restore_id).warnings
        if sentence not in warnings:
            await self.change(restore_id, warnings=(*warnings, sentence))

    async def end(self, restore_id: str, status: RestoreStatus, **fields: Any) -> Restore:
        """Record the final state with its times; a restore that has ended stays as it is.

        A reason that `fields` do not have is that of a wait before the end, and is forgotten.
        """
        old = self.get(restore_id)
        if is_final(RESTORE_TRANSITIONS, old.status):
            return old
        now = self._clock.now()
        start = old.started_at or old.created_at
        return await self.change(
            restore_id,
            status=status,
            ended_at=now,
            duration_seconds=round((now - start).total_seconds(), 3),
            progress=None,
            **(NO_REASON | fields),
        )

    async def _put(self, old: Restore | None, new: Restore) -> None:
        self._history.restores.put(new)
        await self._history.commit()
        self._bus.publish(RestoreChanged(old, new))


def _with_changes(old: Restore, fields: dict[str, Any]) -> Restore:
    status = fields.get("status", old.status)
    if not may_follow(RESTORE_TRANSITIONS, old.status, status):
        raise ValueError(f"a restore that is {old.status} cannot become {status}")
    return msgspec.structs.replace(old, **fields)


def cluster_id_of(restore: Restore) -> str:
    """Return the id of the cluster in which the restore's Jobs run: its target's."""
    target = restore.target
    return target.cluster if target is not None and target.cluster else restore.cluster


def namespace_of(restore: Restore) -> str:
    """Return the namespace of the restore's Jobs: its target's, or that of the drilled CronJob."""
    target = restore.target
    return target.namespace if target is not None and target.namespace else restore.namespace


def uses_stage(restore: Restore) -> bool:
    """Whether files are restored to a stage first, and replace others once they are compared."""
    return restore.purpose == "restore" and restore.overwrite


def job_name(restore: Restore, attempt: int) -> str:
    """Return the name of an attempt's Job: creating it twice is an AlreadyExists."""
    return f"kronkeep-restore-{restore.id}-{attempt}"


def may_have_stage(restore: Restore) -> bool:
    """Whether the stage of a restore may be in its target."""
    return restore.job is not None and uses_stage(restore)
