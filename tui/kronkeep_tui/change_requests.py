"""What the terminal asks the daemon to change, for one or for many; the first error is said."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import (
    Alert,
    BackupExecution,
    BackupStorage,
    BackupStorageChange,
    BackupStorageCreate,
    CronJob,
    CronJobExecution,
)
from kronkeep_tui.context import Context

T = TypeVar("T")
AT_ONCE = 4
STORAGE_WORKS = {
    "check": "Checked",
    "measure": "Measured",
    "test": "Opened the repository of",
    "prune": "Gave back the space of",
    "retry": "Trying again",
}


class ChangeRequests:
    """Trigger, suspend, back up, delete, stop; each says in the message line what came of it."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def trigger(self, cronjobs: Sequence[CronJob]) -> None:
        """Runs CronJobs now."""
        client = self._context.client
        self._send_all(
            "trigger",
            cronjobs,
            lambda c: client.for_cluster(c.cluster).cronjobs.trigger(c.namespace, c.name),
            "Started",
            _name,
        )

    def toggle_suspension(self, cronjobs: Sequence[CronJob]) -> None:
        """Suspends CronJobs, or resumes them where the first is suspended."""
        client = self._context.client
        resume = cronjobs[0].suspended
        word = "Resumed" if resume else "Suspended"

        async def call(cronjob: CronJob) -> CronJob:
            cronjobs = client.for_cluster(cronjob.cluster).cronjobs
            change = cronjobs.resume if resume else cronjobs.suspend
            return await change(cronjob.namespace, cronjob.name)

        self._send_all("toggle", cronjobs, call, word, _name)

    def back_up(self, cronjobs: Sequence[CronJob]) -> None:
        """Backs CronJobs up now."""
        client = self._context.client
        call = lambda c: client.for_cluster(c.cluster).cronjobs.back_up(c.namespace, c.name)  # noqa: E731
        self._send_all("back up", cronjobs, call, "Backing up", _name)

    def delete(self, cronjob: CronJob) -> None:
        """Deletes a CronJob; its name was typed."""
        client = self._context.client
        self._send_all(
            "delete",
            [cronjob],
            lambda c: client.for_cluster(c.cluster).cronjobs.delete(c.namespace, c.name, c.name),
            "Deleted",
            _name,
        )

    def cancel(self, runs: Sequence[CronJobExecution]) -> None:
        """Stops runs."""
        client = self._context.client
        self._send_all("stop", runs, lambda r: client.runs.cancel(r.id), "Stopping", lambda r: r.job or r.id)

    def acknowledge(self, alerts: Sequence[Alert]) -> None:
        """Says that somebody knows of alerts."""
        client = self._context.client
        self._send_all(
            "acknowledge",
            alerts,
            lambda a: client.alerts.acknowledge(a.id),
            "Acknowledged",
            lambda a: a.object,
        )

    def create_storage(self, storage: BackupStorageCreate) -> None:
        """Creates a storage; its state tells when it can be used."""
        self._context.start_work(self._create_storage(storage), "create")

    async def _create_storage(self, storage: BackupStorageCreate) -> None:
        made = await self._context.client.storages.create(storage)
        if storage.password is None:
            copied = f"Keep a copy of the Secret {made.password.secret} elsewhere."
            self._context.tell(f"Making {made.id}. {copied}", "warn")
        else:
            self._context.tell(f"Making {made.id}.", "ok")

    def change_storage(self, storage: BackupStorage, change: BackupStorageChange) -> None:
        """Changes who may use a storage and what it may hold."""
        client = self._context.client
        call = lambda s: client.storages.change(s.id, change)  # noqa: E731
        self._send_all(f"change {storage.id}", [storage], call, "Changed", lambda s: s.id)

    def work_on_storage(self, what: str, storage: BackupStorage) -> None:
        """Does one of STORAGE_WORKS on a storage, to its end."""
        storages = self._context.client.storages
        calls: dict[str, Callable[[str], Awaitable[object]]] = {
            "check": storages.check,
            "measure": storages.measure,
            "test": storages.test,
            "prune": storages.prune,
            "retry": storages.retry,
        }
        call = calls[what]
        words = STORAGE_WORKS[what]
        self._context.tell(f"{what} of {storage.id} runs; it may take a while.", "quiet")
        self._send_all(f"{what} {storage.id}", [storage], lambda s: call(s.id), words, lambda s: s.id)

    def delete_storage(self, storage: BackupStorage) -> None:
        """Forgets a storage; its name was typed."""
        client = self._context.client
        self._send_all(
            "delete", [storage], lambda s: client.storages.delete(s.id, s.id), "Forgot", lambda s: s.id
        )

    def verify(self, backup: BackupExecution) -> None:
        """Restores a backup to scratch and compares it, to its end."""
        self._context.tell(f"Verifying {backup.cronjob}; it may take a while.", "quiet")
        client = self._context.client
        self._send_all(
            f"verify {backup.id}", [backup], lambda b: client.backups.verify(b.id), "Verified", lambda b: b.id
        )

    def drill(self, backup: BackupExecution) -> None:
        """Begins a drill of the backup's CronJob."""
        client = self._context.client
        self._send_all(
            f"drill {backup.cronjob_id}",
            [backup],
            lambda b: client.for_cluster(b.cluster).cronjobs.drill(b.namespace, b.cronjob),
            "Drilling",
            lambda b: f"{b.namespace}/{b.cronjob}",
        )

    def _send_all(
        self,
        what: str,
        targets: Sequence[T],
        call: Callable[[T], Awaitable[object]],
        done: str,
        name: Callable[[T], str],
    ) -> None:
        room = asyncio.Semaphore(AT_ONCE)
        errors: list[KronkeepError] = []

        async def one(target: T) -> None:
            async with room:
                try:
                    await call(target)
                except KronkeepError as error:
                    errors.append(error)

        async def work() -> None:
            await asyncio.gather(*map(one, targets))
            well = len(targets) - len(errors)
            if errors:
                error = errors[0]
                lead = f"{well} of {len(targets)} done. " if len(targets) > 1 else ""
                self._context.tell(f"{lead}{error.message} {error.next_step} [{error.code}]", "bad")
            else:
                first = name(targets[0])
                self._context.tell(f"{done} {first if well == 1 else f'{well} of them'}.", "ok")

        self._context.start_work(work(), what)


def _name(cronjob: CronJob) -> str:
    return f"{cronjob.namespace}/{cronjob.name}"
