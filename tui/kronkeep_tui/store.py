"""What the terminal knows: an immutable picture of the daemon, and how an event changes it; pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from kronkeep_common.api import Event, Snapshot
from kronkeep_common.models import BackupExecution, BackupStorage, CronJob, CronJobExecution

KEPT = 2000
_KINDS: dict[str, Any] = {
    "executions": CronJobExecution,
    "backups": BackupExecution,
    "storages": BackupStorage,
}


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """Records by id; `seq` is the last change, `at` when the daemon last spoke."""

    seq: int = 0
    at: datetime | None = None
    cronjobs: tuple[CronJob, ...] = ()
    executions: Mapping[str, CronJobExecution] = {}
    backups: Mapping[str, BackupExecution] = {}
    storages: Mapping[str, BackupStorage] = {}
    stale: tuple[str, ...] = ()


def from_snapshot(snapshot: Snapshot) -> Store:
    """The picture that a snapshot gives."""
    return Store(
        seq=snapshot.seq,
        at=snapshot.now,
        cronjobs=tuple(snapshot.cronjobs),
        executions={record.id: record for record in snapshot.executions},
        backups={record.id: record for record in snapshot.backups},
        storages={record.id: record for record in snapshot.storages},
        stale=tuple(watch.why or watch.status for watch in snapshot.watches if watch.status != "live"),
    )


def apply(store: Store, event: Event, now: datetime) -> Store:
    """The picture after one event; an event of a kind that is not shown only moves `seq`."""
    kind = _KINDS.get(event.table)
    if kind is None or event.seq <= store.seq:
        return msgspec.structs.replace(store, seq=max(store.seq, event.seq), at=now)
    records = dict(getattr(store, event.table))
    if event.record is None:
        records.pop(event.id, None)
    else:
        records[event.id] = msgspec.convert(event.record, kind)
        while len(records) > KEPT:
            del records[next(iter(records))]
    return msgspec.structs.replace(store, seq=event.seq, at=now, **{event.table: records})


def runs_of(store: Store, cronjob_id: str) -> list[CronJobExecution]:
    """The runs of a CronJob, newest first."""
    found = [run for run in store.executions.values() if run.cronjob_id == cronjob_id]
    return sorted(found, key=lambda run: run.created_at, reverse=True)


def backup_of(store: Store, run: CronJobExecution) -> BackupExecution | None:
    """The newest backup that belongs to a run."""
    found = [b for b in store.backups.values() if b.cronjob_execution_id == run.id]
    return max(found, key=lambda b: b.created_at, default=None)
