"""Fewer bytes for the same picture: of each colour sequence (SGR, ECMA-48) only the difference is sent.

rich writes each segment's whole style and a reset after it, 45 bytes for a segment in true colour. Most
neighbours differ in the foreground alone, which takes 17.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from textual.driver import Driver

_SEQUENCE = re.compile(r"\x1b\[([0-9;]*)m|(\x1b\[[?>]?[0-9;]*[A-Za-ln-z])")
_FLAGS = frozenset("123456789")
_WIDE = {"5": 3, "2": 5}  # how many parameters a colour of 256 and one of all takes (ISO 8613-6)


class TextStyle(NamedTuple):
    """How text is drawn: the flags that are set, and the parameters of the colours; empty for the default."""

    flags: frozenset[str] = frozenset()
    fore: str = ""
    back: str = ""


PLAIN = TextStyle()


@lru_cache(maxsize=1024)
def parse_style(parameters: str) -> TextStyle | None:
    """Return the style of a whole sequence's parameters, None for parameters that rich does not write."""
    flags: set[str] = set()
    fore = back = ""
    words = parameters.split(";")
    at = 0
    while at < len(words):
        word = words[at]
        wide = _WIDE.get(words[at + 1], 0) if word in ("38", "48") and at + 1 < len(words) else 1
        colour = ";".join(words[at : at + wide])
        if word in _FLAGS:
            flags.add(word)
        elif wide and re.fullmatch(r"3\d|9\d", word):
            fore = colour
        elif wide and re.fullmatch(r"4\d|10\d", word):
            back = colour
        else:
            return None
        at += wide
    return TextStyle(frozenset(flags), fore, back)


@lru_cache(maxsize=4096)
def style_change(before: TextStyle, after: TextStyle) -> str:
    """Return the shortest sequence that changes one style to another."""
    if before == after:
        return ""
    if before.flags - after.flags or (before.fore and not after.fore) or (before.back and not after.back):
        whole = [*sorted(after.flags), after.fore, after.back]
        return f"\x1b[{';'.join(['0', *filter(None, whole)])}m"
    fresh = [
        *sorted(after.flags - before.flags),
        after.fore if after.fore != before.fore else "",
        after.back if after.back != before.back else "",
    ]
    return f"\x1b[{';'.join(filter(None, fresh))}m"


def shorten(data: str, has_colours: bool = True) -> str:
    """Return a shorter text that draws the same; `data` begins and ends in the default style, as a frame.

    Without `has_colours` the flags stay and the colours go.
    """
    parts: list[str] = []
    shown = asked = PLAIN
    at = 0
    for match in _SEQUENCE.finditer(data):
        if match.start() > at:
            parts += (style_change(shown, asked), data[at : match.start()])
            shown = asked
        at = match.end()
        if match[2]:
            if not match[2].endswith("H"):  # erasing fills with the current background colour
                parts.append(style_change(shown, PLAIN))
                shown = PLAIN
            parts.append(match[2])
        elif match[1] in ("", "0"):
            asked = PLAIN
        elif (look := parse_style(match[1])) is None:
            return data
        else:
            asked = _overlay(asked, look if has_colours else look._replace(fore="", back=""))
    if rest := data[at:]:
        parts += (style_change(shown, asked), rest)
        shown = asked
    return "".join((*parts, style_change(shown, PLAIN)))


def _overlay(under: TextStyle, look: TextStyle) -> TextStyle:
    return TextStyle(under.flags | look.flags, look.fore or under.fore, look.back or under.back)


def shortening_driver(driver: type[Driver], *, has_colours: bool = True) -> type[Driver]:
    """Return a subclass of a driver that shortens what it writes; without `has_colours` it sends none."""

    class ShorteningDriver(driver):  # type: ignore[misc, valid-type]  # Textual chooses the driver when it runs
        def write(self, data: str) -> None:
            super().write(shorten(data, has_colours) if "\x1b[0m" in data else data)

    return ShorteningDriver
