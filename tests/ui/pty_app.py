"""The terminal over a canned daemon on a real terminal device: python -m tests.ui.pty_app SCENE START THEME.

Each line on descriptor 3 is a number: so many changes are sent at once, of runs picked in turn.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from tests.ui import scenes
from tests.ui.canned import CannedClient, CannedRuns, FixedClock

from kronkeep_common import api

SCENES = {
    "empty": scenes.empty,
    "busy": scenes.busy,
    "failing": lambda: scenes.busy(failing=True),
    "many": lambda: scenes.Scene(
        cronjobs=scenes.busy().cronjobs, runs=scenes.many(100_000), backups=[], storages=[]
    ),
}


LINE = b"2026-11-24T03:11:57Z part %d uploaded, 128 MiB of data in this one line\n"
LINES = b"".join(LINE % n for n in range(100))


class EndlessLog(CannedRuns):
    """A log of a thousand lines a second."""

    async def log(self, execution_id: str, *, follow: bool = False) -> AsyncIterator[bytes]:
        while True:
            yield LINES
            await asyncio.sleep(0.1)


class Driven(CannedClient):
    """A canned daemon whose changes come from a descriptor."""

    async def events(self, after: int | None = None) -> AsyncIterator[api.Event]:
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(3, "rb", buffering=0)
        )
        seq = after or 0
        async for line in reader:
            for _ in range(int(line)):
                seq += 1
                one = self.runs_given[seq % 20]
                one = msgspec.structs.replace(one, reason=f"Change{seq}", duration_seconds=float(seq))
                record = msgspec.to_builtins(one)
                yield api.Event(seq=seq, table="executions", id=one.id, op="put", record=record)


def main(scene: str, start: str, theme: Any) -> int:
    from kronkeep_tui.app import KronkeepApp
    from kronkeep_tui.settings import TerminalSettings

    client: Any = CannedClient(*scenes.busy()) if scene == "log" else Driven(*SCENES[scene]())
    if scene == "log":
        client.runs = EndlessLog(client)
    app = KronkeepApp(client, TerminalSettings(theme=theme), clock=FixedClock(), start=start)
    return app.run(mouse=False) or 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
