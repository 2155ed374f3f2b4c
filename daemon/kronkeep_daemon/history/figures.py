"""Day figures: how many runs and backups of a CronJob, a namespace and a storage ended how, week by week.

A row of the table `figures` has the seven days of one week of one subject. Rows are written in the
transaction that makes the counted record durable, from what the database holds, so they are right after a
kill and where a batch is undone. They stay when the records expire. Each batch reads, changes and writes a
row for each of its CronJobs, so a day is a short list: it ends with the last figure that is not 0.
"""

import operator
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple

import msgspec

from kronkeep_common.reasons import Reason

Subject = Literal["namespace", "cronjob", "storage"]
TABLE = "figures"
COUNTED = ("executions", "backups")  # the tables whose records are counted
COUNTED_STATUSES = frozenset({"succeeded", "partial", "failed", "missed", "unknown"})
DAYS = 7


class DayFigures(NamedTuple):
    """What ended on one day, as it is summed; the fields are those of the model `Figures`."""

    runs: int = 0
    failed: int = 0
    unknown: int = 0
    missed: int = 0
    milliseconds: int = 0
    backups: int = 0
    backups_failed: int = 0
    backups_partial: int = 0
    bytes_read: int = 0
    bytes_added: int = 0
    backups_not_begun: int = 0
    backups_missed: int = 0
    backups_unknown: int = 0


NOTHING = DayFigures()


class FigureOwner(NamedTuple):
    """Whom and what day one record counts for; a run counts for no storage."""

    cluster: str
    namespace: str
    cronjob: str
    cronjob_id: str
    storage_id: str
    day: date


class Share(NamedTuple):
    """What a record counts for in a row of one of its subjects."""

    subject: Subject
    owner: FigureOwner

    @property
    def key(self) -> str:
        """The id of the row that holds it."""
        subject, owner = self
        name = owner.cronjob_id if subject == "cronjob" else owner.namespace
        if subject == "storage":
            name = owner.storage_id
        return f"{subject}/{owner.cluster}/{name}/{_week_of(owner.day)}"


@lru_cache(maxsize=1000)
def _week_of(day: date) -> str:
    """Return the Monday of a day's week, as ids of rows have it."""
    return _monday_of(day).isoformat()


def _monday_of(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _days_without_figures() -> list[list[int]]:
    return [[] for _ in range(DAYS)]


class WeekFigures(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A row of the table: a subject's days from Monday on.

    A day has the values of DayFigures up to its last one that is not 0. `status` is the kind of subject, so
    that the index by status and time finds the rows of one kind. Only the column of the subject itself is set
    among those with an index; the names of a CronJob are in `owner`.
    """

    id: str
    created_at: datetime
    status: Subject
    cluster: str = ""
    namespace: str | None = None
    cronjob_id: str | None = None
    storage_id: str | None = None
    owner: tuple[str, str] = ("", "")
    days: list[list[int]] = msgspec.field(default_factory=_days_without_figures)


class _Result(msgspec.Struct, frozen=True, gc=False):
    bytes_read: int = 0
    bytes_added: int = 0


class _Record(msgspec.Struct, frozen=True):
    """The fields of a run or backup that are counted."""

    created_at: datetime
    status: str = ""
    cluster: str = ""
    namespace: str = ""
    cronjob: str = ""
    cronjob_id: str = ""
    storage_id: str = ""
    duration_seconds: float | None = None
    gap_slots: int = 0
    reason: str | None = None
    result: _Result | None = None


_DECODER = msgspec.json.Decoder(_Record)


def add(left: DayFigures, right: Iterable[int]) -> DayFigures:
    """Return the sum of two days."""
    return DayFigures._make(map(operator.add, left, right))


def count_record(table: str, body: bytes) -> tuple[FigureOwner, DayFigures] | None:
    """Return whom a record counts for, and what; None until it has ended."""
    try:
        record = _DECODER.decode(body)
    except msgspec.ValidationError:  # a document of somebody else's
        return None
    is_run = table == "executions"
    figures = _figures_of_run(record) if is_run else _figures_of_backup(record)
    if figures is None:
        return None
    owner = FigureOwner(
        cluster=record.cluster,
        namespace=record.namespace,
        cronjob=record.cronjob,
        cronjob_id=record.cronjob_id,
        storage_id="" if is_run else record.storage_id,
        day=record.created_at.astimezone(UTC).date(),
    )
    return owner, figures


def shares_of(owner: FigureOwner) -> Iterator[Share]:
    """Yield the shares of a record in the rows of its subjects."""
    yield Share("cronjob", owner)
    yield Share("namespace", owner)
    if owner.storage_id:
        yield Share("storage", owner)


def _figures_of_run(run: _Record) -> DayFigures | None:
    milliseconds = round(1000 * (run.duration_seconds or 0))
    match run.status:
        case "succeeded":
            return DayFigures(runs=1, milliseconds=milliseconds)
        case "failed":
            return DayFigures(runs=1, failed=1, milliseconds=milliseconds)
        case "unknown":
            count = max(1, run.gap_slots)
            return DayFigures(runs=count, unknown=count, milliseconds=milliseconds)
        case "missed":
            return DayFigures(missed=1)
    return None


def _figures_of_backup(backup: _Record) -> DayFigures | None:
    if backup.status not in COUNTED_STATUSES:
        return None
    result = backup.result or _Result()
    return DayFigures(
        backups=1,
        backups_failed=int(backup.status == "failed"),
        backups_partial=int(backup.status == "partial"),
        bytes_read=result.bytes_read,
        bytes_added=result.bytes_added,
        backups_not_begun=int(backup.status == "failed" and backup.reason == Reason.CRONJOB_FAILED),
        backups_missed=int(backup.status == "missed"),
        backups_unknown=int(backup.status == "unknown"),
    )


class WeekChange(NamedTuple):
    """One share of a row, and what is added to the row's days, by weekday."""

    example: Share
    days: dict[int, list[int]]


class FigureChanges:
    """What a batch of changes adds to the figures, summed by whom and what day its records count for."""

    def __init__(self) -> None:
        self._sums: dict[FigureOwner, list[int]] = {}

    def add(self, owner: FigureOwner, figures: DayFigures, sign: int = 1) -> None:
        """Add what a record counts, or with `sign` -1 take it away."""
        sums = self._sums.get(owner)
        if sums is None:
            sums = [0] * len(NOTHING)
            self._sums[owner] = sums
        for place, figure in enumerate(figures):
            if figure:
                sums[place] += sign * figure

    def rows(self) -> dict[str, WeekChange]:
        """Return the rows that change, by their ids."""
        changes: dict[str, WeekChange] = {}
        for owner, sums in self._sums.items():
            if not any(sums):
                continue
            weekday = owner.day.weekday()
            for share in shares_of(owner):
                key = share.key
                if (change := changes.get(key)) is None:
                    changes[key] = WeekChange(share, {weekday: sums})
                elif (others := change.days.get(weekday)) is None:
                    change.days[weekday] = sums
                else:
                    change.days[weekday] = list(map(operator.add, others, sums))
        return changes


def new_week(share: Share) -> WeekFigures:
    """Return the row of a share, with nothing in it."""
    owner = share.owner
    monday = _monday_of(owner.day)
    return WeekFigures(
        id=share.key,
        created_at=datetime(monday.year, monday.month, monday.day, tzinfo=UTC),
        status=share.subject,
        cluster=owner.cluster,
        namespace=owner.namespace if share.subject == "namespace" else None,
        cronjob_id=owner.cronjob_id if share.subject == "cronjob" else None,
        storage_id=owner.storage_id if share.subject == "storage" else None,
        owner=(owner.namespace, owner.cronjob) if share.subject == "cronjob" else ("", ""),
    )


def add_days(week: WeekFigures, days: dict[int, list[int]]) -> None:
    """Add to the days of a row; the sums never fall below zero."""
    for weekday, added in days.items():
        day = week.days[weekday]
        day += [0] * (len(added) - len(day))
        for place, figure in enumerate(added):
            if figure:
                day[place] = max(0, day[place] + figure)
        while day and not day[-1]:
            day.pop()
