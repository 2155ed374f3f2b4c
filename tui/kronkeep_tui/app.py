"""The terminal: one worker reads the daemon, one timer shows what changed, screens draw.

On a lost daemon everything stays on the screen, the status line says since when it is old, and the worker
comes back with the last change it saw.
"""

import asyncio
import contextlib
from collections.abc import Awaitable
from datetime import UTC, datetime
from pathlib import Path

from textual.app import App

from kronkeep_common.client import Client
from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import CronJob
from kronkeep_common.text import age
from kronkeep_tui.screens.base import BaseScreen
from kronkeep_tui.screens.jobs import JobsScreen
from kronkeep_tui.store import Store, apply, from_snapshot

FLUSH_SECONDS = 0.25
REREAD_SECONDS = 5.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0


class KronkeepApp(App[int]):
    """The application; its client comes from outside."""

    TITLE = "kronkeep"
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, client: Client, *, read_only: bool = False) -> None:
        super().__init__()
        self.client = client
        self.read_only = read_only
        self.store = Store()
        self._lost: str | None = "connecting"
        self._changed = False
        self._reread = asyncio.Event()

    def on_mount(self) -> None:
        """Shows the first screen and begins to read."""
        self.push_screen(JobsScreen())
        self.run_worker(self._read(), name="reader", group="reader", exit_on_error=False)
        self.run_worker(self._read_cronjobs(), name="cronjobs", group="cronjobs", exit_on_error=False)
        self.set_interval(FLUSH_SECONDS, self._show_changes)

    async def _read(self) -> None:
        """A snapshot, then every event after it; again after a loss, with a growing pause."""
        pause = FIRST_PAUSE
        while True:
            try:
                self.store = from_snapshot(await self.client.snapshot())
                self._lost, self._changed, pause = None, True, FIRST_PAUSE
                async for event in self.client.events(self.store.seq):
                    self.store = apply(self.store, event, datetime.now(UTC))
                    self._changed = True
                    self._reread.set()
            except KronkeepError as error:
                self._lost, self._changed = error.message, True
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _read_cronjobs(self) -> None:
        """CronJobs are the cluster's and send no events here: read after changes and every few seconds."""
        import msgspec

        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._reread.wait(), REREAD_SECONDS)
            self._reread.clear()
            try:
                found = await self.client.cronjobs()
            except KronkeepError:
                continue
            self.store = msgspec.structs.replace(self.store, cronjobs=tuple(found.items))
            self._changed = True
            await asyncio.sleep(FLUSH_SECONDS)

    def resync(self) -> None:
        """Reads the CronJobs again at once."""
        self._reread.set()

    def _show_changes(self) -> None:
        if self._changed and isinstance(self.screen, BaseScreen):
            self._changed = False
            self.screen.show(self.store)

    def status(self) -> str:
        """The status line: how many, what fails, how fresh."""
        cronjobs = self.store.cronjobs
        failing = sum(1 for c in cronjobs if c.recent and c.recent[-1] == "failed")
        running = sum(c.active for c in cronjobs)
        late = sum(1 for c in cronjobs if c.late_since is not None)
        parts = [f"kronkeep | {len(cronjobs)} jobs  {failing} FAIL  {running} run  {late} late"]
        if self._lost is not None:
            old = age(self.store.at, datetime.now(UTC)) if self.store.at else "never read"
            parts.append(f"NO DAEMON ({self._lost}) data: {old} old")
        elif self.store.stale:
            parts.append(f"cluster stale: {self.store.stale[0]}")
        else:
            parts.append("daemon ok")
        return " | ".join(parts)

    def tell(self, text: str) -> None:
        """Says one sentence on the screen in front."""
        if isinstance(self.screen, BaseScreen):
            self.screen.tell(text)

    def _do(self, name: str, work: Awaitable[object], done: str) -> None:
        async def run() -> None:
            try:
                await work
            except KronkeepError as error:
                self.tell(f"{error.message} {error.next_step} [{error.code}]")
                return
            self.tell(done)
            self.resync()

        self.run_worker(run(), name=name, group="change", exit_on_error=False)

    def trigger(self, cronjob: CronJob) -> None:
        """Runs a CronJob now."""
        work = self.client.trigger(cronjob.namespace, cronjob.name)
        self._change("trigger", work, f"Triggered {cronjob.name}.")

    def toggle(self, cronjob: CronJob) -> None:
        """Suspends or resumes a CronJob."""
        call = self.client.resume if cronjob.suspended else self.client.suspend
        word = "Resumed" if cronjob.suspended else "Suspended"
        self._change("toggle", call(cronjob.namespace, cronjob.name), f"{word} {cronjob.name}.")

    def back_up(self, cronjob: CronJob) -> None:
        """Backs a CronJob up now."""
        work = self.client.back_up(cronjob.namespace, cronjob.name)
        self._change("backup", work, f"Backing up {cronjob.name}.")

    def delete(self, cronjob: CronJob) -> None:
        """Deletes a CronJob."""
        work = self.client.delete_cronjob(cronjob.namespace, cronjob.name, cronjob.name)
        self._change("delete", work, f"Deleted {cronjob.name}; its history stays.")

    def _change(self, name: str, work: Awaitable[object], done: str) -> None:
        if not self.read_only:
            self._do(name, work, done)
            return
        self.tell("Read-only: nothing was done.")
        if asyncio.iscoroutine(work):
            work.close()


def run(socket: Path | None, *, read_only: bool = False) -> int:
    """Shows the terminal on a socket until it is quit."""
    app = KronkeepApp(Client(socket), read_only=read_only)
    return app.run(mouse=False) or 0
