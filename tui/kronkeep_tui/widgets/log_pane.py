"""Widget for a log: follows its end, wraps, searches and hides times; a long log shows head and tail."""

import re
from collections.abc import Iterable, Sequence
from datetime import tzinfo

from textual.geometry import Size

from kronkeep_tui.log_times import split_clock, split_time
from kronkeep_tui.widgets.cells import Text, wrap
from kronkeep_tui.widgets.line_widget import ScrollableLines

HEAD_LINES = 10_000  # of a long log, which stay
KEPT_LINES = 50_000
SPARE_LINES = 5_000  # that are dropped at once beyond KEPT_LINES, as each time every row is laid out anew
LONGEST = 2_000  # characters of one line; the kept copy in the daemon has all of it
_GAP = re.compile(r"\[kronkeep: (\d+) bytes are not kept\]")  # as the daemon keeps a long log
_BAD = re.compile(r"\b(error|fatal|panic|failed|killed)\b", re.IGNORECASE)
_WARN = re.compile(r"\b(warn|warning|retry)\b", re.IGNORECASE)


class LogPane(ScrollableLines):
    """The lines of a log with their scroll position, search and display options; times are of `zone`."""

    TITLE = "log"

    def __init__(self, zone: tzinfo | None = None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._zone = zone
        self._lines: list[str] = []
        self._rows: list[tuple[int, str]] = []
        self.dropped = 0
        self.is_ended = False
        self._notes = 0
        self._kept_gap = ""
        self.top = self.left = 0
        self.follow = True
        self.wrapped = False
        self.times = True
        self.searched = ""
        self.found = -1
        self.empty = "  No lines yet."

    def add(self, lines: Iterable[str]) -> None:
        """Append cleaned lines; where there are too many, drop the middle and say so in its place."""
        fresh = [line[:LONGEST] for line in lines]
        self._kept_gap = next((line for line in fresh if _GAP.fullmatch(line)), self._kept_gap)
        self._lines += fresh
        if len(self._lines) > KEPT_LINES:
            self._drop_middle()
            self._lay_out()
        else:
            first = len(self._lines) - len(fresh)
            self._rows += [row for n, line in enumerate(fresh, first) for row in self._rows_of(n, line)]
        self._place()

    def add_notes(self, notes: Sequence[str]) -> None:
        """Append lines of the terminal's own, which count as no lines of the log."""
        self._notes += len(notes)
        self.add(notes)

    def _drop_middle(self) -> None:
        start = HEAD_LINES + (1 if self.dropped else 0)  # the line that tells of the gap
        count = len(self._lines) - KEPT_LINES + SPARE_LINES
        self.dropped += count
        gap = f"--- {self.dropped:,} lines are not shown here; kronkeep logs has all that are kept ---"
        self._lines[HEAD_LINES : start + count] = [gap]
        self.found = -1

    def clear(self) -> None:
        """Remove every line and scroll to the start."""
        self._lines = []
        self._rows = []
        self.top = self.left = self.dropped = self._notes = 0
        self.is_ended = False
        self._kept_gap = ""
        self.found = -1
        self._place()

    def _rows_of(self, number: int, line: str) -> list[tuple[int, str]]:
        if not self.times:
            line = split_time(line)[1]
        if not self.wrapped:
            return [(number, line)]
        return [(number, part) for part in wrap(line, max(10, self.size.width - 2))]

    def _lay_out(self) -> None:
        self._rows = [row for n, line in enumerate(self._lines) for row in self._rows_of(n, line)]

    def _place(self) -> None:
        last = max(0, len(self._rows) - self.size.height)
        self.top = last if self.follow else max(0, min(self.top, last))
        self.sync()

    def line(self, y: int, width: int) -> Text:
        if not self._rows:
            return ((self.empty, "quiet"),) if y == 0 else ()
        if self.top + y >= len(self._rows):
            return ()
        number, words = self._rows[self.top + y]
        return ((" ", ""), *self._spans(words, number))

    def _spans(self, words: str, number: int) -> Text:
        role = "bad" if _BAD.search(words) else "warn" if _WARN.search(words) else ""
        head: Text = ()
        if self.times:
            clock, words = split_clock(words, self._zone)
            head = ((clock, "quiet"),) if clock else ()
        words = words[self.left :]
        if not self.searched:
            return (*head, (words, role))
        strong = "found chosen" if number == self.found else "found"
        parts = re.split(f"({re.escape(self.searched)})", words, flags=re.IGNORECASE)
        return (*head, *((part, strong if n % 2 else role) for n, part in enumerate(parts) if part))

    def lay_out(self, size: Size) -> None:
        if self.wrapped:
            self._lay_out()
        last = max(0, len(self._rows) - size.height)
        self.top = last if self.follow else min(self.top, last)

    def move(self, step: int) -> None:
        """Scroll by `step` lines; scrolling back stops following, reaching the end starts it again."""
        last = max(0, len(self._rows) - self.size.height)
        self.top = max(0, min(self.top + step, last))
        self.follow = self.top == last
        self.sync()

    def page(self, step: int) -> None:
        self.move(step * max(1, self.size.height - 1))

    def edge(self, end: int) -> None:
        self.move(len(self._rows) if end else -len(self._rows))

    def sideways(self, step: int) -> None:
        """Scroll long lines horizontally."""
        self.left = max(0, self.left + 20 * step)
        self.sync()

    def toggle(self, what: str) -> bool:
        """Toggle `follow`, `wrapped` or `times` and return a message with the new state."""
        now = not getattr(self, what)
        setattr(self, what, now)
        self._lay_out()
        self._place()
        return now

    def search(self, words: str) -> None:
        """Mark a search text and scroll to the last line that contains it."""
        self.searched = words
        self.found = -1
        self.sync()
        if words:
            self.go_to_next_match(-1)

    def go_to_next_match(self, step: int) -> bool:
        """Scroll to the next line that contains the search text; return False if there is none."""
        words = self.searched.lower()
        count = len(self._lines)
        start = self.found if self.found >= 0 else (count if step < 0 else -1)
        for index in range(start + step, count if step > 0 else -1, step):
            if words and words in self._lines[index].lower():
                self.found = index
                row = next((n for n, (number, _) in enumerate(self._rows) if number == index), 0)
                self.follow = False
                self.top = max(0, min(row - self.size.height // 2, len(self._rows) - self.size.height))
                self.sync()
                return True
        return False

    @property
    def describe_display(self) -> str:
        """How the log is shown, for the rule above it."""
        shown = len(self._lines) - self._notes - (1 if self.dropped else 0) - (1 if self._kept_gap else 0)
        is_whole = not self.dropped and not self._kept_gap
        count = f"{shown:,} of {shown + self.dropped:,} lines" if self.dropped else _count_lines(shown)
        parts = [count]
        parts += [f"{int(match[1]):,} bytes not kept"] if (match := _GAP.fullmatch(self._kept_gap)) else []
        parts += ["following"] if self.follow and not self.is_ended else []
        parts += ["wrapped"] if self.wrapped else []
        if self.searched:
            hits = sum(1 for line in self._lines if self.searched.lower() in line.lower())
            where = "" if is_whole else " in what is shown"
            parts.append(f"{hits} with {self.searched!r}{where}")
        return ", ".join(parts)


def log_text(line: str, zone: tzinfo | None) -> Text:
    """Return a line of a log in colours, with its clock time in a zone (None: UTC)."""
    role = "bad" if _BAD.search(line) else "warn" if _WARN.search(line) else ""
    clock, words = split_clock(line, zone)
    return ((clock, "quiet"), (words, role)) if clock else ((words, role),)


def _count_lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count:,} lines"
