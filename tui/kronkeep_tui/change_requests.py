"""What the terminal asks the daemon to change, for one record or for many."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import (
    Alert,
    BackupExecution,
    BackupStorage,
    CronJob,
    CronJobExecution,
    SilenceRequest,
)
from kronkeep_common.models.maintenance import MaintenanceRequest
from kronkeep_common.text import short_id
from kronkeep_tui.context import Context

if TYPE_CHECKING:
    from kronkeep_common.client.cronjobs import CronJobCalls

AT_ONCE = 4


class ChangeRequest(NamedTuple):
    """One request, and the name of what it changes."""

    name: str
    send: Callable[[], Awaitable[object]]


class ChangeRequests:
    """Changes that are sent in the background; the message line shows how they ended."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = context.client

    def _cronjobs(self, cluster: str) -> "CronJobCalls":
        return self._client.for_cluster(cluster).cronjobs

    def trigger(self, cronjobs: Sequence[CronJob]) -> None:
        requests = [
            ChangeRequest(_name(c), partial(self._cronjobs(c.cluster).trigger, c.namespace, c.name))
            for c in cronjobs
        ]
        self._start(requests, "trigger", "Started")

    def toggle_suspension(self, cronjobs: Sequence[CronJob]) -> None:
        """Suspend CronJobs, or resume them where the first is suspended."""
        resume = cronjobs[0].suspended
        requests = []
        for cronjob in cronjobs:
            calls = self._cronjobs(cronjob.cluster)
            send = calls.resume if resume else calls.suspend
            requests.append(ChangeRequest(_name(cronjob), partial(send, cronjob.namespace, cronjob.name)))
        self._start(requests, "suspend", "Resumed" if resume else "Suspended")

    def back_up(self, cronjobs: Sequence[CronJob]) -> None:
        """Back CronJobs up now."""
        requests = [
            ChangeRequest(_name(c), partial(self._cronjobs(c.cluster).back_up, c.namespace, c.name))
            for c in cronjobs
        ]
        self._start(requests, "back up", "Backing up")

    def delete(self, cronjob: CronJob) -> None:
        """Delete a CronJob whose name was typed."""
        name = cronjob.name
        send = partial(self._cronjobs(cronjob.cluster).delete, cronjob.namespace, name, confirm=name)
        self._start([ChangeRequest(_name(cronjob), send)], "delete", "Deleted")

    def cancel(self, runs: Sequence[CronJobExecution]) -> None:
        """Stop runs that are active."""
        requests = [
            ChangeRequest(run.job or run.id, partial(self._client.runs.cancel, run.id)) for run in runs
        ]
        self._start(requests, "stop", "Stopping")

    def acknowledge(self, alerts: Sequence[Alert]) -> None:
        """Record that somebody knows of alerts."""
        requests = [
            ChangeRequest(alert.object, partial(self._client.alerts.acknowledge, alert.id))
            for alert in alerts
        ]
        self._start(requests, "acknowledge", "Acknowledged")

    async def create_silence(self, request: SilenceRequest) -> None:
        """Send no alerts that match a filter for a while."""
        silence = await self._client.silences.create(
            request.filter, for_seconds=request.for_seconds, because=request.because
        )
        self._context.tell(f"Holds back {silence.alerts} open alerts and new ones; M shows it.", "ok")

    async def start_maintenance(self, request: MaintenanceRequest) -> None:
        """Suspend the CronJobs that match a filter."""
        await self._client.maintenance.start(
            request.filter, because=request.because, for_seconds=request.for_seconds
        )
        self._context.tell("The CronJobs are being suspended; M shows them, and ends it.", "ok")

    async def end_hold(self, kind: str, hold_id: str) -> None:
        """End a silence or a maintenance."""
        calls = self._client.maintenance if kind == "maintenance" else self._client.silences
        await calls.end(hold_id)
        self._context.tell(f"Ended the {kind}.", "ok")

    def check_storage(self, storage: BackupStorage) -> None:
        """Run `restic check` on a storage."""
        self._work_on_storage(storage, self._client.storages.check, "check", "Checked")

    def measure_storage(self, storage: BackupStorage) -> None:
        """Measure how full a storage is."""
        self._work_on_storage(storage, self._client.storages.measure, "measure", "Measured")

    def test_storage(self, storage: BackupStorage) -> None:
        """Open a storage's repository from the cluster."""
        self._work_on_storage(storage, self._client.storages.test, "test", "Opened the repository of")

    def prune_storage(self, storage: BackupStorage) -> None:
        """Delete the data that no snapshot of a storage needs."""
        self._work_on_storage(storage, self._client.storages.prune, "prune", "Freed space in")

    def rescan_storage(self, storage: BackupStorage) -> None:
        """Record the backups of a storage again that no record knows."""
        self._work_on_storage(storage, self._client.storages.rescan, "rescan", "Compared the snapshots of")

    def acknowledge_missing(self, storage: BackupStorage) -> None:
        """Say that the missing snapshots of a storage are gone for good."""
        send = partial(self._client.storages.acknowledge_missing, storage.id)
        self._start([ChangeRequest(storage.id, send)], "acknowledge", "Acknowledged what is missing in")

    def retry_storage(self, storage: BackupStorage) -> None:
        """Try again to create a storage that failed."""
        self._work_on_storage(storage, self._client.storages.retry, "retry", "Trying again")

    def _work_on_storage(
        self, storage: BackupStorage, send: Callable[[str], Awaitable[object]], task: str, done: str
    ) -> None:
        self._context.tell(f"{task} of {storage.id} is running; it may take a while.", "quiet")
        self._start([ChangeRequest(storage.id, partial(send, storage.id))], f"{task} {storage.id}", done)

    def delete_storage(self, storage: BackupStorage) -> None:
        """Forget a storage whose name was typed."""
        send = partial(self._client.storages.delete, storage.id, confirm=storage.id)
        self._start([ChangeRequest(storage.id, send)], "delete", "Forgot")

    def verify(self, backup: BackupExecution) -> None:
        """Restore a backup to scratch space and compare it."""
        name = f"backup {short_id(backup.id)} of {backup.namespace}/{backup.cronjob}"
        self._context.tell(f"Verifying {name}; it may take a while.", "quiet")
        send = partial(self._client.backups.verify, backup.id)
        self._start([ChangeRequest(name, send)], f"verify {short_id(backup.id)}", "Verified")

    def drill(self, backup: BackupExecution) -> None:
        """Start a drill of the backup's CronJob."""
        send = partial(self._cronjobs(backup.cluster).drill, backup.namespace, backup.cronjob)
        name = f"{backup.namespace}/{backup.cronjob}"
        self._start([ChangeRequest(name, send)], f"drill {backup.cronjob_id}", "Drilling")

    def _start(self, requests: Sequence[ChangeRequest], task: str, done: str) -> None:
        """Send requests as a task of this name; `done` begins the message when all have succeeded."""
        self._context.start_work(self._send_all(requests, done), task)

    async def _send_all(self, requests: Sequence[ChangeRequest], done: str) -> None:
        limit = asyncio.Semaphore(AT_ONCE)
        answers = await asyncio.gather(*(_send(request, limit) for request in requests))
        errors = [error for error in answers if error is not None]
        if errors:
            self._tell_error(errors[0], succeeded=len(requests) - len(errors), count=len(requests))
        else:
            what = requests[0].name if len(requests) == 1 else f"{len(requests)} of them"
            self._context.tell(f"{done} {what}.", "ok")

    def _tell_error(self, error: KronkeepError, *, succeeded: int, count: int) -> None:
        lead = f"{succeeded} of {count} done. " if count > 1 else ""
        self._context.tell(f"{lead}{error.message} {error.next_step} [{error.code}]", "bad")


async def _send(request: ChangeRequest, limit: asyncio.Semaphore) -> KronkeepError | None:
    """Send a request and return what it was refused with."""
    async with limit:
        try:
            await request.send()
        except KronkeepError as error:
            return error
    return None


def _name(cronjob: CronJob) -> str:
    return f"{cronjob.namespace}/{cronjob.name}"
