"""The files that `restic backup` could not read: each once, with the reason in words; pure.

restic reports a file while it scans and again while it archives it. 0.14 gives the number of the error, or
nothing for a folder; later versions give a text.
"""

import os
from collections import Counter
from typing import NamedTuple

from kronkeep_common import path_text
from kronkeep_common.json_decoding import JsonObject
from kronkeep_common.text import clean, shorten_middle
from kronkeep_daemon.restic import output

MOST_WARNINGS = 20
LONGEST_PATH = 200  # characters
NO_REASON = "restic does not say why"
_LOST_AND_FOUND = "lost+found"


class UnreadableFile(NamedTuple):
    """A file or folder that is not in the snapshot, or not whole."""

    path: str
    reason: str

    @property
    def is_harmless(self) -> bool:
        """Whether it is the folder that a file system makes for itself at the root of a claim."""
        parts = self.path.split("/")
        return len(parts) == 4 and parts[1] == "source" and parts[3] == _LOST_AND_FOUND


def parse(log: bytes) -> list[UnreadableFile]:
    """Return all files of the `error` lines, each once; the first reason that is known counts."""
    reasons: dict[str, str] = {}
    for obj in output.parse_objects(log):
        if obj.get("message_type") == "error":
            path = _path_of(obj)
            if reasons.get(path, NO_REASON) == NO_REASON:
                reasons[path] = _reason_of(obj)
    return [UnreadableFile(path, reason) for path, reason in reasons.items()]


def warnings_of(files: list[UnreadableFile]) -> tuple[str, ...]:
    """Return a line a file; after MOST_WARNINGS how many more there are.

    A path is in the form that commands take back, and cut in the middle where it is too long.
    """
    lines = [
        f"{shorten_middle(path_text.escape(file.path), LONGEST_PATH)}: {file.reason}"
        for file in files[:MOST_WARNINGS]
    ]
    rest = len(files) - MOST_WARNINGS
    return (*lines, f"{rest} more could not be read.") if rest > 0 else tuple(lines)


def summarize(files: list[UnreadableFile]) -> str:
    """Return how many there are, and how many for which reason: `3 files (permission denied: 3)`."""
    counts = Counter(file.reason for file in files).most_common(4)
    reasons = ", ".join(f"{reason}: {count}" for reason, count in counts)
    return f"{len(files)} {'file' if len(files) == 1 else 'files'} ({reasons})"


def _path_of(obj: JsonObject) -> str:
    error = obj.get("error")
    path = obj.get("item") or (error.get("Path") if isinstance(error, dict) else None)
    return str(path or "")


def _reason_of(obj: JsonObject) -> str:
    error = obj.get("error")
    if isinstance(error, dict):
        error = error.get("message") or error.get("Err")
    if isinstance(error, int) and not isinstance(error, bool) and 0 < error < 4096:
        return os.strerror(error).lower()
    if not isinstance(error, str) or not error:
        return NO_REASON
    return clean(_without_path(error, _path_of(obj)), output.LONGEST_MESSAGE)


def _without_path(text: str, path: str) -> str:
    """Return what follows the path in a text such as `open /source/data/a: permission denied`."""
    _, names_path, rest = text.partition(f"{path}: ") if path else ("", "", "")
    return rest if names_path and rest else text
