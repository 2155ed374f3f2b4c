"""Supervision of the daemon's background tasks: each has a name and a policy for its end.

`death="fatal"`: the daemon stops in order when the task ends for any reason but being cancelled.
`death="restart"`: the task is started again after a pause that grows from 1 s to 60 s.
`death="quiet"`: the task may end.
A failure is logged once, with its traceback, under the task's name.
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
    """The background tasks that run, by name.

    failed: set when a fatal task has ended.
    cause: the exception that a fatal task ended with; None where it returned.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.failed = asyncio.Event()
        self.cause: BaseException | None = None

    def start(self, name: str, work: Callable[[], Awaitable[None]], *, death: Death) -> asyncio.Task[None]:
        """Run `work` as the task `name`; raises ValueError while a task of that name runs."""
        if name in self._tasks:
            raise ValueError(f"a task named {name} is running")
        if len(self._tasks) >= MAX_TASKS:
            raise ValueError(f"more than {MAX_TASKS} tasks")
        task = asyncio.create_task(self._guard(name, work, death), name=name)
        self._tasks[name] = task
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task.get_name(), None)

    def names(self) -> list[str]:
        """Return the names of the tasks that have not ended, the oldest first."""
        return list(self._tasks)

    def running(self, name: str) -> bool:
        """Return whether the task `name` has not ended."""
        return name in self._tasks

    async def stop(self, name: str) -> None:
        """Cancel a task and wait for its end; do nothing for an unknown name."""
        task = self._tasks.get(name)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def close(self, timeout: float = 10.0) -> None:
        """Cancel all tasks, newest first, because a later task may need an earlier one in order to end.

        Wait at most `timeout` seconds in all, then cancel the rest together.
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
