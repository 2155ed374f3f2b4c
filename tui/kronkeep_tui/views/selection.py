"""What decides which rows of a table are shown."""

from typing import NamedTuple


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
