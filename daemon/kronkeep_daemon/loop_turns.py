"""How a long loop over many objects shares the event loop with all other tasks."""

import asyncio
import time

LONGEST_WORK = 0.001  # seconds of work, or a little more, between two turns of the event loop


class LoopTurn:
    """The turn that a task has: it works for a millisecond, then others have theirs.

    Time counts, not objects, as one CronJob may take a hundred times as long as another.
    """

    def __init__(self) -> None:
        self._began = time.perf_counter()

    async def give_way(self) -> bool:
        """Let other tasks run where the turn is over; return whether it was.

        It is too where the caller itself waited for something meanwhile.
        """
        if time.perf_counter() - self._began < LONGEST_WORK:
            return False
        await asyncio.sleep(0)
        self._began = time.perf_counter()
        return True
