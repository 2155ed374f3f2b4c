"""The script that moves restored files to their place, all of them or none, and its command lines; pure.

A shell script, because it runs in the archives' image, which need not have more than restic and busybox. Its
paths are arguments. Kubernetes replaces `$(NAME)` and `$$` in commands: the script has neither.
"""

from collections.abc import Iterable
from importlib.resources import files
from typing import NamedTuple

NOTHING_MOVED = 2
PUT_BACK = 3
NOT_PUT_BACK = 4


class Move(NamedTuple):
    """What is to be moved: from a stage to a target on the same file system.

    old: the folder on that file system that becomes the journal, and holds what is replaced until the end.
    """

    stage: str
    target: str
    old: str


def _read_script() -> str:
    text = files(__package__).joinpath("move.sh").read_text()
    return "".join(line for line in text.splitlines(keepends=True) if line.strip()[:1] not in ("", "#"))


SCRIPT = _read_script()


def move_argv(moves: Iterable[Move]) -> list[str]:
    """Move everything, or nothing: exit codes NOTHING_MOVED, PUT_BACK, NOT_PUT_BACK."""
    return _argv("move", moves)


def recover_argv(moves: Iterable[Move]) -> list[str]:
    """Finish or undo a move that was killed; exit code NOT_PUT_BACK where neither is possible."""
    return _argv("recover", moves)


def _argv(mode: str, moves: Iterable[Move]) -> list[str]:
    return ["sh", "-c", SCRIPT, "move", mode, *(path for move in moves for path in move)]
