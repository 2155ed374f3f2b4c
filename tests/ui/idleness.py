"""Wait until the terminal has nothing left to do, which is what tests wait for instead of a pause.

Textual has no public way to ask this, so its pumps, flags and timers are looked at here and nowhere else.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

from tests.waiting import LONGEST_WAIT
from textual._context import active_app
from textual.message_pump import MessagePump

from kronkeep_tui.app import KronkeepApp

LASTING = ("reader", "silence")  # workers that read the daemon as long as the terminal runs
CLEAN_ROUNDS = 2  # a handler may have been about to ask for more in the first
CLEAN_TURNS = 4  # of the event loop: a key that was sent is a task first, then a message
QUICK_TURNS = 50
LONGEST_WORK = 0.1  # seconds; a test may hold back the answer that a worker waits for


async def settle(app: KronkeepApp) -> None:
    """Return once every message is handled, every frame drawn and every worker done."""
    deadline = time.monotonic() + LONGEST_WAIT
    clean = 0
    while clean < CLEAN_ROUNDS:
        pending = next(what_is_pending(app), None)
        if pending is None:
            await _handle_messages(app)
            pending = next(what_is_pending(app), None)
        clean = clean + 1 if pending is None else 0
        if pending is not None:
            assert time.monotonic() < deadline, [*what_is_pending(app)]
            await asyncio.sleep(0.005)


async def wait_until_handled(_: float = 0, longest: float = LONGEST_WORK) -> None:
    """Return once every message is handled and drawn, and every worker is done or `longest` seconds old.

    It takes the place of Textual's `wait_for_idle`, which a Pilot calls after each key.
    """
    app: Any = active_app.get()
    begun = time.monotonic()
    turns = 0
    clean = 0
    while clean < CLEAN_TURNS:
        turns += 1
        await asyncio.sleep(0 if turns < QUICK_TURNS else 0.002)
        waited = time.monotonic() - begun
        assert waited < LONGEST_WAIT, [*what_is_pending(app)]
        if any(_pending_messages(app)):
            clean = 0
        elif any(_pending_frame(app)):
            clean = 0
            app.screen.call_later(app.screen._on_timer_update)  # now, not at the next sixtieth of a second
        elif waited < longest and any(_pending_workers(app)):
            clean = 0
        else:
            clean += 1


def what_is_pending(app: KronkeepApp) -> Iterator[str]:
    """Yield what the terminal has still to do, in words for a failing test."""
    if app.reader.has_changes:
        yield "changes that were read and not shown"
    if app.frame.children and not app.frame.view.ready:
        yield "a view that is mounted out of sight"
    yield from _pending_workers(app)
    yield from _pending_frame(app)
    yield from _pending_messages(app)
    for pump in _pumps(app):
        for timer in pump._timers:
            if timer._repeat == 0 and timer._task is not None and not timer._task.done():
                yield f"a timer of {pump}"


def _pending_workers(app: KronkeepApp) -> Iterator[str]:
    for worker in app.workers:
        if worker.name not in LASTING and not worker.is_finished:
            yield f"worker {worker.name}"


def _shown_pumps(pump: Any) -> Iterator[Any]:
    """Yield the application, its screen and what is displayed on it, not the views that are kept hidden."""
    yield pump
    for child in pump.children:
        if child.display:
            yield from _shown_pumps(child)


def _pending_frame(app: KronkeepApp) -> Iterator[str]:
    screen: Any = app.screen
    if screen._callbacks or screen._dirty_widgets:
        yield "callbacks after a frame" if screen._callbacks else "a frame"
    flags = ("_layout_required", "_repaint_required", "_recompose_required", "_scroll_required")
    for pump in _pumps(app):
        for flag in flags:
            if getattr(pump, flag, False):
                yield f"{flag} of {pump}"


def _pending_messages(app: KronkeepApp) -> Iterator[str]:
    for pump in _pumps(app):
        if not pump._message_queue.empty() or pump._pending_message is not None or pump._next_callbacks:
            yield f"messages of {pump}"


def _pumps(app: KronkeepApp) -> list[Any]:
    return [app, *app.screen.walk_children(with_self=True)]


async def _handle_messages(app: KronkeepApp) -> None:
    """Wait until every pump that is shown has handled the messages that it had when this was called."""
    handled: list[asyncio.Future[None]] = []
    for pump in _shown_pumps(app):
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
