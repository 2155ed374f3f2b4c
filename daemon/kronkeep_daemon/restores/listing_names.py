"""The exact names of a snapshot's files, where restic's JSON does not have them; pure.

The JSON of `restic ls` has U+FFFD for each byte that is not UTF-8 (seen with 0.14 and 0.19). Its plain
listing has the bytes: a path a line, in the same order. A name with line feeds takes several lines, and the
JSON tells how many; after one at its end an empty line follows with 0.14, and none with 0.19.
"""

import os
from collections.abc import Callable, Iterator

import msgspec

from kronkeep_common import path_text
from kronkeep_common.models import SnapshotFile

UNKNOWN = "\N{REPLACEMENT CHARACTER}"


class NameParser:
    """A parser of the plain listing, which gives entries of the JSON listing their exact names.

    entries: of the JSON listing, in its order; there may be more, of another snapshot.
    write: takes each entry with its name. Where the listings differ, names are not exact from there on.
    """

    def __init__(self, entries: Iterator[SnapshotFile], write: Callable[[SnapshotFile], None]) -> None:
        self._entries = entries
        self._write = write
        self._entry = next(entries, None)
        self._lines: list[bytes] = []
        self._has_begun = False
        self._is_aligned = True

    def add_line(self, line: bytes) -> None:
        """Take the next line; those before the first path describe the snapshot."""
        self._has_begun = self._has_begun or line.startswith(b"/")
        is_rest_of_last = not self._lines and not line
        if not self._has_begun or not self._is_aligned or self._entry is None or is_rest_of_last:
            return
        self._lines.append(line)
        known = path_text.unescape(self._entry.path)
        line_feed = "\n" if known.endswith("\n") else ""
        if len(self._lines) < known.count("\n") + (not line_feed):
            return
        path = os.fsdecode(b"\n".join(self._lines)) + line_feed
        self._lines.clear()
        if _as_json(path) != known:
            self._is_aligned = False
            return
        name = path_text.escape(path.rpartition("/")[2])
        self._write(msgspec.structs.replace(self._entry, path=path_text.escape(path), name=name))
        self._entry = next(self._entries, None)

    def close(self) -> None:
        """Write the entries that the plain listing did not have."""
        while self._entry is not None:
            self._write(msgspec.structs.replace(self._entry, exact=UNKNOWN not in self._entry.path))
            self._entry = next(self._entries, None)


def _as_json(path: str) -> str:
    """Return a path as restic's JSON has it."""
    return "".join(UNKNOWN if "\udc80" <= char <= "\udcff" else char for char in path)
