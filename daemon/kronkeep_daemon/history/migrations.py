"""Forward only: what each older version's documents need to become the next version's.

Files of an older version are read as they are, their documents taken through the steps, and a snapshot of
the present version is written before anything is appended. A later version is refused when its header is
read.

    1 -> 2   headers and ends carry a checksum, segments an end; documents are the same
"""

from collections.abc import Callable, Mapping

from kronkeep_daemon.history.journal import VERSION, Entry

Step = Callable[[Entry], Entry]


def _unchanged(entry: Entry) -> Entry:
    return entry


STEPS: Mapping[int, Step] = {1: _unchanged}


def migrate(entry: Entry, version: int) -> Entry:
    """An entry of `version` as one of the present version."""
    for step in range(version, VERSION):
        entry = STEPS[step](entry)
    return entry
