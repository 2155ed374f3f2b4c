"""Pure functions: which months of the history are sealed, and where each one's file is."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

# The history's table -> its folder below the sink's.
FOLDERS = {"executions": "runs", "backups": "backups", "restores": "restores", "alerts": "alerts"}
SEALED_AFTER = timedelta(days=1)  # of a month's end, once each of its records has ended
LONGEST_WAIT = timedelta(days=31)  # for records that do not end


class Month(NamedTuple):
    """A month in UTC."""

    year: int
    number: int

    @classmethod
    def of(cls, moment: datetime) -> "Month":
        """Return the month of a moment."""
        moment = moment.astimezone(UTC)
        return cls(moment.year, moment.month)

    @classmethod
    def parse(cls, text: str) -> "Month":
        """Return the month of a text such as 2026-10; raise ValueError."""
        year, number = text.split("-")
        return cls(int(year), int(number))

    @property
    def begin(self) -> datetime:
        """The first moment of the month."""
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def following(self) -> "Month":
        """The month after this one."""
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"


def ended_months(first: datetime, now: datetime) -> Iterator[Month]:
    """Yield the months from that of `first` on which ended at least SEALED_AFTER ago."""
    month = Month.of(first)
    while month.following.begin + SEALED_AFTER <= now:
        yield month
        month = month.following


def waits_for_ends(month: Month, now: datetime) -> bool:
    """Return whether a month that is over stays open for records that are not there or have not ended."""
    return now < month.following.begin + LONGEST_WAIT


def file_of(folder: Path, daemon: str, table: str, month: Month) -> Path:
    """Return where the file of a table's month is; a daemon's name is no path."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", daemon).lstrip(".") or "_"
    return folder / FOLDERS[table] / f"daemon={safe}" / f"{month}.parquet"
