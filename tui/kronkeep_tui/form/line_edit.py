"""One line being edited; pure: a key makes the next line, or is not the line's."""

from collections.abc import Callable
from typing import NamedTuple


class Line(NamedTuple):
    """A text and the place of the cursor in it."""

    text: str = ""
    at: int = 0

    def typed(self, text: str) -> "Line":
        """With text put in at the cursor."""
        return Line(self.text[: self.at] + text + self.text[self.at :], self.at + len(text))

    def press(self, key: str, character: str | None) -> "Line | None":
        """After a key; None for one that the line does not take."""
        if key in _MOVES:
            return _MOVES[key](self)
        if character is not None and character.isprintable():
            return self.typed(character)
        return None


def _word_before(line: Line) -> int:
    left = line.text[: line.at].rstrip(" ")
    return len(left) - len(left.rsplit(" ", 1)[-1])


def _word_after(line: Line) -> int:
    rest = line.text[line.at :]
    skipped = len(rest) - len(rest.lstrip(" "))
    return line.at + skipped + len(rest.lstrip(" ").split(" ", 1)[0])


_MOVES: dict[str, Callable[[Line], Line]] = {
    "left": lambda line: line._replace(at=max(0, line.at - 1)),
    "right": lambda line: line._replace(at=min(len(line.text), line.at + 1)),
    "home": lambda line: line._replace(at=0),
    "ctrl+a": lambda line: line._replace(at=0),
    "end": lambda line: line._replace(at=len(line.text)),
    "ctrl+e": lambda line: line._replace(at=len(line.text)),
    "ctrl+left": lambda line: line._replace(at=_word_before(line)),
    "ctrl+right": lambda line: line._replace(at=_word_after(line)),
    "backspace": lambda line: Line(
        line.text[: max(0, line.at - 1)] + line.text[line.at :], max(0, line.at - 1)
    ),
    "ctrl+h": lambda line: _MOVES["backspace"](line),
    "delete": lambda line: Line(line.text[: line.at] + line.text[line.at + 1 :], line.at),
    "ctrl+w": lambda line: Line(line.text[: _word_before(line)] + line.text[line.at :], _word_before(line)),
    "ctrl+u": lambda line: Line(line.text[line.at :], 0),
    "ctrl+k": lambda line: Line(line.text[: line.at], line.at),
}
