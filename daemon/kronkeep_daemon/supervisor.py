"""Every background task has a name, an owner and a death policy; this is where it is kept.

A task started with `death="fatal"` takes the daemon down in order when it ends for any reason but being
stopped; one with `death="restart"` is started again after a growing pause (1 s to 60 s); one with
`death="quiet"` may end. A failure is logged once, with its traceback, under the task's name.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Literal

from kronkeep_common.clock import Clock

log = logging.getLogger(__name__)
Death = Literal["fatal", "restart", "quiet"]
MAX_TASKS = 4096
LONGEST_PAUSE = 60.0


class Supervisor:
    """Owns the daemon's background tasks; `failed` is set when a fatal one has ended."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.failed = asyncio.Event()
        self.cause: BaseException | None = None

    def start(self, name: str, work: Callable[[], Awaitable[None]], *, death: Death) -> asyncio.Task[None]:
        """Runs `work` as the task `name`; a name that still runs is refused with ValueError."""
        if name in self._tasks:
            raise ValueError(f"a task named {name} is running")
        if len(self._tasks) >= MAX_TASKS:
            raise ValueError(f"more than {MAX_TASKS} tasks")
        task = asyncio.create_task(self._guard(name, work, death), name=name)
        self._tasks[name] = task
        task.add_done_callback(lambda _: self._tasks.pop(name, None))
        return task

    def running(self, name: str) -> bool:
        """Whether the task `name` has not ended."""
        return name in self._tasks

    async def stop(self, name: str) -> None:
        """Cancels one task and waits for its end; an unknown name is fine."""
        task = self._tasks.get(name)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def close(self, timeout: float = 10.0) -> None:
        """Cancels all tasks, newest first; what came late may need what came before it to its own end.

        Waits at most `timeout` seconds in all, then cancels what is left together.
        """
        tasks = list(reversed(self._tasks.values()))
        try:
            async with asyncio.timeout(timeout):
                for task in tasks:
                    task.cancel()
                    await asyncio.wait([task])
        except TimeoutError:
            for task in (task for task in tasks if not task.done()):
                log.error("task %s did not stop within %.0f s", task.get_name(), timeout)
                if not task.cancelling():
                    task.cancel()

    async def _guard(self, name: str, work: Callable[[], Awaitable[None]], death: Death) -> None:
        pause = 1.0
        while True:
            began = self._clock.monotonic()
            try:
                await work()
            except asyncio.CancelledError:
                raise
            except Exception as error:
                log.exception("task %s failed", name)
                if death == "fatal":
                    self.cause = error
            if death == "quiet":
                return
            if death == "fatal":
                log.error("task %s ended; stopping", name)
                self.failed.set()
                return
            pause = 1.0 if self._clock.monotonic() - began > LONGEST_PAUSE else pause
            await self._clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
