"""The command lines of README and docs, as one would paste them."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
_END = re.compile(r"\s(\||>|&&)\s")  # what follows is another program's


class ManualLine(NamedTuple):
    """Words after `kronkeep`, and the page and line where they stand."""

    place: str
    words: list[str]


def read_manual_lines() -> Iterator[ManualLine]:
    """Yield the lines in blocks of code that begin with `kronkeep`, without comments and other programs."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        lines = page.read_text().splitlines()
        for number, line in enumerate(lines, 1):
            if not line.startswith("    kronkeep "):
                continue
            text = line
            for following in lines[number:]:
                if not text.endswith("\\"):
                    break
                text = text[:-1] + following.strip()
            if "..." not in text:
                words = shlex.split(_END.split(text)[0], comments=True)[1:]
                yield ManualLine(f"{page.name}:{number}", words)
