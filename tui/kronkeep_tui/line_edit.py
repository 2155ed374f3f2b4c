"""One line of text while it is edited; pure: a key makes the next line."""

from collections.abc import Callable
from typing import NamedTuple


class EditedLine(NamedTuple):
    """A text and the position of the cursor in it."""

    text: str = ""
    cursor: int = 0

    def insert(self, text: str) -> "EditedLine":
        """Insert text at the cursor."""
        return EditedLine(self.text[: self.cursor] + text + self.text[self.cursor :], self.cursor + len(text))

    def press(self, key: str, character: str | None) -> "EditedLine | None":
        """Return the line after a key; None where the key does not edit a line."""
        if key in _KEYS:
            return _KEYS[key](self)
        if character is not None and character.isprintable():
            return self.insert(character)
        return None


def _move(line: EditedLine, cursor: int) -> EditedLine:
    return line._replace(cursor=max(0, min(len(line.text), cursor)))


def _cut(line: EditedLine, start: int, end: int) -> EditedLine:
    return EditedLine(line.text[: max(0, start)] + line.text[end:], max(0, start))


def _word_start(line: EditedLine) -> int:
    """Return where the word before the cursor begins."""
    left = line.text[: line.cursor].rstrip(" ")
    return len(left) - len(left.rsplit(" ", 1)[-1])


def _word_end(line: EditedLine) -> int:
    """Return where the word after the cursor ends."""
    rest = line.text[line.cursor :]
    spaces = len(rest) - len(rest.lstrip(" "))
    return line.cursor + spaces + len(rest.lstrip(" ").split(" ", 1)[0])


def _move_left(line: EditedLine) -> EditedLine:
    return _move(line, line.cursor - 1)


def _move_right(line: EditedLine) -> EditedLine:
    return _move(line, line.cursor + 1)


def _move_home(line: EditedLine) -> EditedLine:
    return _move(line, 0)


def _move_end(line: EditedLine) -> EditedLine:
    return _move(line, len(line.text))


def _word_left(line: EditedLine) -> EditedLine:
    return _move(line, _word_start(line))


def _word_right(line: EditedLine) -> EditedLine:
    return _move(line, _word_end(line))


def _backspace(line: EditedLine) -> EditedLine:
    return _cut(line, line.cursor - 1, line.cursor)


def _delete(line: EditedLine) -> EditedLine:
    return _cut(line, line.cursor, line.cursor + 1)


def _delete_word(line: EditedLine) -> EditedLine:
    return _cut(line, _word_start(line), line.cursor)


def _delete_to_start(line: EditedLine) -> EditedLine:
    return _cut(line, 0, line.cursor)


def _delete_to_end(line: EditedLine) -> EditedLine:
    return _cut(line, line.cursor, len(line.text))


_KEYS: dict[str, Callable[[EditedLine], EditedLine]] = {
    "left": _move_left,
    "right": _move_right,
    "home": _move_home,
    "ctrl+a": _move_home,
    "end": _move_end,
    "ctrl+e": _move_end,
    "ctrl+left": _word_left,
    "ctrl+right": _word_right,
    "backspace": _backspace,
    "ctrl+h": _backspace,
    "delete": _delete,
    "ctrl+w": _delete_word,
    "ctrl+u": _delete_to_start,
    "ctrl+k": _delete_to_end,
}
