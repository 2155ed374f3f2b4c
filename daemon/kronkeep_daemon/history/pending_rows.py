"""The changes of one table that are not durable yet, laid over the rows of the database when it is read."""

from collections.abc import Iterable, Iterator, Mapping

from kronkeep_daemon.history.rows import Row


class PendingRows:
    """The newest state of each document that was changed; None where it was removed."""

    def __init__(self) -> None:
        self.rows: dict[int, Row | None] = {}
        self._numbers_by_id: dict[str, int] = {}
        self._numbers_by_cronjob: dict[str, set[int]] = {}

    def __bool__(self) -> bool:
        return bool(self.rows)

    def set(self, number: int, row: Row | None) -> None:
        """Set the state of a document."""
        self.discard(number)
        self.rows[number] = row
        if row is not None and row.id:
            self._numbers_by_id[row.id] = number
        if row is not None and row.cronjob_id:
            self._numbers_by_cronjob.setdefault(row.cronjob_id, set()).add(number)

    def discard(self, number: int) -> None:
        """Forget a document's change: what the database holds is true again."""
        old = self.rows.pop(number, None)
        if old is not None and old.id and self._numbers_by_id.get(old.id) == number:
            del self._numbers_by_id[old.id]
        if old is not None and old.cronjob_id:
            numbers = self._numbers_by_cronjob[old.cronjob_id]
            numbers.discard(number)
            if not numbers:
                del self._numbers_by_cronjob[old.cronjob_id]

    def with_id(self, record_id: str) -> Row | None:
        """Return the changed document of that id, or None."""
        number = self._numbers_by_id.get(record_id)
        return self.rows[number] if number is not None else None

    def matching(self, equal: Mapping[str, str]) -> Iterator[Row]:
        """Yield the changed documents with these values."""
        for row in self._some_rows(equal):
            if row is not None and all(getattr(row, field) == value for field, value in equal.items()):
                yield row

    def _some_rows(self, equal: Mapping[str, str]) -> Iterable[Row | None]:
        """Return the rows of the CronJob that is asked for, or all: there may be thousands."""
        if "cronjob_id" not in equal:
            return self.rows.values()
        numbers = self._numbers_by_cronjob.get(equal["cronjob_id"], ())
        return [self.rows[number] for number in numbers]
