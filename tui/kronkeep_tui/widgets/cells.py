"""Text in cells: spans with a role, cleaned and fitted to a width as terminals count it."""

from collections.abc import Iterable, Sequence
from typing import Self

from rich.cells import cell_len, set_cell_size

from kronkeep_common.text import clean

Span = tuple[str, str]
"""A text and its role (colours.py); roles may be joined by a space."""
Text = tuple[Span, ...]
Cell = str | Text
GROUNDS = frozenset(("cursor", "chosen", "found"))


class Drawn(str):
    """Signs that draw something, and the words that plain mode has in their place."""

    __slots__ = ("words",)
    words: str

    def __new__(cls, signs: str, words: str) -> Self:
        """Signs and words."""
        found = super().__new__(cls, signs)
        found.words = words
        return found


def rule(width: int, title: str = "") -> Span:
    """A line across, with a title in it."""
    lead = f"─── {title} " if title else ""
    return Drawn(lead + "─" * max(0, width - len(lead)), title), "quiet"


_ASCII = str.maketrans({"…": "~", "→": ">", "›": ">", "─": "-", "·": "-"})


def spoken(text: Text) -> Text:
    """Spans for plain mode: words for what is drawn, and ASCII for the signs of our own."""
    return tuple((w.words if isinstance(w, Drawn) else w.translate(_ASCII), role) for w, role in text)


def only_draws(text: Text) -> bool:
    """Whether nothing of a line is left in plain mode."""
    return bool(plain(text).strip()) and not plain(spoken(text)).strip()


def plain(text: Text) -> str:
    """The characters without their roles."""
    return "".join(span[0] for span in text)


def fit(text: str, width: int) -> str:
    """`text` cleaned, in exactly `width` cells; an ellipsis where some was left out."""
    text = clean(text, max(8, width * 4 + 8))
    wide = len(text) if text.isascii() else cell_len(text)
    if wide <= width:
        return text + " " * (width - wide)
    return set_cell_size(text, width - 1) + "…" if width > 0 else ""


def spans(cell: Cell, role: str = "") -> Text:
    """A cell as spans; a plain string takes `role`."""
    return ((cell, role),) if isinstance(cell, str) else cell


def fit_text(text: Iterable[Span], width: int) -> Text:
    """Spans in exactly `width` cells; neighbours that look the same are joined: fewer bytes to send."""
    left = width
    found: list[Span] = []
    for words, role in text:
        if left <= 0:
            break
        words = clean(words, max(8, left * 4 + 8))
        wide = len(words) if words.isascii() else cell_len(words)
        if wide > left:
            words = fit(words, left)
            wide = left
        left -= wide
        if words:
            _join(found, words, role)
    if left > 0:
        _join(found, " " * left, "")
    return tuple(found)


def _join(found: list[Span], words: str, role: str) -> None:
    """Adds a span; blanks look the same in every role that gives no ground."""
    if found and found[-1][1] != role and not (shows_blanks(role) or shows_blanks(found[-1][1])):
        if not words.strip(" "):
            role = found[-1][1]
        elif not found[-1][0].strip(" "):
            found[-1] = (found[-1][0], role)
    if found and found[-1][1] == role:
        words = found.pop()[0] + words
    found.append((words, role))


def shows_blanks(role: str) -> bool:
    """Whether blanks are seen in a role: it gives a ground of its own."""
    return bool(GROUNDS.intersection(role.split()))


def over(text: Text, role: str) -> Text:
    """Spans with one more role on each of them."""
    return tuple((words, f"{own} {role}".strip()) for words, own in text)


def wrap(words: str, width: int) -> list[str]:
    """Lines of at most `width` cells, broken at spaces where there are any; never no line."""
    lines = []
    line = ""
    for word in clean(words).split(" "):
        while cell_len(word) > width > 0:
            if line:
                lines.append(line)
                line = ""
            head = _head(word, width)
            lines.append(head)
            word = word[len(head) :]
        joined = f"{line} {word}" if line else word
        if cell_len(joined) > width:
            lines.append(line)
            joined = word
        line = joined
    return [*lines, line]


def _head(word: str, width: int) -> str:
    """The first characters that fit in `width` cells, at least one."""
    cells = 0
    for number, letter in enumerate(word):
        cells += cell_len(letter)
        if cells > width and number:
            return word[:number]
    return word


def columns(left: Sequence[Text], right: Sequence[Text], half: int, gap: int = 3) -> list[Text]:
    """Two lists of lines side by side, the left one `half` cells wide."""
    rows = max(len(left), len(right))
    found = []
    for row in range(rows):
        first = fit_text(left[row] if row < len(left) else (), half)
        second = right[row] if row < len(right) else ()
        found.append((*first, (" " * gap, ""), *second))
    return found
