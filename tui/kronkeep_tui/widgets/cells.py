"""Spans of text with roles, cleaned and fitted to a width in terminal cells."""

from collections.abc import Iterable, Sequence
from typing import Self

from rich.cells import cell_len, set_cell_size

from kronkeep_common.text import clean

Span = tuple[str, str]
"""A text and its role (colours.py); roles may be joined by a space."""
Text = tuple[Span, ...]
Cell = str | Text
MOST_LETTERS_PER_CELL = 4  # that are measured: a letter may have marks that take no cells
GROUNDS = frozenset(("cursor", "chosen", "found"))


class Drawing(str):
    """Characters that draw something, with the words that replace them in plain mode."""

    __slots__ = ("words",)
    words: str

    def __new__(cls, signs: str, words: str) -> Self:
        drawn = super().__new__(cls, signs)
        drawn.words = words
        return drawn


class Moment(str):
    """How long ago or how far ahead a moment is, with the clock time that may stand in its place.

    `stamp` is the whole moment (RFC 3339), for files.
    """

    __slots__ = ("clock", "stamp")
    clock: str
    stamp: str

    def __new__(cls, age: str, clock: str, stamp: str = "") -> Self:
        moment = super().__new__(cls, age)
        moment.clock = clock
        moment.stamp = stamp or age
        return moment


def with_clock_times(text: Text) -> Text:
    """Return spans with clock times in the place of ages."""
    return tuple((words.clock if isinstance(words, Moment) else words, role) for words, role in text)


def rule(width: int, title: str = "") -> Span:
    """Return a horizontal line with a title in it."""
    lead = f"─── {title} " if title else ""
    return Drawing(lead + "─" * max(0, width - len(lead)), title), "quiet"


_ASCII = str.maketrans({"…": "~", "→": ">", "›": ">", "─": "-", "·": "-"})


def replace_drawings(text: Text) -> Text:
    """Return spans for plain mode: words for drawings, ASCII for kronkeep's own signs."""
    return tuple((w.words if isinstance(w, Drawing) else w.translate(_ASCII), role) for w, role in text)


def only_draws(text: Text) -> bool:
    """Whether a line is empty in plain mode."""
    return bool(plain(text).strip()) and not plain(replace_drawings(text)).strip()


def plain(text: Text) -> str:
    """Return the characters without their roles."""
    return "".join(span[0] for span in text)


def fit(text: str, width: int) -> str:
    """Clean `text` and fit it into exactly `width` cells, with an ellipsis if it was cut."""
    text = clean(text, max(8, width * MOST_LETTERS_PER_CELL + 8))
    wide = len(text) if text.isascii() else cell_len(text)
    if wide <= width:
        return text + " " * (width - wide)
    return set_cell_size(text, width - 1) + "…" if width > 0 else ""


def spans(cell: Cell, role: str = "") -> Text:
    """Return a cell as spans; a plain string gets `role`."""
    return ((cell, role),) if isinstance(cell, str) else cell


def fit_text(text: Iterable[Span], width: int) -> Text:
    """Fit spans into exactly `width` cells; join neighbours that look the same, to send fewer bytes."""
    left = width
    fitted: list[Span] = []
    for words, role in text:
        if left <= 0:
            break
        words = clean(words, max(8, left * MOST_LETTERS_PER_CELL + 8))
        wide = len(words) if words.isascii() else cell_len(words)
        if wide > left:
            words = fit(words, left)
            wide = left
        left -= wide
        if words:
            _append_span(fitted, words, role)
    if left > 0:
        _append_span(fitted, " " * left, "")
    return tuple(fitted)


def _append_span(fitted: list[Span], words: str, role: str) -> None:
    """Append a span, joining blanks to their neighbour in every role without a background."""
    if fitted and fitted[-1][1] != role and not (shows_blanks(role) or shows_blanks(fitted[-1][1])):
        if not words.strip(" "):
            role = fitted[-1][1]
        elif not fitted[-1][0].strip(" "):
            fitted[-1] = (fitted[-1][0], role)
    if fitted and fitted[-1][1] == role:
        words = fitted.pop()[0] + words
    fitted.append((words, role))


def shows_blanks(role: str) -> bool:
    """Whether blanks are visible in a role, because it has a background."""
    return bool(GROUNDS.intersection(role.split()))


def add_role(text: Text, role: str) -> Text:
    """Add a role to every span."""
    return tuple((words, f"{own} {role}".strip()) for words, own in text)


def wrap(words: str, width: int) -> list[str]:
    """Break text at spaces into lines of at most `width` cells; always at least one line."""
    lines = []
    line = ""
    for word in clean(words).split(" "):
        while width > 0 and _is_wider(word, width):
            if line:
                lines.append(line)
                line = ""
            head = _leading_part(word, width)
            lines.append(head)
            word = word[len(head) :]
        joined = f"{line} {word}" if line else word
        if cell_len(joined) > width:
            lines.append(line)
            joined = word
        line = joined
    return [*lines, line]


def wrap_anywhere(text: str, width: int) -> list[str]:
    """Break text into one or more lines of at most `width` cells, between any two letters."""
    rest = clean(text)
    lines = []
    while _is_wider(rest, width):
        head = _leading_part(rest, width)
        lines.append(head)
        rest = rest[len(head) :]
    return [*lines, rest]


def wrap_facts(lines: Iterable[Text], width: int) -> list[Text]:
    """Break lines of facts, of which each begins with two blanks, between two of them."""
    return [part for line in lines for part in _break_between_facts(line, width)]


def _break_between_facts(text: Text, width: int) -> list[Text]:
    lines: list[list[Span]] = [[]]
    room = width
    for fact in _facts_of(text):
        cells = sum(cell_len(words) for words, _ in fact)
        if cells > room and lines[-1]:
            lines.append([])
            room = width
        lines[-1] += fact
        room -= cells
    return [tuple(line) for line in lines]


def _facts_of(text: Text) -> list[list[Span]]:
    """Return the spans of a line, those of one fact together."""
    facts: list[list[Span]] = [[]]
    for words, role in text:
        if words.startswith("  ") and words.strip() and facts[-1]:
            facts.append([])
        facts[-1].append((words, role))
    return facts


def _is_wider(text: str, width: int) -> bool:
    """Whether text takes more cells; a long one is not measured, as that would be done for each line."""
    return len(text) > MOST_LETTERS_PER_CELL * width + 8 or cell_len(text) > width


def _leading_part(word: str, width: int) -> str:
    """Return the first characters that fit into `width` cells, at least one."""
    cells = 0
    for number, letter in enumerate(word):
        cells += cell_len(letter)
        if cells > width and number:
            return word[:number]
    return word


def put_side_by_side(left: Sequence[Text], right: Sequence[Text], half: int, gap: int = 3) -> list[Text]:
    """Put two lists of lines side by side; the left one is `half` cells wide."""
    rows = max(len(left), len(right))
    lines = []
    for row in range(rows):
        first = fit_text(left[row] if row < len(left) else (), half)
        second = right[row] if row < len(right) else ()
        lines.append((*first, (" " * gap, ""), *second))
    return lines
