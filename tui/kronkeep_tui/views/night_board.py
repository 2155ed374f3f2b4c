"""The night that a view shows: its rows, kept current from the store, and the window of time."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import floor
from typing import Any, NamedTuple, TypeVar

from kronkeep_common.models import BackupExecution, CronJobExecution
from kronkeep_common.models.timeline import Timeline
from kronkeep_tui.context import Context
from kronkeep_tui.night.bars import Bar, NightRow, Rows, with_cronjobs, with_records, with_timeline
from kronkeep_tui.night.batches import NightEntry, entry_of, with_overlaps
from kronkeep_tui.night.chart import Look, add_changes, draw_row, no_changes, sum_changes
from kronkeep_tui.night.signs import signs_of_terminal
from kronkeep_tui.night.time_window import (
    LONGEST,
    TimeWindow,
    follow_now,
    place_window,
    with_columns,
)
from kronkeep_tui.store import Store, Table
from kronkeep_tui.widgets.cells import Text

R = TypeVar("R", CronJobExecution, BackupExecution)
BEFORE = timedelta(hours=26)  # before the window that is read first, so that nightly runs have a duration
RETRY_SECONDS = 15  # before the same window is asked for again
STALE_SECONDS = 1800  # after which planned runs are read again
MOST_DRAWN = 500  # rows whose lines are remembered
NOTHING: Mapping[str, Any] = {}


class DrawnRow(NamedTuple):
    """A line, with the row and the state that it was drawn for."""

    row: NightRow
    state: object
    text: Text


class NightBoard:
    """Rows, window and what is counted in them; a view calls `update` before it draws.

    `is_following` is whether the window moves on with the present moment.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._signs = signs_of_terminal()
        self.rows: Rows = {}
        self.window: TimeWindow | None = None
        self.is_following = True
        self.timeline: Timeline | None = None
        self.entries: Sequence[NightEntry] = ()
        self.runs_at_once: Sequence[int] = ()
        self.archives_at_once: Sequence[int] = ()
        self.archives_by_storage: Mapping[str, Sequence[int]] = {}
        self._asked: tuple[TimeWindow, datetime] | None = None
        self._seen_runs = NOTHING
        self._seen_backups = NOTHING
        self._seen_cronjobs: object = None
        self._entry_by_id: dict[str, NightEntry] = {}
        self._stamp: tuple[TimeWindow, int] | None = None
        self._counted_rows: Rows | None = None
        self._run_changes: list[int] = []
        self._archive_changes: list[int] = []
        self._changes_by_storage: dict[str, list[int]] = {}
        self._drawn: dict[str, DrawnRow] = {}

    def look(self, now: datetime) -> Look:
        """Return what lines are drawn for now."""
        assert self.window is not None
        return Look(window=self.window, now=now.timestamp(), zone=now.tzinfo, signs=self._signs)

    def place(self, columns: int, now: datetime) -> TimeWindow:
        """Return the window, fitted to a width in columns and to the present moment where it follows that."""
        window = self.window or place_window(now.timestamp(), columns)
        if window.columns != columns:
            window = with_columns(window, columns)
            if self.is_following:
                window = place_window(now.timestamp(), columns)
        self.window = follow_now(window, now.timestamp()) if self.is_following else window
        return self.window

    def go_to(self, window: TimeWindow, *, is_following: bool = False) -> None:
        """Show another window of time."""
        self.window = window
        self.is_following = is_following

    def update(self, store: Store, now: datetime) -> None:
        """Take what has changed in the store, and count again where that or the window has changed."""
        if store.cronjobs is not self._seen_cronjobs:
            self._seen_cronjobs = store.cronjobs
            self.rows = with_cronjobs(self.rows, store.cronjobs)
        since = now - timedelta(seconds=LONGEST)
        runs = _changed_records(store.executions, self._seen_runs, since)
        backups = _changed_records(store.backups, self._seen_backups, since)
        self._seen_runs = store.executions.records
        self._seen_backups = store.backups.records
        if runs or backups:
            self.rows = with_records(self.rows, runs, backups)
        if self.window is not None:
            self._count(self.look(now))

    def _count(self, look: Look) -> None:
        """Make entries and counts again, those of changed rows only where the window is the same."""
        stamp = (look.window, floor(look.now / look.window.step))
        if stamp != self._stamp:
            self._stamp = stamp
            self._entry_by_id = {}
            self._run_changes = no_changes(look.window)
            self._archive_changes = no_changes(look.window)
            self._changes_by_storage = {}
        elif self.rows is self._counted_rows:
            return
        self._counted_rows = self.rows
        for row in self.rows.values():
            before = self._entry_by_id.get(row.id)
            if before is None or before.row is not row:
                self._replace_entry(before, row, look)
        self.entries = list(self._entry_by_id.values())
        self.runs_at_once = sum_changes(self._run_changes, look.window)
        self.archives_at_once = sum_changes(self._archive_changes, look.window)
        self._sum_by_storage(look.window)

    def _replace_entry(self, before: NightEntry | None, row: NightRow, look: Look) -> None:
        if before is not None:
            add_changes(self._run_changes, before.row.runs, look, -1)
            self._add_archives(before.row.archives, look, -1)
        add_changes(self._run_changes, row.runs, look, 1)
        self._add_archives(row.archives, look, 1)
        self._entry_by_id[row.id] = entry_of(row, look)

    def _add_archives(self, archives: Sequence[Bar], look: Look, number: int) -> None:
        """Add a number where archives of a storage begin, and subtract it where they end."""
        add_changes(self._archive_changes, archives, look, number)
        for storage_id in {bar.storage for bar in archives}:
            own = [bar for bar in archives if bar.storage == storage_id]
            changes = self._changes_by_storage.setdefault(storage_id, no_changes(look.window))
            add_changes(changes, own, look, number)

    def _sum_by_storage(self, window: TimeWindow) -> None:
        """Sum up the archives of each storage that has any in the window."""
        sums = {
            storage_id: sum_changes(each, window) for storage_id, each in self._changes_by_storage.items()
        }
        self.archives_by_storage = {
            storage_id: sums[storage_id] for storage_id in sorted(sums) if any(sums[storage_id])
        }

    def draw(self, row: NightRow, selected: Bar | None, now: datetime) -> Text:
        """Return a row's line; it is made again only where row, window, time or selection differ."""
        look = self.look(now)
        eighth = floor(8 * look.now / look.window.step)
        state = (look.window, eighth, selected)
        drawn = self._drawn.get(row.id)
        if drawn is not None and drawn.row is row and drawn.state == state:
            return drawn.text
        if len(self._drawn) > MOST_DRAWN:
            self._drawn.clear()
        text = draw_row(row, look, selected)
        self._drawn[row.id] = DrawnRow(row, state, text)
        return text

    def count_overlaps(self, now: datetime) -> Sequence[NightEntry]:
        """Return the entries with their overlaps, which takes longer than all else."""
        return with_overlaps(self.entries, self.look(now))

    def needs_reading(self, now: datetime) -> bool:
        """Whether a part of the window was not read, or planned runs are old."""
        window = self.window
        if window is None or self._was_just_asked(window, now):
            return False
        timeline = self.timeline
        if timeline is None or (now - timeline.now).total_seconds() > STALE_SECONDS:
            return True
        return not (
            timeline.from_at.timestamp() <= window.begin and window.end <= timeline.until_at.timestamp()
        )

    def _was_just_asked(self, window: TimeWindow, now: datetime) -> bool:
        """Whether this window was read, or refused, a short time ago."""
        if self._asked is None or self._asked[0] != window:
            return False
        return (now - self._asked[1]).total_seconds() < RETRY_SECONDS

    async def read(self, now: datetime) -> None:
        """Read the window and some time around it; raise KronkeepError."""
        window = self.window or place_window(now.timestamp(), 100)
        self._asked = (window, now)
        margin = timedelta(seconds=min(BEFORE.total_seconds(), (LONGEST - window.end + window.begin) / 2))
        begin = datetime.fromtimestamp(window.begin, UTC) - margin
        end = datetime.fromtimestamp(window.end, UTC) + margin
        self.timeline = await self._context.client.timeline(begin, end)
        self.rows = with_timeline(self.rows, self.timeline)


def _changed_records(table: Table[R], seen: Mapping[str, R], since: datetime) -> list[R]:
    """Return the records that are not those that were seen, created since a time."""
    records = table.records
    changed: list[R] = []
    if records is seen:
        return changed
    for record_id in table.order:
        record = records[record_id]
        if record.created_at < since:
            break
        if seen.get(record_id) is not record:
            changed.append(record)
    return changed
