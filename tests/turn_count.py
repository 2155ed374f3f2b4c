"""How many turns of the event loop other tasks have while something is awaited."""

import asyncio
from collections.abc import Awaitable
from typing import Any


class Turns:
    """A count of the turns of the event loop while something is awaited."""

    def __init__(self) -> None:
        self.count = 0

    async def during(self, work: Awaitable[Any]) -> Any:
        ticking = asyncio.create_task(self._tick())
        try:
            return await work
        finally:
            ticking.cancel()

    async def _tick(self) -> None:
        while True:
            self.count += 1
            await asyncio.sleep(0)
