"""What the terminal knows: an immutable picture of the daemon, and how changes make the next one; pure.

Changes are applied in batches, one copy of a table for each batch, so that 100,000 runs and 200 changes a
second cost four copies a second and not two hundred.
"""

from bisect import insort
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import msgspec

from kronkeep_common.api import ChangeEvent, ClusterView, Snapshot, WatchView
from kronkeep_common.models import Alert, BackupExecution, BackupStorage, CronJob, CronJobExecution, Restore

R = TypeVar("R", bound=CronJobExecution | BackupExecution | BackupStorage | Restore | Alert)
KINDS: dict[str, Any] = {
    "executions": CronJobExecution,
    "backups": BackupExecution,
    "storages": BackupStorage,
    "restores": Restore,
    "alerts": Alert,
}


class Table(msgspec.Struct, Generic[R], frozen=True, gc=False):
    """Records by id, and their ids, newest first."""

    records: Mapping[str, R] = {}
    order: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.order)

    def get(self, record_id: str | None) -> R | None:
        """A record, where it is here."""
        return self.records.get(record_id) if record_id else None

    def newest(self) -> list[R]:
        """Every record, newest first."""
        return [self.records[record_id] for record_id in self.order]

    def with_changes(self, changes: Mapping[str, R | None]) -> "Table[R]":
        """The table after changes; None removes."""
        records = dict(self.records)
        fresh = []
        gone = set()
        for record_id, record in changes.items():
            if record is None:
                gone |= {record_id} if records.pop(record_id, None) is not None else set()
            else:
                if record_id not in records:
                    fresh.append(record_id)
                records[record_id] = record
        if not fresh and not gone:
            return Table(records, self.order)
        return Table(records, _ordered(records, self.order, fresh, gone))


def _ordered(records: Mapping[str, Any], old: Sequence[str], fresh: list[str], gone: set[str]) -> list[str]:
    order = [record_id for record_id in old if record_id not in gone] if gone else list(old)
    if len(fresh) > 100:
        order += fresh
        order.sort(key=lambda record_id: records[record_id].created_at, reverse=True)
        return order
    for record_id in fresh:
        insort(order, record_id, key=lambda other: -records[other].created_at.timestamp())
    return order


def table_of(records: Iterable[R]) -> Table[R]:
    """A table of records in any order."""
    found = {record.id: record for record in records}
    return Table(found, sorted(found, key=lambda record_id: found[record_id].created_at, reverse=True))


EVER = datetime.min.replace(tzinfo=UTC)
NEVER = datetime.max.replace(tzinfo=UTC)


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """Everything known; `seq` is the last change, `at` when the daemon last spoke.

    Every run that was created at `since` or later is here; of older ones perhaps only some.
    `last_backup` leads from a run's id, and `latest_backup` from a CronJob's, to the newest backup's id.
    """

    seq: int = 0
    at: datetime | None = None
    since: datetime = NEVER
    version: str = ""
    cronjobs: tuple[CronJob, ...] = ()
    executions: Table[CronJobExecution] = Table()
    backups: Table[BackupExecution] = Table()
    storages: Table[BackupStorage] = Table()
    restores: Table[Restore] = Table()
    alerts: Table[Alert] = Table()
    watches: tuple[WatchView, ...] = ()
    clusters: tuple[ClusterView, ...] = ()
    last_backup: Mapping[str, str] = {}
    latest_backup: Mapping[str, str] = {}

    @property
    def stale(self) -> list[WatchView]:
        """The watches that do not tell the present."""
        return [watch for watch in self.watches if watch.status != "live"]

    def on(self, cluster_id: str) -> str:
        """` on NAME` of a record's cluster, where there are several; else nothing."""
        if len(self.clusters) < 2:
            return ""
        return f" on {next((c.name for c in self.clusters if c.id == cluster_id), cluster_id)}"

    def cronjob(self, cronjob_id: str) -> CronJob | None:
        """A CronJob by its uid."""
        return next((c for c in self.cronjobs if c.id == cronjob_id), None)


def from_snapshot(snapshot: Snapshot) -> Store:
    """The picture that a snapshot gives."""
    return _linked(
        Store(
            seq=snapshot.seq,
            at=snapshot.now,
            since=min((run.created_at for run in snapshot.executions), default=EVER),
            version=snapshot.version,
            cronjobs=tuple(snapshot.cronjobs),
            executions=table_of(snapshot.executions),
            backups=table_of(snapshot.backups),
            storages=table_of(snapshot.storages),
            restores=table_of(snapshot.restores),
            alerts=table_of(snapshot.alerts),
            watches=tuple(snapshot.watches),
            clusters=tuple(snapshot.clusters),
        )
    )


def _linked(store: Store) -> Store:
    by_run: dict[str, str] = {}
    by_cronjob: dict[str, str] = {}
    for backup in store.backups.newest():
        by_cronjob.setdefault(backup.cronjob_id, backup.id)
        if backup.cronjob_execution_id:
            by_run.setdefault(backup.cronjob_execution_id, backup.id)
    return msgspec.structs.replace(store, last_backup=by_run, latest_backup=by_cronjob)


def apply(store: Store, events: Sequence[ChangeEvent], now: datetime) -> Store:
    """The picture after some events; one of a kind that is not shown only moves `seq`."""
    changes: dict[str, dict[str, Any]] = {}
    seq = store.seq
    for event in events:
        kind = KINDS.get(event.table)
        if kind is not None and event.seq > store.seq:
            record = None if event.record is None else msgspec.convert(event.record, kind)
            changes.setdefault(event.table, {})[event.id] = record
        seq = max(seq, event.seq)
    return _changed(msgspec.structs.replace(store, seq=seq, at=now), changes)


def with_records(store: Store, table: str, records: Sequence[Any]) -> Store:
    """The picture with records that were read; what is known of them already is not older."""
    known = getattr(store, table).records
    return _changed(store, {table: {r.id: r for r in records if r.id not in known}})


def with_page(store: Store, runs: Sequence[CronJobExecution], *, last: bool) -> Store:
    """The picture with a page of all runs, which follows those that are here; the `last` has the oldest."""
    since = EVER if last else min((run.created_at for run in runs), default=store.since)
    return msgspec.structs.replace(with_records(store, "executions", runs), since=min(since, store.since))


def joined(fresh: Store, old: Store) -> Store:
    """A new picture with what ended before it begins; `since` stays where there is no gap between the two."""
    for table in ("executions", "backups"):
        known = getattr(fresh, table).records
        older = [r for r in getattr(old, table).newest() if r.id not in known and r.ended_at]
        fresh = with_records(fresh, table, older)
    newest = max((run.created_at for run in old.executions.records.values()), default=EVER)
    return msgspec.structs.replace(fresh, since=old.since) if old.since <= fresh.since <= newest else fresh


def _changed(store: Store, changes: Mapping[str, Mapping[str, Any]]) -> Store:
    changes = {table: found for table, found in changes.items() if found}
    tables = {table: getattr(store, table).with_changes(found) for table, found in changes.items()}
    store = msgspec.structs.replace(store, **tables)
    return _linked(store) if "backups" in changes else store


def runs_of(store: Store, cronjob_id: str) -> list[CronJobExecution]:
    """The runs of a CronJob that are known, newest first."""
    records = store.executions.records
    return [records[i] for i in store.executions.order if records[i].cronjob_id == cronjob_id]


def backups_of(store: Store, cronjob_id: str) -> list[BackupExecution]:
    """The backups of a CronJob that are known, newest first."""
    records = store.backups.records
    return [records[i] for i in store.backups.order if records[i].cronjob_id == cronjob_id]


def backup_of(store: Store, run: CronJobExecution) -> BackupExecution | None:
    """The newest backup that belongs to a run."""
    return store.backups.get(store.last_backup.get(run.id) or run.backup_id)
