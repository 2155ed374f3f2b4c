"""Widget of a form: rows of labels and texts, one of which is edited."""

from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from rich.cells import cell_len, set_cell_size
from textual import events
from textual.message import Message

from kronkeep_tui.form.form_rows import FormRow
from kronkeep_tui.line_edit import EditedLine
from kronkeep_tui.widgets.cells import Text, fit, rule
from kronkeep_tui.widgets.line_widget import LineWidget

LABEL = 18  # with the mark before it and a blank behind
GAP = 2  # cells between a text and its fault
_NEXT = ("down", "tab", "enter")
_BEFORE = ("up", "shift+tab")
_HELD = (*_NEXT, *_BEFORE, "left", "right", "backspace", "ctrl+u", "ctrl+w")
MOST_HELD = 200  # keys that are typed before the fields were read


class FormWidget(LineWidget, can_focus=True):
    """Rows of a form; keys that do not edit text move between the fields or go to the frame."""

    @dataclass
    class TextChanged(Message):
        """Sent when the text of a row has changed."""

        key: str
        text: str

    @dataclass
    class FieldChanged(Message):
        """Sent when the cursor is on another row."""

        key: str

    @dataclass
    class LetterRefused(Message):
        """Sent when a letter was typed that none of a field's choices begins with."""

        choices: tuple[str, ...]

    @dataclass
    class SuggestionRequested(Message):
        """Sent when `right` is pressed at the end of a text, to ask what may follow it."""

        key: str

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[FormRow] = []
        self._at = 0
        self._line = EditedLine()
        self.top = 0
        self._held_keys: list[tuple[str, str | None]] | None = None

    @property
    def row(self) -> FormRow:
        """The row under the cursor."""
        return self._rows[self._at]

    @property
    def room(self) -> int:
        """The cells of a text with its fault."""
        return max(4, self.size.width - LABEL - 1)

    @property
    def rows(self) -> list[FormRow]:
        """Every row of the form, headings too."""
        return self._rows

    def show(self, rows: list[FormRow], *, at: str | None = None) -> None:
        """Show rows; the cursor stays on its key, or moves to the key `at`."""
        key = at or (self.row.key if self._rows else "")
        self._rows = rows
        places = [number for number, row in enumerate(rows) if row.key == key]
        fallback = next((n for n, row in enumerate(rows) if row.key and n >= self._at), len(rows) - 1)
        self._at = places[0] if places else fallback
        if self._line.text != self.row.text or at is not None:
            self._line = EditedLine(self.row.text, len(self.row.text))
        if at is not None:
            self.top = self._heading_above(self._at)
        self._reveal()
        self.sync()

    def _heading_above(self, place: int) -> int:
        """Return the row of the heading of a row's section."""
        return next((number for number in range(place, 0, -1) if not self._rows[number].key), 0)

    def _reveal(self) -> None:
        height = max(1, self.size.height)
        first = self._at - 1 if self._at and not self._rows[self._at - 1].key else self._at
        self.top = max(0, min(self.top, first), self._at - height + 1)

    def on_resize(self) -> None:
        """Keep the cursor on the screen."""
        if self._rows:
            self.top = self._heading_above(self._at)
            self._reveal()
        self.sync()

    def go(self, step: int) -> None:
        """Move to the next or previous row that is a field."""
        place = self._at + step
        while 0 <= place < len(self._rows) and not self._rows[place].key:
            place += step
        if 0 <= place < len(self._rows):
            self._move_cursor(place)

    def go_to_section(self, number: int) -> None:
        """Move to the first field of a section, which are counted from 0."""
        heads = [place for place, row in enumerate(self._rows) if not row.key]
        if number < len(heads):
            self.top = heads[number]
            self._move_cursor(heads[number] + 1)

    def go_to_previous_section(self) -> None:
        """Move to the first field of the section before; before the first section comes the last."""
        heads = [number for number, row in enumerate(self._rows) if not row.key]
        before = [number for number in heads if number < self._at - 1]
        self.top = before[-1] if before else heads[-1]
        self._move_cursor(self.top + 1)

    def go_to_next_section(self) -> None:
        """Move to the first field of the next section; after the last section comes the first."""
        heads = [number for number, row in enumerate(self._rows) if not row.key]
        following = next((number for number in heads if number > self._at), heads[0])
        self.top = following
        self._move_cursor(following + 1)

    def _move_cursor(self, place: int) -> None:
        self._at = place
        self._line = EditedLine(self.row.text, len(self.row.text))
        self._reveal()
        self.sync()
        self.post_message(self.FieldChanged(self.row.key))

    def hold_keys(self) -> None:
        """Keep what is typed until `release_keys`: what the fields show is still to be read."""
        self._held_keys = []

    def release_keys(self) -> None:
        """Take the keys that were held as if they were typed now."""
        held = self._held_keys or []
        self._held_keys = None
        for key, character in held:
            self._press(key, character)

    def on_key(self, event: events.Key) -> None:
        """Move, choose or edit; leave every other key to the frame."""
        held = self._held_keys
        if held is not None and len(held) < MOST_HELD and (_is_text(event.character) or event.key in _HELD):
            held.append((event.key, event.character))
            event.stop()
            event.prevent_default()
        elif self._rows and self._press(event.key, event.character):
            event.stop()
            event.prevent_default()

    def on_paste(self, event: events.Paste) -> None:
        """Insert pasted text with its lines joined."""
        event.stop()
        if self._rows and not self.row.choices:
            self._edit(self._line.insert(" ".join(event.text.split("\n")).strip()))

    def _press(self, key: str, character: str | None) -> bool:
        if key in _NEXT or key in _BEFORE:
            self.go(1 if key in _NEXT else -1)
        elif self.row.choices and (key in ("left", "right", "space") or _is_text(character)):
            self._choose(key, character)
        elif key == "right" and self._line.cursor == len(self._line.text):
            self.post_message(self.SuggestionRequested(self.row.key))
        elif (line := self._line.press(key, character)) is not None:
            if not self.row.choices:  # one of them stays chosen
                self._edit(line)
        else:
            return False
        return True

    def _choose(self, key: str, character: str | None) -> None:
        choices = self.row.choices
        current = choices.index(self.row.text) if self.row.text in choices else -1
        if key in ("left", "right", "space"):
            self._set(choices[(current + (-1 if key == "left" else 1)) % len(choices)])
            return
        following = [*choices[current + 1 :], *choices[: current + 1]]
        choice = next((one for one in following if character and one.startswith(character.lower())), None)
        if choice is not None:
            self._set(choice)
        else:
            self.post_message(self.LetterRefused(choices))

    def _set(self, text: str) -> None:
        self._edit(EditedLine(text, len(text)))

    def _edit(self, line: EditedLine) -> None:
        if self.row.locked:
            self.post_message(self.FieldChanged(self.row.key))
            return
        changed = line.text != self.row.text
        self._line = line
        if changed:
            self._rows[self._at] = self.row._replace(text=line.text)
            self.post_message(self.TextChanged(self.row.key, line.text))
        self.sync()

    def line(self, y: int, width: int) -> Text:
        """Return a heading, or a label with its text and fault."""
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
            (f" {fit(row.label, LABEL - 3)} ", "" if here else "quiet"),
        )
        room = max(4, width - LABEL - 1)
        return (*lead, *(self._edited_text(room) if here else _unedited_text(row, room)))

    def _edited_text(self, room: int) -> Text:
        if self.row.choices:
            return _choice_spans(self.row, room)
        text, at = self._line
        under = text[at : at + 1] or " "
        before = _last_cells(text[:at], room - cell_len(under))
        after = text[at + 1 : at + 1 + room]
        left = room - cell_len(before) - cell_len(under)
        role = "quiet" if self.row.locked else ""
        shown = after if cell_len(after) <= left else set_cell_size(after, max(0, left))
        return ((before, role), (under, "cursor"), (shown, role))


def _is_text(character: str | None) -> bool:
    return character is not None and character.isprintable()


def _last_cells(text: str, room: int) -> str:
    """Return the end of a text that fits into so many cells."""
    start = len(text)
    used = 0
    while start and (used := used + cell_len(text[start - 1])) <= room:
        start = start - 1
    return text[start:]


def _choice_spans(row: FormRow, room: int) -> Text:
    """Return the choices, from the first on with which the chosen one is seen."""
    spans: list[Any] = []
    for choice in _choices_in_sight(row, room):
        here = choice == row.text
        spans += [(f"[{choice}]" if here else f" {choice} ", "chosen" if here else "quiet"), (" ", "")]
    return tuple(spans)


def _choices_in_sight(row: FormRow, room: int) -> tuple[str, ...]:
    chosen = row.choices.index(row.text) if row.text in row.choices else 0
    ends = list(accumulate(len(choice) + 3 for choice in row.choices))
    fitting = (
        start for start in range(chosen + 1) if ends[chosen] - (ends[start - 1] if start else 0) <= room
    )
    return row.choices[next(fitting, chosen) :]  # one that is too wide stands alone, and is cut


def _unedited_text(row: FormRow, room: int) -> Text:
    if not row.fault:
        return ((fit(row.text, room), "quiet" if row.locked else ""),)
    space = max(room // 3, room - len(row.fault) - GAP)  # of the text: the fault is what one looks for
    text = fit(row.text, min(len(row.text), space)) if row.text else ""
    gap = " " * GAP if text else ""
    return ((text, ""), (gap, ""), (fit(row.fault, max(0, room - len(text) - len(gap))), "bad"))
