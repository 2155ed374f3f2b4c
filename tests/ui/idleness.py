"""Wait until the terminal has nothing left to do, which is what tests wait for instead of a pause.

Textual has no public way to ask this, so its pumps, flags and timers are looked at here and nowhere else.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

from tests.waiting import LONGEST_WAIT
from textual.message_pump import MessagePump

from kronkeep_tui.app import KronkeepApp

LASTING = ("reader", "silence")  # workers that read the daemon as long as the terminal runs
CLEAN_ROUNDS = 2  # a handler may have been about to ask for more in the first


async def settle(app: KronkeepApp) -> None:
    """Return once every message is handled, every frame drawn and every worker done."""
    deadline = time.monotonic() + LONGEST_WAIT
    clean = 0
    while clean < CLEAN_ROUNDS:
        await _handle_messages(app)
        pending = list(what_is_pending(app))
        clean = 0 if pending else clean + 1
        if pending:
            assert time.monotonic() < deadline, pending
            await asyncio.sleep(0.005)


def what_is_pending(app: KronkeepApp) -> Iterator[str]:
    """Yield what the terminal has still to do, in words for a failing test."""
    if app.reader.has_changes:
        yield "changes that were read and not shown"
    for worker in app.workers:
        if worker.name not in LASTING and not worker.is_finished:
            yield f"worker {worker.name}"
    screen: Any = app.screen
    if screen._callbacks or screen._dirty_widgets:
        yield "callbacks after a frame" if screen._callbacks else "a frame"
    for pump in _pumps(app):
        yield from _pending_of(pump)


def _pumps(app: KronkeepApp) -> list[Any]:
    return [app, *app.screen.walk_children(with_self=True)]


def _pending_of(pump: Any) -> Iterator[str]:
    if not pump._message_queue.empty() or pump._pending_message is not None or pump._next_callbacks:
        yield f"messages of {pump}"
    flags = ("_layout_required", "_repaint_required", "_recompose_required", "_scroll_required")
    for flag in flags:
        if getattr(pump, flag, False):
            yield f"{flag} of {pump}"
    for timer in pump._timers:
        if timer._repeat == 0 and timer._task is not None and not timer._task.done():
            yield f"a timer of {pump}"


async def _handle_messages(app: KronkeepApp) -> None:
    """Wait until every pump has handled the messages that it had when this was called."""
    handled: list[asyncio.Future[None]] = []
    for pump in _pumps(app):
        future = asyncio.get_running_loop().create_future()
        if _call_later(pump, future):
            handled.append(future)
    closing: asyncio.Task[Any] = asyncio.create_task(app._exception_event.wait())
    everything = asyncio.gather(*handled)
    # A pump that closes meanwhile handles nothing more: then the next round asks those that are left.
    await asyncio.wait({closing, everything}, return_when=asyncio.FIRST_COMPLETED, timeout=1.0)
    closing.cancel()
    everything.cancel()


def _call_later(pump: MessagePump, future: "asyncio.Future[None]") -> bool:
    def set_done() -> None:
        if not future.done():
            future.set_result(None)

    return pump.call_later(set_done)
