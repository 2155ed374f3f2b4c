"""A kronkeepd that notes for how long the thread of its event loop computes between two turns.

python -m benchmarks.measured_daemon SETTINGS STATE FIGURES     announces itself as kronkeepd --announce does

At its end, when standard input closes, it writes the longest and the 99th percentile into the file FIGURES.
What other programs take of the cores does not count, as only the thread's own processor time is looked at.
"""

import asyncio
import json
import sys
import time
from contextlib import suppress
from pathlib import Path

from kronkeep_daemon import app

TICK = 0.005  # seconds


async def note_turns(socket: Path, milliseconds: list[float]) -> None:
    """Add the processor time of each turn, from when the daemon serves until cancelled."""
    while not await asyncio.to_thread(socket.exists):
        await asyncio.sleep(TICK)
    before = time.thread_time()
    while True:
        await asyncio.sleep(TICK)
        now = time.thread_time()
        milliseconds.append((now - before) * 1000)
        before = now


async def main(settings: Path, state: Path, figures: Path) -> int:
    """Run the daemon until its standard input closes."""
    turns: list[float] = []
    task = asyncio.create_task(note_turns(state / "api.sock", turns), name="turns")
    options = app.Options(config=settings, state=state, announce=True, attached=True)
    code = await app.run(options)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    turns.sort()
    result = {"longest": turns[-1], "p99": turns[len(turns) * 99 // 100]}
    await asyncio.to_thread(figures.write_text, json.dumps(result))
    return code


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*map(Path, sys.argv[1:4]))))
