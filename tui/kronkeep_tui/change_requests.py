"""What the terminal asks the daemon to change, for one record or for many."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from kronkeep_common.errors import AlreadyRuns, ConfirmationMissing, KronkeepError
from kronkeep_common.models import (
    Alert,
    BackupExecution,
    BackupStorage,
    CronJob,
    CronJobExecution,
    SilenceRequest,
)
from kronkeep_common.models.maintenance import MaintenanceRequest
from kronkeep_common.text import count_words, short_id
from kronkeep_tui.context import Context
from kronkeep_tui.prompt import YesNoPrompt, name_prompt
from kronkeep_tui.shell_commands import ShellCommand, cronjob_route, lines_of_change

if TYPE_CHECKING:
    from kronkeep_common.client.cronjobs import CronJobCalls

AT_ONCE = 4
NAME_PART = 52  # characters of a CronJob's name that leave a Job's name room for what makes it unique
ErrorHandler = Callable[[Sequence[KronkeepError | None]], bool]


def _leave_unhandled(_: Sequence[KronkeepError | None]) -> bool:
    return False


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
        """Run CronJobs now; ask again for those that have a run beside which they allow no other."""
        self._trigger(cronjobs, only_if_idle=True)

    def _trigger(self, cronjobs: Sequence[CronJob], *, only_if_idle: bool) -> None:
        requests = [self._run_request(cronjob, only_if_idle=only_if_idle) for cronjob in cronjobs]
        first = cronjobs[0]
        job = f"{first.name[:NAME_PART]}-{secrets.token_hex(4)}"  # none of its Jobs has the name
        kubectl = ("-n", first.namespace, "create", "job", f"--from=cronjob/{first.name}", job)
        lines = lines_of_change(
            ("trigger", _name(first)),
            f"{_path(first)}/trigger",
            kubectl,
            cluster=self._context.store.cluster_option(first.cluster),
        )
        self._start(requests, "trigger", "Started", lines=lines, on_error=partial(self._ask_beside, cronjobs))

    def _run_request(self, cronjob: CronJob, *, only_if_idle: bool) -> ChangeRequest:
        calls = self._cronjobs(cronjob.cluster)
        send = partial(calls.trigger, cronjob.namespace, cronjob.name, only_if_idle=only_if_idle)
        return ChangeRequest(_name(cronjob), send)

    def _ask_beside(self, cronjobs: Sequence[CronJob], errors: Sequence[KronkeepError | None]) -> bool:
        """Ask whether to start runs beside those that go on; return False after any other refusal."""
        busy = [
            (cronjob, error)
            for cronjob, error in zip(cronjobs, errors, strict=True)
            if isinstance(error, AlreadyRuns)
        ]
        if len(busy) != sum(1 for error in errors if error is not None):
            return False
        more = f" So have {len(busy) - 1} others." if len(busy) > 1 else ""
        question = f"{busy[0][1].message}{more} Run {'them' if more else 'it'} beside that?"
        confirm = partial(self._trigger, [cronjob for cronjob, _ in busy], only_if_idle=False)
        self._context.ask(YesNoPrompt(question, confirm))
        return True

    def toggle_suspension(self, cronjobs: Sequence[CronJob]) -> None:
        """Suspend CronJobs, or resume them where the first is suspended; leave those that are so already."""
        resume = cronjobs[0].suspended
        cronjobs = [cronjob for cronjob in cronjobs if cronjob.suspended is resume]
        requests = [self._suspension(cronjob, resume=resume) for cronjob in cronjobs]
        undo = [self._suspension(cronjob, resume=not resume) for cronjob in cronjobs]
        self._start(
            requests,
            "suspend",
            "Resumed" if resume else "Suspended",
            undo=undo,
            lines=self._lines_of_suspension(cronjobs[0], resume=resume),
            undo_lines=self._lines_of_suspension(cronjobs[0], resume=not resume),
        )

    def _lines_of_suspension(self, cronjob: CronJob, *, resume: bool) -> tuple[ShellCommand, ...]:
        verb = "resume" if resume else "suspend"
        patch = f'{{"spec":{{"suspend":{"false" if resume else "true"}}}}}'
        kubectl = ("-n", cronjob.namespace, "patch", "cronjob", cronjob.name, "-p", patch)
        return lines_of_change(
            (verb, _name(cronjob)),
            f"{_path(cronjob)}/{verb}",
            kubectl,
            cluster=self._context.store.cluster_option(cronjob.cluster),
        )

    def _suspension(self, cronjob: CronJob, *, resume: bool) -> ChangeRequest:
        calls = self._cronjobs(cronjob.cluster)
        send = calls.resume if resume else calls.suspend
        return ChangeRequest(_name(cronjob), partial(send, cronjob.namespace, cronjob.name))

    def back_up(self, cronjobs: Sequence[CronJob]) -> None:
        """Back CronJobs up now."""
        requests = [
            ChangeRequest(_name(c), partial(self._cronjobs(c.cluster).back_up, c.namespace, c.name))
            for c in cronjobs
        ]
        first = cronjobs[0]
        lines = lines_of_change(
            ("backup", _name(first)),
            f"{_path(first)}/backup",
            cluster=self._context.store.cluster_option(first.cluster),
        )
        self._start(requests, "back up", "Backing up", lines=lines)

    def delete(self, cronjob: CronJob) -> None:
        """Delete a CronJob whose name was typed."""
        name = cronjob.name
        send = partial(self._cronjobs(cronjob.cluster).delete, cronjob.namespace, name, confirm=name)
        kubectl = ("-n", cronjob.namespace, "delete", "cronjob", name)
        lines = lines_of_change(
            ("delete", _name(cronjob), "--yes", name),
            _path(cronjob),
            kubectl,
            method="DELETE",
            body={"confirm": name},
            cluster=self._context.store.cluster_option(cronjob.cluster),
        )
        self._start([ChangeRequest(_name(cronjob), send)], "delete", "Deleted", lines=lines)

    def cancel(self, runs: Sequence[CronJobExecution]) -> None:
        """Stop runs that are active."""
        requests = [
            ChangeRequest(run.job or run.id, partial(self._client.runs.cancel, run.id)) for run in runs
        ]
        lines = lines_of_change(("cancel", runs[0].id), f"/v1/executions/{runs[0].id}/cancel")
        self._start(requests, "stop", "Stopping", lines=lines)

    def acknowledge(self, alerts: Sequence[Alert]) -> None:
        """Record that somebody knows of alerts; leave those that somebody knows of already."""
        alerts = [alert for alert in alerts if alert.acknowledged_at is None] or alerts
        requests = [
            ChangeRequest(alert.object, partial(self._client.alerts.acknowledge, alert.id))
            for alert in alerts
        ]
        undo = [
            ChangeRequest(alert.object, partial(self._client.alerts.unacknowledge, alert.id))
            for alert in alerts
        ]
        first = alerts[0]
        self._start(
            requests,
            "acknowledge",
            "Acknowledged",
            undo=undo,
            lines=lines_of_change(("acknowledge", first.id), f"/v1/alerts/{first.id}/acknowledge"),
            undo_lines=lines_of_change((), f"/v1/alerts/{first.id}/unacknowledge"),
        )

    def toggle_pin(self, backups: Sequence[BackupExecution]) -> None:
        """Pin backups, so that retention leaves them, or unpin them where the first is pinned."""
        is_pinned = backups[0].pinned
        backups = [backup for backup in backups if backup.pinned is is_pinned]
        calls = self._client.backups
        change, revert = (calls.unpin, calls.pin) if is_pinned else (calls.pin, calls.unpin)
        requests = [ChangeRequest(short_id(each.id), partial(change, each.id)) for each in backups]
        undo = [ChangeRequest(short_id(each.id), partial(revert, each.id)) for each in backups]
        verbs = ("unpin", "pin") if is_pinned else ("pin", "unpin")
        first = backups[0].id
        lines, undo_lines = (lines_of_change((verb, first), f"/v1/backups/{first}/{verb}") for verb in verbs)
        self._start(
            requests,
            "pin",
            "Unpinned" if is_pinned else "Pinned",
            undo=undo,
            lines=lines,
            undo_lines=undo_lines,
        )

    async def create_silence(self, request: SilenceRequest) -> None:
        """Send no alerts that match a filter for a while."""
        silence = await self._client.silences.create(
            request.filter, for_seconds=request.for_seconds, because=request.because
        )
        words = ("silence", "--filter", request.filter, "--for", _minutes(request.for_seconds))
        self._context.last_change = lines_of_change(
            (*words, "--because", request.because), "/v1/silences", body=request
        )
        end = ChangeRequest("the silence", partial(self._client.silences.end, silence.id))
        self._tell_done(
            f"Holds back {count_words(silence.alerts, 'open alert')} and new ones; M shows it.",
            [end],
            _lines_of_end("silence", silence.id),
        )

    async def start_maintenance(self, request: MaintenanceRequest) -> None:
        """Suspend the CronJobs that match a filter."""
        await self._client.maintenance.start(
            request.filter, because=request.because, for_seconds=request.for_seconds
        )
        words = ["maintenance", "start", *(("--filter", request.filter) if request.filter else ("--all",))]
        words += ["--for", _minutes(request.for_seconds)] if request.for_seconds else []
        self._context.last_change = lines_of_change(
            (*words, "--because", request.because), "/v1/maintenance", body=request
        )
        self._context.tell("The CronJobs are being suspended; M shows them, and ends it.", "ok")

    async def end_hold(self, kind: str, hold_id: str) -> None:
        """End a silence or a maintenance."""
        calls = self._client.maintenance if kind == "maintenance" else self._client.silences
        await calls.end(hold_id)
        self._context.last_change = _lines_of_end(kind, hold_id)
        self._context.tell(f"Ended the {kind}.", "ok")

    def check_storage(self, storage: BackupStorage) -> None:
        """Run `restic check` on a storage."""
        self._work_on_storage(storage, self._client.storages.check, "check", "Checked")

    def measure_storage(self, storage: BackupStorage) -> None:
        """Measure how full a storage is."""
        self._work_on_storage(storage, self._client.storages.measure, "usage", "Measured")

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
        lines = lines_of_change(
            ("storage", "acknowledge", storage.id), f"/v1/storages/{storage.id}/acknowledge-missing"
        )
        request = ChangeRequest(storage.id, send)
        self._start([request], "acknowledge", "Acknowledged what is missing in", lines=lines)

    def retry_storage(self, storage: BackupStorage) -> None:
        """Try again to create a storage that failed."""
        self._work_on_storage(storage, self._client.storages.retry, "retry", "Trying again")

    def _work_on_storage(
        self, storage: BackupStorage, send: Callable[[str], Awaitable[object]], task: str, done: str
    ) -> None:
        self._context.tell(f"{task} of {storage.id} is running; it may take a while.", "quiet")
        lines = lines_of_change(("storage", task, storage.id), f"/v1/storages/{storage.id}/{task}")
        request = ChangeRequest(storage.id, partial(send, storage.id))
        self._start([request], f"{task} {storage.id}", done, lines=lines)

    def delete_storage(self, storage: BackupStorage, only_here: int | None = None) -> None:
        """Forget a storage whose name was typed; ask for the number of what no other storage has.

        only_here: that number, once it was typed.
        """
        send = partial(self._client.storages.delete, storage.id, confirm=storage.id, only_here=only_here)
        words = ["storage", "delete", storage.id, "--yes", storage.id]
        words += ["--only-here", str(only_here)] if only_here is not None else []
        body = {"confirm": storage.id} | ({"only_here": only_here} if only_here is not None else {})
        lines = lines_of_change(words, f"/v1/storages/{storage.id}", method="DELETE", body=body)
        self._start(
            [ChangeRequest(storage.id, send)],
            "delete",
            "Forgot",
            lines=lines,
            on_error=partial(self._ask_loss, storage),
        )

    def _ask_loss(self, storage: BackupStorage, errors: Sequence[KronkeepError | None]) -> bool:
        """Ask for the number of what would be lost; return False where something else is wrong."""
        error = errors[0]
        number = error.details.get("only_here") if isinstance(error, ConfirmationMissing) else None
        if error is None or not isinstance(number, int) or number < 1:
            return False
        confirm = partial(self.delete_storage, storage, number)
        self._context.ask(name_prompt(f"{error.message} All the same?", str(number), confirm))
        return True

    def verify(self, backup: BackupExecution) -> None:
        """Restore a backup to scratch space and compare it."""
        name = f"backup {short_id(backup.id)} of {backup.namespace}/{backup.cronjob}"
        self._context.tell(f"Verifying {name}; it may take a while.", "quiet")
        send = partial(self._client.backups.verify, backup.id)
        lines = lines_of_change(("verify", backup.id), f"/v1/backups/{backup.id}/verify")
        self._start([ChangeRequest(name, send)], f"verify {short_id(backup.id)}", "Verified", lines=lines)

    def drill(self, backup: BackupExecution) -> None:
        """Start a drill of the backup's CronJob."""
        send = partial(self._cronjobs(backup.cluster).drill, backup.namespace, backup.cronjob)
        name = f"{backup.namespace}/{backup.cronjob}"
        route = f"{cronjob_route(backup.namespace, backup.cronjob)}/drill"
        lines = lines_of_change(
            ("drill", name), route, cluster=self._context.store.cluster_option(backup.cluster)
        )
        self._start([ChangeRequest(name, send)], f"drill {backup.cronjob_id}", "Drilling", lines=lines)

    def _start(
        self,
        requests: Sequence[ChangeRequest],
        task: str,
        done: str,
        *,
        undo: Sequence[ChangeRequest] = (),
        lines: tuple[ShellCommand, ...] = (),
        undo_lines: tuple[ShellCommand, ...] = (),
        on_error: ErrorHandler = _leave_unhandled,
    ) -> None:
        """Send requests as a task of this name; `done` begins the message when all have succeeded.

        undo: what undoes them, one for each.
        lines: the first of them as lines for a shell; `undo_lines` undo it.
        on_error: gets what each request was refused with, None for others; returns whether that is handled.
        """
        self._context.last_change = lines
        self._context.start_work(
            self._send_all(requests, done, partial(self._tell_done, undo=undo, lines=undo_lines), on_error),
            task,
        )

    async def _send_all(
        self,
        requests: Sequence[ChangeRequest],
        done: str,
        tell_done: Callable[[str], None],
        on_error: ErrorHandler,
    ) -> None:
        limit = asyncio.Semaphore(AT_ONCE)
        answers = await asyncio.gather(*(_send(request, limit) for request in requests))
        errors = [error for error in answers if error is not None]
        if errors and on_error(answers):
            return
        if errors:
            self._tell_error(errors[0], succeeded=len(requests) - len(errors), count=len(requests))
        else:
            what = requests[0].name if len(requests) == 1 else f"{len(requests)} of them"
            tell_done(f"{done} {what}.")

    def _tell_done(self, text: str, undo: Sequence[ChangeRequest], lines: tuple[ShellCommand, ...]) -> None:
        """Say that a change is done, and offer to undo it where that can be; `lines` undo it in a shell."""
        if undo:
            self._context.offer_undo(text, partial(self._start, undo, "undo", "Undone:", lines=lines))
        else:
            self._context.tell(text, "ok")

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


def _path(cronjob: CronJob) -> str:
    return cronjob_route(cronjob.namespace, cronjob.name)


def _lines_of_end(kind: str, hold_id: str) -> tuple[ShellCommand, ...]:
    """Return the lines that end a silence or a maintenance."""
    if kind == "maintenance":
        return lines_of_change(("maintenance", "end", hold_id), f"/v1/maintenance/{hold_id}/end")
    return lines_of_change(("silence", "--end", hold_id), f"/v1/silences/{hold_id}/end")


def _minutes(seconds: float) -> str:
    """Return a duration as the options of the command line take it."""
    return f"{max(1, round(seconds / 60))}m"


def _name(cronjob: CronJob) -> str:
    return f"{cronjob.namespace}/{cronjob.name}"
