"""What stays for long is left out of later collections, and looked at once an hour."""

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from kronkeep_daemon.garbage import LATER_PAUSE, PAUSES, set_objects_aside
from kronkeep_daemon.testing import FakeClock, settle


class Knot:
    """An object that refers to itself, so that only a collection frees it."""

    def __init__(self) -> None:
        self.own = self


@pytest.fixture
def _frozen_before() -> Iterator[None]:
    """Put aside again what the suite has put aside."""
    yield
    gc.freeze()


@pytest.mark.usefixtures("_frozen_before")
async def test_what_became_garbage_after_it_was_set_aside_is_found_an_hour_later() -> None:
    clock = FakeClock()
    task = asyncio.create_task(set_objects_aside(clock))
    await settle()
    knot = Knot()
    freed = weakref.ref(knot)
    await clock.advance(sum(PAUSES))
    assert gc.get_freeze_count() > 0
    del knot
    gc.collect()
    assert freed() is not None  # a collection does not look at it
    await clock.advance(LATER_PAUSE)
    assert freed() is None
    task.cancel()
