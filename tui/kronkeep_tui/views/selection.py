"""What decides which rows of a table are shown, and which of them keys act on."""

from typing import NamedTuple

SLIP_REFUSAL = "Another row came under the cursor just now: nothing was done. Look, and press the key again."
SLIP_SECONDS = 0.5  # about as long as it takes to see that there is another row
HIDDEN_MARKS = "What is marked is not shown now: nothing was done. esc removes the marks."


class Selection(NamedTuple):
    """What decides which records are shown, and in which order."""

    version: object
    filter_text: str
    faults_only: bool
    order: str
    is_reversed: bool
    namespace: str

    def equals(self, other: "Selection | None") -> bool:
        """Return whether the same records are selected; versions are compared by identity."""
        return other is not None and other.version is self.version and other[1:] == self[1:]


def row_text(cursor: int, shown: int, total: int) -> str:
    """Return on which of the shown rows the cursor is, and of how many records those are chosen."""
    row = f"row {cursor + 1}/{shown}" if shown else "0"
    return row if shown == total else f"{row} of {total}"


def mark_text(shown: int, total: int) -> str:
    """Return how many rows are marked, and how many of these are not shown, which keys leave alone."""
    return f"{total} marked" if shown == total else f"{total} marked, {total - shown} not shown"


def refuse_change(marked: int, shown: int, seconds: float) -> str:
    """Return why rows must not be changed now: none of the marked ones is shown, or another one came.

    seconds: how long the row under the cursor is there.
    """
    if marked:
        return "" if shown else HIDDEN_MARKS
    return SLIP_REFUSAL if seconds < SLIP_SECONDS else ""
