"""The signs that the night is drawn with: eighths of a cell where the terminal has them, else halves."""

from collections.abc import Sequence
from typing import NamedTuple

from kronkeep_tui.pages.status_words import BLOCKS, ENDS, has_few_signs
from kronkeep_tui.widgets.cells import Drawing, Span, Text, shows_blanks


class Signs(NamedTuple):
    """Signs of a font: `ends` are blocks that fill a cell from the left, `levels` from below."""

    ends: str
    levels: str
    missed: str


EIGHTHS = Signs(ends=ENDS, levels=f" {BLOCKS}", missed="○")
HALVES = Signs(ends="  ▌▌▌▌▌██", levels="  ▄▄▄▄▄██", missed="o")
FULL = "█"
RIGHT_HALF = "▐"
ARCHIVE = "▄"
MANY = "▒"  # several runs in one cell
PLANNED = "░"
WAIT = "─"
NOW_LINE = "│"
BEFORE_SELECTED = "["
AFTER_SELECTED = "]"
MARKS = {"failed": "x", "cancelled": "c", "unknown": "?", "partial": "p"}
"""What stands at the end of a bar that did not end well: colour is never the only sign."""


def signs_of_terminal() -> Signs:
    """Return the signs that the terminal has."""
    return HALVES if has_few_signs() else EIGHTHS


class Canvas:
    """A line of cells, each a sign with a role; what is painted later covers what was there."""

    def __init__(self, columns: int) -> None:
        self._signs = [" "] * columns
        self._roles = [""] * columns

    def put(self, column: int, sign: str, role: str) -> None:
        """Paint a cell; do nothing outside the line."""
        if 0 <= column < len(self._signs):
            self._signs[column] = sign
            self._roles[column] = role

    def put_if_free(self, column: int, sign: str, role: str) -> None:
        """Paint a cell that is empty."""
        if 0 <= column < len(self._signs) and self._signs[column] == " ":
            self.put(column, sign, role)

    def fill(self, first: int, end: int, sign: str, role: str) -> None:
        """Paint the cells from `first` on, before `end`."""
        for column in range(max(0, first), min(end, len(self._signs))):
            self._signs[column] = sign
            self._roles[column] = role

    def write(self, column: int, words: str, role: str) -> None:
        """Write characters from a column on."""
        for number, letter in enumerate(words):
            self.put(column + number, letter, role)

    def is_free(self, first: int, end: int) -> bool:
        """Whether all cells from `first` on, before `end`, are empty."""
        return all(sign == " " for sign in self._signs[max(0, first) : max(0, end)])

    def as_text(self, words: str) -> Text:
        """Return the line; in plain mode `words` stand in its place."""
        spans = join_cells(self._signs, self._roles)
        drawn: list[Span] = [(Drawing(signs, ""), role) for signs, role in spans]
        signs, role = spans[0] if spans else ("", "")
        return ((Drawing(signs, words), role), *drawn[1:])


def join_cells(signs: Sequence[str], roles: Sequence[str]) -> list[Span]:
    """Return cells as spans; a blank takes the role of the cell before it, unless that would show."""
    spans: list[Span] = []
    start = 0
    current = roles[0] if roles else ""
    for number, role in enumerate(roles):
        if role != current and (signs[number] != " " or shows_blanks(current)):
            spans.append(("".join(signs[start:number]), current))
            start = number
            current = role
    spans.append(("".join(signs[start:]), current))
    return spans
