"""A kronkeepd that notes for how long the thread of its event loop computes: in each callback, in each turn.

python -m benchmarks.measured_daemon SETTINGS STATE FIGURES     announces itself as kronkeepd --announce does

At its end, when standard input closes, it writes its figures into the file FIGURES. What other programs take
of the cores does not count, as only the thread's own processor time is looked at. A turn is all callbacks
between two ticks, 5 ms apart.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from kronkeep_daemon import app
from kronkeep_daemon.garbage import set_modules_aside

TICK = 0.005  # seconds
LONG = 5.0  # milliseconds of a callback that is counted
NAMED = 12  # of the longest callbacks
_RUN = attrgetter("_run")  # asyncio offers no public place around a callback
_CALLBACK = attrgetter("_callback")


def callback_name(callback: Any) -> str:
    """Return the name of the task of which a callback is a step, else that of the function."""
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        coroutine = owner.get_coro()
        return f"{getattr(coroutine, '__qualname__', coroutine)} ({owner.get_name()})"
    while isinstance(callback, partial):  # its text would be that of its arguments, such as whole batches
        callback = callback.func
    return str(getattr(callback, "__qualname__", type(callback).__qualname__))


class CallbackTimes:
    """The processor time of each callback of the loop, from `begin` on."""

    def __init__(self) -> None:
        self.longest: dict[str, float] = {}  # milliseconds by name
        self.long: Counter[str] = Counter()  # how many were longer than LONG
        self.count = 0

    def begin(self) -> None:
        """Note every callback from now on."""
        run = _RUN(asyncio.Handle)

        def run_timed(handle: Any) -> None:
            began = time.thread_time()
            callback = _CALLBACK(handle)
            run(handle)
            self._note(callback, (time.thread_time() - began) * 1000)

        setattr(asyncio.Handle, "_run", run_timed)  # noqa: B010

    def _note(self, callback: Any, milliseconds: float) -> None:
        self.count += 1
        if milliseconds > 1:
            name = callback_name(callback)
            self.longest[name] = max(milliseconds, self.longest.get(name, 0.0))
            self.long[name] += milliseconds > LONG

    def figures(self) -> dict[str, Any]:
        """Return the longest of all, how many were long, and the names of the longest."""
        names = sorted(self.longest, key=self.longest.__getitem__, reverse=True)[:NAMED]
        return {
            "callback_longest": max(self.longest.values(), default=0.0),
            "callbacks_long": sum(self.long.values()),
            "callbacks": self.count,
            "names": {name: (round(self.longest[name], 1), self.long[name]) for name in names},
        }


async def note_turns(socket: Path, times: CallbackTimes, milliseconds: list[float]) -> None:
    """Add the processor time of each turn, from when the daemon serves until cancelled."""
    while not await asyncio.to_thread(socket.exists):
        await asyncio.sleep(TICK)
    times.begin()
    before = time.thread_time()
    while True:
        await asyncio.sleep(TICK)
        now = time.thread_time()
        milliseconds.append((now - before) * 1000)
        before = now


async def main(settings: Path, state: Path, figures: Path) -> int:
    """Run the daemon until its standard input closes."""
    turns: list[float] = []
    times = CallbackTimes()
    task = asyncio.create_task(note_turns(state / "api.sock", times, turns), name="turns")
    set_modules_aside()  # as kronkeepd does
    options = app.Options(config=settings, state=state, announce=True, attached=True)
    code = await app.run(options)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    turns.sort()
    result = {"longest": turns[-1], "p99": turns[len(turns) * 99 // 100], **times.figures()}
    await asyncio.to_thread(figures.write_text, json.dumps(result))
    return code


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*map(Path, sys.argv[1:4]))))
