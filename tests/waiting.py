"""Waiting for a state that comes about by itself."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
LONGEST_WAIT = 240.0  # seconds; for what comes within a few on a quiet machine
# A look costs 3 ms of CPU, and seven tests wait at once: whoever has waited long looks less often.
SHORTEST_PAUSE = 0.1  # seconds
LONGEST_PAUSE = 0.3  # seconds; less than any state that a test wants to see lasts
PAUSES_PER_WAIT = 10


async def eventually(
    look: Callable[[], Awaitable[T]], is_done: Callable[[T], bool], seconds: float = LONGEST_WAIT
) -> T:
    """Return what `look` returns once that `is_done`; fail with its last value after `seconds`."""
    begun = asyncio.get_running_loop().time()
    while not is_done(value := await look()):
        waited = asyncio.get_running_loop().time() - begun
        assert waited < seconds, value
        await asyncio.sleep(min(LONGEST_PAUSE, max(SHORTEST_PAUSE, waited / PAUSES_PER_WAIT)))
    return value
