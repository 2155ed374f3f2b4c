"""The files that restic names in its log with an error, and the log without their names; pure.

A file's name may hold anything, such as the words for a full disk, so reasons are looked for in the log
without names. `restic restore` before 0.16 prints names as they are, later versions and `restic backup` in
JSON, with U+FFFD for each byte that is not UTF-8.
"""

from collections.abc import Iterator
from typing import NamedTuple

from kronkeep_common import path_text
from kronkeep_common.json_decoding import JsonObject, decode_or_none
from kronkeep_common.text import shorten_middle
from kronkeep_daemon.restic import output

LOST_BYTES = "\ufffd"
LONGEST_PATH = 120  # characters
LONGEST_REASON = 200
_BEGIN = "ignoring error for "
_MOST_LINES = 20  # of one file, whose name may have line feeds
_MOST_COLONS = 64  # in a file's error; its name may end at each of them
_NAME = "/\u2026"  # stands for a file's path in the log without names


class FailedFile(NamedTuple):
    """A file by its path in the snapshot, and restic's words, which have the path once more or not."""

    path: str
    error: str

    @property
    def reason(self) -> str:
        """The words without the operation and the path: `permission denied` of `open /target/a: ...`."""
        _, names_path, rest = self.error.partition(f"{self.path}: ")
        return rest if names_path and rest else self.error

    @property
    def shown(self) -> str:
        """The path, in the form that commands take back, with the reason."""
        path = shorten_middle(path_text.escape(self.path), LONGEST_PATH)
        return f"{path}: {shorten_middle(path_text.escape_message(self.reason), LONGEST_REASON)}"


class LogLine(NamedTuple):
    """A line of the log without names, and the file that it is about."""

    text: str
    file: FailedFile | None = None

    @property
    def shown(self) -> str:
        """The line for people, with the file's name."""
        if self.file is not None:
            return self.file.shown
        return shorten_middle(path_text.escape_message(self.text), output.LONGEST_MESSAGE)


def read_lines(log: bytes) -> list[LogLine]:
    """Return the lines of a log without the kubelet's times, with one for each file."""
    texts = map(output.without_time, log.split(b"\n"))
    lines = [text.decode("utf-8", "surrogateescape") for text in texts]
    return [_line_of(entry) for entry in _join_names(lines) if entry]


def _join_names(lines: list[str]) -> Iterator[str]:
    """Yield the lines; those that a name with line feeds was broken into are one."""
    at = 0
    while at < len(lines):
        count = _count_lines(lines, at) if lines[at].startswith(_BEGIN) else 1
        yield "\n".join(lines[at : at + count])
        at += count


def _count_lines(lines: list[str], at: int) -> int:
    """Return how many lines the entry of a file has: with them its error repeats the longest path."""
    best = 1
    longest = len(_path_in_error(lines[at]))
    for count in range(2, min(_MOST_LINES, len(lines) - at) + 1):
        if lines[at + count - 1].startswith(_BEGIN):
            break
        length = len(_path_in_error("\n".join(lines[at : at + count])))
        if length > longest:
            best = count
            longest = length
    return best


def _path_in_error(entry: str) -> str:
    """Return the path of an entry whose error repeats it; empty where it does not."""
    file = _split(entry)
    return file.path if file.path in file.error else ""


def _split(entry: str) -> FailedFile:
    """Return path and error; a path may have colons: the longest one that the error repeats is taken."""
    words = entry.removeprefix(_BEGIN).split(": ", _MOST_COLONS)
    files = [FailedFile(": ".join(words[:at]), ": ".join(words[at:])) for at in range(1, len(words))]
    repeated = [file for file in files if file.path in file.error]
    return (repeated[-1:] or files[:1] or [FailedFile(words[0], "")])[0]


def _line_of(entry: str) -> LogLine:
    file = _split(entry) if entry.startswith(_BEGIN) else _file_in_json(entry)
    return LogLine(entry) if file is None else LogLine(file.error.replace(file.path, _NAME), file)


def _file_in_json(line: str) -> FailedFile | None:
    message = decode_or_none(line.encode("utf-8", "replace"), JsonObject) if line.startswith("{") else None
    if message is None or message.get("message_type") != "error":
        return None
    path = message.get("item")
    error = output.error_text(message)
    if not isinstance(path, str) or not path:
        return None
    return FailedFile(path, error if isinstance(error, str) else "")
