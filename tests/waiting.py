"""Waiting for a state that comes about by itself."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
LONGEST_WAIT = 240.0  # seconds; for what comes within a few on a quiet machine


async def eventually(
    look: Callable[[], Awaitable[T]], is_done: Callable[[T], bool], seconds: float = LONGEST_WAIT
) -> T:
    """Return what `look` returns once that `is_done`; fail with its last value after `seconds`."""
    end = asyncio.get_running_loop().time() + seconds
    while not is_done(value := await look()):
        assert asyncio.get_running_loop().time() < end, value
        await asyncio.sleep(0.1)
    return value
