"""The terminal over a canned daemon on a real terminal device.

python -m tests.ui.pty_app SCENE START THEME COMMANDS: the last are user commands as JSON.

Descriptor 3 takes commands, a line each: `change N` lets N runs change at once, picked in turn. `settle N`
asks for a mark in the output once the terminal has nothing left to do. So that keys typed before are counted,
the mark waits for as many presses of SETTLE_KEY, which comes after them through the terminal itself.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec
from tests.ui import night_scene, scenes
from tests.ui.canned import CannedClient, CannedRuns, FixedClock
from tests.ui.idleness import settle
from textual.binding import Binding

from kronkeep_common import api
from kronkeep_common.states import ExecutionStatus
from kronkeep_tui.app import KronkeepApp
from kronkeep_tui.settings import TerminalSettings
from kronkeep_tui.terminal import pop_colour_choice
from kronkeep_tui.user_commands import UserCommand

SETTLE_KEY = b"\x1b[57383u"  # F20 in the kitty keyboard protocol; no action has it
FAILED = ExecutionStatus.FAILED
SUCCEEDED = ExecutionStatus.SUCCEEDED
SETTLED = b"\x1b]777;settled %d\x07"
"""An operating system command that no terminal knows, with the number of the request."""
SCENES: dict[str, Callable[[], scenes.Scene]] = {
    "empty": scenes.empty,
    "busy": scenes.busy,
    "log": scenes.busy,
    "failing": lambda: scenes.busy(failing=True),
    "night": night_scene.night,
    "thousand": night_scene.thousand,
    "many": lambda: scenes.Scene(
        cronjobs=scenes.busy().cronjobs, runs=scenes.many(100_000), backups=[], storages=[]
    ),
}
LINE = b"2026-11-24T03:11:57Z part %d uploaded, 128 MiB of data in this one line\n"
LINES = b"".join(LINE % n for n in range(100))


class ChangingClient(CannedClient):
    """A canned daemon whose runs change on command."""

    def __init__(self, *scene: Any) -> None:
        super().__init__(*scene)
        self.changes: asyncio.Queue[int] = asyncio.Queue()
        self.flips_status = False

    async def events(
        self, after: int | None = None, *, tables: Sequence[str] | None = None
    ) -> AsyncIterator[api.ChangeEvent]:
        seq = after or 0
        while True:
            count = await self.changes.get()
            for _ in range(count):
                seq += 1
                run = self.runs_given[seq % 20]
                run = msgspec.structs.replace(run, reason=f"Change{seq}", duration_seconds=float(seq))
                if self.flips_status:
                    run = msgspec.structs.replace(run, status=FAILED if run.status != FAILED else SUCCEEDED)
                record = msgspec.to_builtins(run)
                yield api.ChangeEvent(seq=seq, table="executions", id=run.id, op="put", record=record)
            self.changes.task_done()


class EndlessLog(CannedRuns):
    """A log of a thousand lines a second."""

    async def log(
        self, execution_id: str, *, follow: bool = False, tail: int | None = None
    ) -> AsyncIterator[bytes]:
        while True:
            yield LINES
            await asyncio.sleep(0.1)


class CommandedApp(KronkeepApp):
    """The terminal that takes commands and says when it has settled."""

    BINDINGS = [Binding("f20", "count_settle_key", priority=True)]

    def __init__(self, client: ChangingClient, settings: TerminalSettings, start: str) -> None:
        super().__init__(
            client,  # type: ignore[arg-type]
            settings,
            clock=FixedClock(),
            start=start,
            has_colours=pop_colour_choice(),
            tty=sys.stdin.fileno(),
        )
        self._changes = client.changes
        self._settle_keys: asyncio.Queue[None] = asyncio.Queue()
        self._commands: asyncio.Task[None] | None = None

    def on_mount(self) -> None:
        self._commands = asyncio.create_task(self._follow_commands())

    def action_count_settle_key(self) -> None:
        self._settle_keys.put_nowait(None)

    async def _follow_commands(self) -> None:
        commands = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(commands), os.fdopen(3, "rb", buffering=0)
        )
        async for line in commands:
            command, number = line.split()
            if command == b"change":
                self._changes.put_nowait(int(number))
            else:
                await self._settle_keys.get()
                await self._changes.join()
                await settle(self)
                driver: Any = self._driver
                driver.write((SETTLED % int(number)).decode())
                driver.flush()


def main(scene: str, start: str, theme: Any, commands: str = "[]") -> int:
    client = ChangingClient(*SCENES[scene]())
    client.flips_status = scene in ("night", "thousand")
    if scene == "log":
        client.runs = EndlessLog(client)
    own = msgspec.json.decode(commands, type=tuple[UserCommand, ...])
    app = CommandedApp(client, TerminalSettings(theme=theme, zone="utc", commands=own), start)
    return app.run(mouse=False) or 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
