"""Collections of garbage that hold the event loop for less: what stays for long is left out of them.

With a hundred clusters a full collection looks at 100,000 objects for 100 ms, several times in a minute, and
finds nothing, since almost all belong to tasks and connections that stay. So these are set aside.
What becomes garbage among them would stay as well: once an hour everything is looked at.

What a batch of a hundred records needs is gone once they are durable. A collection that comes later does not
look at it; at 10,000 objects it takes less than a millisecond.
"""

import gc
from itertools import chain, repeat

from kronkeep_common.clock import Clock

YOUNG_OBJECTS = 10_000  # made and kept since the last collection, for one of the young; Python's own is 700
PAUSES = (5.0, 60.0)  # seconds after the start: the first lists, and what follows them
LATER_PAUSE = 3600.0


def set_modules_aside() -> None:
    """Leave what was imported out of all collections, and let the young objects be collected later."""
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


async def set_objects_aside(clock: Clock) -> None:
    """Collect all garbage and set the rest aside, again and again."""
    for seconds in chain(PAUSES, repeat(LATER_PAUSE)):
        await clock.sleep(seconds)
        gc.unfreeze()
        gc.collect()
        gc.freeze()
