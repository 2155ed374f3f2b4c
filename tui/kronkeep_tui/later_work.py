"""Work that begins in a later turn of the event loop than that in which it is started."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def run_later(work: Coroutine[Any, Any, None]) -> None:
    """Run work in a later turn of the event loop.

    From Python 3.12 on Textual's tasks begin where they are started. Work that is started while a pane is
    drawn could end there, and show its answer in a pane that is drawn by half.
    """
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        work.close()  # it has not begun; Python would warn of that
        raise
    await work
