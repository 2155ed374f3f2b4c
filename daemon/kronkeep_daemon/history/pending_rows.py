"""The changes of one table that are not durable yet, laid over the rows of the database when it is read."""

from collections.abc import Iterator, Mapping

from kronkeep_daemon.history.rows import Row


class PendingRows:
    """The newest state of each document that was changed; None where it was removed."""

    def __init__(self) -> None:
        self.rows: dict[int, Row | None] = {}
        self._numbers_by_id: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self.rows)

    def set(self, number: int, row: Row | None) -> None:
        """Set the state of a document."""
        self.discard(number)
        self.rows[number] = row
        if row is not None and row.id:
            self._numbers_by_id[row.id] = number

    def discard(self, number: int) -> None:
        """Forget a document's change: what the database holds is true again."""
        old = self.rows.pop(number, None)
        if old is not None and old.id and self._numbers_by_id.get(old.id) == number:
            del self._numbers_by_id[old.id]

    def with_id(self, record_id: str) -> Row | None:
        """Return the changed document of that id, or None."""
        number = self._numbers_by_id.get(record_id)
        return self.rows[number] if number is not None else None

    def matching(self, equal: Mapping[str, str]) -> Iterator[Row]:
        """Yield the changed documents with these values."""
        for row in self.rows.values():
            if row is not None and all(getattr(row, field) == value for field, value in equal.items()):
                yield row
