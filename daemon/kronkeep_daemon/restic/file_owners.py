"""Whose file a line of restic is about: the storage's, the target's, restic's own temporary one; pure.

A full or read-only file system has the same words wherever it is: "write /repository/locks/…: no space left
on device" is about the storage, "write /target/…" about what is restored to.
"""

import re
from typing import Literal

from kronkeep_common import path_text
from kronkeep_common.text import shorten_middle

LONGEST_QUOTE = 160  # characters
FileOwner = Literal["storage", "target", "scratch", "other", "unknown"]
_OWNER_OF_PREFIX: dict[str, FileOwner] = {
    "/repository/": "storage",  # where a storage that is a volume is mounted
    "/target/": "target",  # where what is restored to is mounted
    "/tmp/restic-": "scratch",  # noqa: S108 - restic collects new packs there
    "/kronkeep/cache/": "scratch",
}
_CLAUSE_END = re.compile(r': |":"')  # between restic's clauses, and before a text in its JSON
_PATH = re.compile(r"""(?:^|[\s"(])(/[^/\s:"]+(?:/[^/\s:"]+)?)""")


def owner_in_line(line: str, words: str) -> FileOwner:
    """Return whose file `words` are said of; `unknown` where the line names no path.

    The path stands right before the words: "ignoring error for /source/a: write /target/source/a: no space
    left on device" is about /target.
    """
    before = line[: line.lower().index(words)].rstrip(": ")
    match = _PATH.search(before.rsplit(": ", 1)[-1]) or _PATH.search(before)
    if match is None:
        return "unknown"
    path = f"{match[1]}/"
    return next((owner for prefix, owner in _OWNER_OF_PREFIX.items() if path.startswith(prefix)), "other")


def quote_line(line: str, words: str) -> str:
    """Return the words with what they are said of, as `open /repository/locks/ab: permission denied`."""
    before = line[: line.lower().index(words)].rstrip(': "')
    return shorten_middle(
        path_text.escape_message(f"{_CLAUSE_END.split(before)[-1]}: {words}"), LONGEST_QUOTE
    )
