"""Collections of garbage that hold the event loop for less: what stays for long is left out of them.

With a hundred clusters a full collection looks at 100,000 objects for 100 ms, several times in a minute, and
finds nothing, since almost all belong to tasks and connections that stay. So these are set aside.
What becomes garbage among them would stay as well: once an hour everything is looked at.
"""

import gc
from itertools import chain, repeat

from kronkeep_common.clock import Clock

PAUSES = (5.0, 60.0)  # seconds after the start: the first lists, and what follows them
LATER_PAUSE = 3600.0


async def set_objects_aside(clock: Clock) -> None:
    """Collect all garbage and set the rest aside, again and again."""
    for seconds in chain(PAUSES, repeat(LATER_PAUSE)):
        await clock.sleep(seconds)
        gc.unfreeze()
        gc.collect()
        gc.freeze()
