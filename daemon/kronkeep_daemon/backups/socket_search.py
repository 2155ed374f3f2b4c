"""The search for sockets in what is archived: restic leaves them out and does not say so; pure.

The first archive of a policy looks for them, and names them once; it reads everything anyway.
"""

import os

from kronkeep_common import path_text
from kronkeep_common.text import shorten_middle

STEP = "sockets"
MOST_EXAMPLES = 3
# What cannot be read is no fault here: restic reports it. `paths` begin with a slash.
_SCRIPT = 'find "$@" -type s -exec printf "%s\\0\\n" {} + 2>/dev/null; exit 0'


def argv(paths: list[str]) -> list[str]:
    """List the sockets at and below the paths; always succeeds."""
    return ["sh", "-c", _SCRIPT, "sh", *paths]


def warnings_of(log: bytes) -> tuple[str, ...]:
    """Return what the search's log says, as a sentence; nothing where there are no sockets."""
    paths = [os.fsdecode(path) for path in log.split(b"\0\n")[:-1]]
    if not paths:
        return ()
    sockets = "1 socket is" if len(paths) == 1 else f"{len(paths)} sockets are"
    shown = "; ".join(shorten_middle(path_text.escape(path), 150) for path in paths[:MOST_EXAMPLES])
    more = "; ..." if len(paths) > MOST_EXAMPLES else ""
    return (f"{sockets} not archived, as restic leaves them out; programs make theirs anew: {shown}{more}",)
