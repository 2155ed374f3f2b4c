"""Record a tour of the terminal as an asciinema file (version 2): python -m tests.ui.tour FILE.

The terminal runs on a real pty over a canned daemon. What it writes is timed by the steps below and not by a
clock, so that the same code records the same file.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.ui.terminal import kronkeep

COLUMNS = 168
ROWS = 42


class Step(NamedTuple):
    """Keys, how many seconds their effect is looked at, and what the screen must say then."""

    keys: bytes
    seconds: float
    text: str


TOUR = (
    Step(b"", 4, "NEEDS ATTENTION"),
    Step(b"\r", 4, "OOMKilled"),
    Step(b"8", 5, "runs at once"),
    Step(b"+", 2, "zoom out"),
    Step(b"_", 1.5, "zoom out"),
    Step(b"[", 2, "earlier"),
    Step(b"n", 2, "03:14"),
    Step(b"Sl", 3, "sort: length"),
    Step(b"z", 3, "faults only"),
    Step(b"z", 1, "The night"),
    Step(b"3", 4, "TREND"),
    Step(b"j", 2, "pg-wal-hourly"),
    Step(b"6", 3, "s3-eu"),
    Step(b"?", 4, "Keys in storages"),
    Step(b"\x1b", 2, "Storages"),
)


def record() -> Iterator[str]:
    """The lines of the file: the header, then what was written and when."""
    yield json.dumps({"version": 2, "width": COLUMNS, "height": ROWS, "title": "kronkeep"})
    moment = 0.5
    with kronkeep("night", COLUMNS, ROWS, start="overview") as terminal:
        data = terminal.wait_for(b"runs at once").data + terminal.settle().data
        for step in TOUR:
            data += terminal.press(step.keys).data if step.keys else b""
            event: list[Any] = [moment, "o", data.decode(errors="replace")]
            yield json.dumps(event, ensure_ascii=False)
            moment += step.seconds
            data = b""
    yield json.dumps([moment, "o", ""])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text("".join(f"{line}\n" for line in record()))
