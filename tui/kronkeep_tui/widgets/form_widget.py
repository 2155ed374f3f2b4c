"""Rows of labels and texts of which one is being edited; only lines that change are sent."""

from dataclasses import dataclass
from typing import Any

from textual import events
from textual.message import Message

from kronkeep_tui.form.form_rows import Row
from kronkeep_tui.form.line_edit import Line
from kronkeep_tui.widgets.cells import Text, fit, rule
from kronkeep_tui.widgets.line_widget import Sheet

LABEL = 16
_NEXT = ("down", "tab", "enter")
_BEFORE = ("up", "shift+tab")


class FormSheet(Sheet, can_focus=True):
    """The fields; keys that are no text's move between them, all others go on to the frame."""

    @dataclass
    class Changed(Message):
        """A row's text has changed."""

        key: str
        text: str

    @dataclass
    class Moved(Message):
        """The cursor has come to another row."""

        key: str

    @dataclass
    class Wanted(Message):
        """The text is complete as far as one knows, and `right` asks what may follow."""

        key: str

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[Row] = []
        self._at = 0
        self._line = Line()
        self.top = 0

    @property
    def row(self) -> Row:
        """The row under the cursor."""
        return self._rows[self._at]

    def show(self, rows: list[Row], *, at: str | None = None) -> None:
        """Shows rows; the cursor stays at its key, or goes to `at`."""
        key = at or (self.row.key if self._rows else "")
        self._rows = rows
        places = [number for number, row in enumerate(rows) if row.key == key]
        fallback = next((n for n, row in enumerate(rows) if row.key and n >= self._at), len(rows) - 1)
        self._at = places[0] if places else fallback
        if self._line.text != self.row.text or at is not None:
            self._line = Line(self.row.text, len(self.row.text))
        self._reveal()
        self.sync()

    def _reveal(self) -> None:
        height = max(1, self.size.height)
        first = self._at - 1 if self._at and not self._rows[self._at - 1].key else self._at
        self.top = max(0, min(self.top, first), self._at - height + 1)

    def on_resize(self) -> None:
        """Keeps the cursor on the screen."""
        if self._rows:
            self.top = 0
            self._reveal()
        self.sync()

    def go(self, step: int) -> None:
        """Moves to the next row that is a field, or the one before."""
        place = self._at + step
        while 0 <= place < len(self._rows) and not self._rows[place].key:
            place += step
        if 0 <= place < len(self._rows):
            self._stand(place)

    def section(self) -> None:
        """Moves to the first field of the next section; after the last comes the first."""
        heads = [number for number, row in enumerate(self._rows) if not row.key]
        following = next((number for number in heads if number > self._at), heads[0])
        self.top = following
        self._stand(following + 1)

    def _stand(self, place: int) -> None:
        self._at = place
        self._line = Line(self.row.text, len(self.row.text))
        self._reveal()
        self.sync()
        self.post_message(self.Moved(self.row.key))

    def on_key(self, event: events.Key) -> None:
        """Moves, chooses, edits; what none of these takes is the frame's."""
        if self._rows and self._press(event.key, event.character):
            event.stop()
            event.prevent_default()

    def on_paste(self, event: events.Paste) -> None:
        """Puts in pasted text, its lines joined."""
        event.stop()
        if self._rows and not self.row.choices:
            self._edit(self._line.typed(" ".join(event.text.split("\n")).strip()))

    def _press(self, key: str, character: str | None) -> bool:
        if key in _NEXT or key in _BEFORE:
            self.go(1 if key in _NEXT else -1)
        elif self.row.choices and (key in ("left", "right", "space") or _is_text(character)):
            self._choose(key, character)
        elif key == "right" and self._line.at == len(self._line.text):
            self.post_message(self.Wanted(self.row.key))
        elif (line := self._line.press(key, character)) is not None:
            self._edit(line)
        else:
            return False
        return True

    def _choose(self, key: str, character: str | None) -> None:
        choices = self.row.choices
        here = choices.index(self.row.text) if self.row.text in choices else -1
        if key in ("left", "right", "space"):
            self._set(choices[(here + (-1 if key == "left" else 1)) % len(choices)])
            return
        following = [*choices[here + 1 :], *choices[: here + 1]]
        found = next((one for one in following if character and one.startswith(character.lower())), None)
        if found is not None:
            self._set(found)

    def _set(self, text: str) -> None:
        self._edit(Line(text, len(text)))

    def _edit(self, line: Line) -> None:
        if self.row.locked:
            self.post_message(self.Moved(self.row.key))
            return
        changed = line.text != self.row.text
        self._line = line
        if changed:
            self._rows[self._at] = self.row._replace(text=line.text)
            self.post_message(self.Changed(self.row.key, line.text))
        self.sync()

    def line(self, y: int, width: int) -> Text:
        """A heading, or label, text and fault."""
        place = y + self.top
        if place >= len(self._rows):
            return ()
        row = self._rows[place]
        if not row.key:
            return ((f" {row.label} ", "title"), rule(width - len(row.label) - 3))
        here = place == self._at
        mark = "!" if row.fault else ">" if here else " "
        lead = (
            (mark, "bad" if row.fault else "accent"),
            (f" {row.label:{LABEL - 2}}", "" if here else "quiet"),
        )
        room = max(4, width - LABEL - 1)
        return (*lead, *(self._edited(room) if here else _resting(row, room)))

    def _edited(self, room: int) -> Text:
        if self.row.choices:
            return _chosen(self.row)
        text, at = self._line
        start = max(0, at - room + 1)
        shown = text[start : start + room]
        under = shown[at - start : at - start + 1] or " "
        role = "quiet" if self.row.locked else ""
        return (
            (shown[: at - start], role),
            (under, "cursor"),
            (shown[at - start + 1 :], role),
        )


def _is_text(character: str | None) -> bool:
    return character is not None and character.isprintable()


def _chosen(row: Row) -> Text:
    spans: list[Any] = []
    for choice in row.choices:
        here = choice == row.text
        spans += [(f"[{choice}]" if here else f" {choice} ", "chosen" if here else "quiet"), (" ", "")]
    return tuple(spans)


def _resting(row: Row, room: int) -> Text:
    if not row.fault:
        return ((fit(row.text, room), "quiet" if row.locked else ""),)
    text = fit(row.text, min(len(row.text), room // 2)) if row.text else ""
    return ((text, ""), ("  " if text else "", ""), (fit(row.fault, max(0, room - len(text) - 2)), "bad"))
