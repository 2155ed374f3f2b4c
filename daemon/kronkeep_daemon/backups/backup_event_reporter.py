"""Backups as Kubernetes Events on their CronJob: BackupSucceeded, BackupFailed, BackupOverdue, Verified.

Events are written by one task, five a second at most; of what waits for one Event the newest is written. A
cluster that forbids them is left alone for ten minutes; the doctor says that the right is missing.
"""

import asyncio
import logging
from typing import NamedTuple

import msgspec

from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import Alert, BackupExecution, Restore
from kronkeep_common.states import BACKUP_TRANSITIONS, AlertStatus, BackupStatus, RestoreStatus, is_final
from kronkeep_common.text import duration, short_id, size
from kronkeep_daemon.backups.cronjob_events import CronJobEvent, write_event
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.events import BackupChanged, Bus, RestoreChanged
from kronkeep_daemon.history import Change, History
from kronkeep_daemon.kube.errors import Forbidden
from kronkeep_daemon.kube.objects import CronJobRef
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
PAUSE_SECONDS = 0.2  # between two Events
FORBIDDEN_SECONDS = 600.0
MOST_WAITING = 10_000
OVERDUE = AlertCode.BACKUP_OVERDUE.encode()


class ReportKey(NamedTuple):
    """The Event of one CronJob and reason."""

    uid: str
    reason: str


class BackupEventReporter:
    """Reporter of backups, verifications and overdue backups, on the clusters where this daemon acts."""

    def __init__(
        self, *, cronjobs: CronJobService, history: History, bus: Bus, clock: Clock, supervisor: Supervisor
    ) -> None:
        self._cronjobs = cronjobs
        self._clock = clock
        self._supervisor = supervisor
        self._waiting: dict[ReportKey, CronJobEvent] = {}
        self._wake = asyncio.Event()
        self._forbidden_until: dict[str, float] = {}  # by cluster, in monotonic time
        bus.subscribe(BackupChanged, self._on_backup)
        bus.subscribe(RestoreChanged, self._on_restore)
        history.subscribe(self._on_change)

    def start(self) -> None:
        """Start to write Events."""
        self._supervisor.start("backup events", self._write_waiting, death="restart")

    def _on_backup(self, event: BackupChanged) -> None:
        new = event.new
        if not is_final(BACKUP_TRANSITIONS, new.status) or new.status is BackupStatus.CANCELLED:
            return
        is_new = event.old is None or event.old.status != new.status
        if is_new and new.recovered_at is None:
            is_good = new.status is BackupStatus.SUCCEEDED
            reason = "BackupSucceeded" if is_good else "BackupFailed"
            self._add(new, reason, _describe_backup(new), is_good=is_good)

    def _on_restore(self, event: RestoreChanged) -> None:
        new = event.new
        is_new = event.old is None or event.old.status != new.status
        if is_new and new.purpose != "restore" and new.status is RestoreStatus.COMPLETED:
            files = f"{new.files_verified} files" if new.files_verified is not None else "All files"
            backup = f"backup {short_id(new.backup_id)}" if new.backup_id else "a snapshot"
            self._add(new, "Verified", f"{files} of {backup} were restored and are identical.", is_good=True)

    def _on_change(self, change: Change) -> None:
        """Take an alert about an overdue backup that is new or was changed; the same one is counted once."""
        if change.table != "alerts" or change.body is None or OVERDUE not in change.body:
            return
        alert = msgspec.json.decode(change.body, type=Alert)
        if alert.code != AlertCode.BACKUP_OVERDUE or alert.status is not AlertStatus.OPEN:
            return
        if alert.cronjob is not None and alert.cronjob_id is not None:
            self._put(
                CronJobEvent(
                    ref=CronJobRef(alert.cluster, alert.namespace, alert.cronjob),
                    uid=alert.cronjob_id,
                    kind="backup",
                    reason=AlertCode.BACKUP_OVERDUE,
                    message=alert.message,
                    type="Warning",
                    report=alert.id,
                    at=self._clock.now(),
                )
            )

    def _add(self, record: BackupExecution | Restore, reason: str, message: str, *, is_good: bool) -> None:
        self._put(
            CronJobEvent(
                ref=CronJobRef.of(record),
                uid=record.cronjob_id,
                kind="backup",
                reason=reason,
                message=message,
                type="Normal" if is_good else "Warning",
                report=record.id,
                at=self._clock.now(),
            )
        )

    def _put(self, event: CronJobEvent) -> None:
        if len(self._waiting) < MOST_WAITING and self._cronjobs.leads.leads(event.ref.cluster):
            self._waiting[ReportKey(event.uid, event.reason)] = event
            self._wake.set()

    async def _write_waiting(self) -> None:
        while True:
            self._wake.clear()
            while self._waiting:
                event = self._waiting.pop(next(iter(self._waiting)))
                if self._may_write(event.ref.cluster):
                    await self._write(event)
                    await self._clock.sleep(PAUSE_SECONDS)
            await self._wake.wait()

    def _may_write(self, cluster_id: str) -> bool:
        return self._forbidden_until.get(cluster_id, 0.0) <= self._clock.monotonic()

    async def _write(self, event: CronJobEvent) -> None:
        try:
            await write_event(self._cronjobs.clusters.of(event.ref.cluster), event)
        except Forbidden as refusal:
            log.info("Events may not be written: %s", refusal)
            self._forbidden_until[event.ref.cluster] = self._clock.monotonic() + FORBIDDEN_SECONDS
        except KronkeepError as refusal:
            log.warning("the Event %s of %s could not be written: %s", event.reason, event.ref, refusal)


def _describe_backup(backup: BackupExecution) -> str:
    name = f"Backup {short_id(backup.id)}"
    if backup.status is not BackupStatus.SUCCEEDED:
        return f"{name} is {backup.status}. {backup.message or backup.reason or ''}".strip()
    if backup.result is None:
        return f"{name} succeeded."
    read = size(backup.result.bytes_read)
    new = size(backup.result.bytes_added)
    took = f" in {duration(backup.duration_seconds)}" if backup.duration_seconds is not None else ""
    return f"{name} succeeded{took}: {read} read, {new} new, on storage {backup.storage_id}."
