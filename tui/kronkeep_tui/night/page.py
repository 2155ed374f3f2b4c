"""What the Night view shows around its bars: columns, names, the lines above and the headline."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from rich.cells import cell_len

from kronkeep_common.models.timeline import Timeline
from kronkeep_common.text import duration
from kronkeep_tui.night.bars import Bar, NightRow
from kronkeep_tui.night.batches import NightEntry
from kronkeep_tui.night.chart import Look, draw_axis, draw_load
from kronkeep_tui.store import Store
from kronkeep_tui.widgets.cells import Cell, Span, Text
from kronkeep_tui.widgets.row_table import Column

SHORTEST_NAME = 16  # cells, for the words beside the lines above the rows
NAME_SHARE = 3  # a third of the width is the most that names take
COLUMNS = (
    Column(title="CRONJOB", width=SHORTEST_NAME + 1, letter="n"),
    Column(title="", width=20, grow=1),
)


def longest(names: Sequence[str]) -> int:
    """Return the cells of the longest name."""
    return max(map(cell_len, names), default=0)


def columns_for(longest_name: int, width: int) -> tuple[Column, ...]:
    """Return the columns, that of the names as wide as the longest, and at most a third of the width."""
    wide = max(SHORTEST_NAME, min(longest_name, width // NAME_SHARE))
    return (COLUMNS[0]._replace(width=wide + 1), COLUMNS[1])


def label(row: NightRow, store: Store) -> str:
    """Return a CronJob's name, with its namespace and cluster where it is not unique; a batch's with both."""
    if row.members > 1:
        return f"{row.namespace}: {row.cronjob}" if row.namespace else row.cronjob
    return store.label(row.namespace, row.cronjob) + store.cluster_suffix(row.cluster)


def place_of(row: NightRow, bar: Bar | None) -> tuple[str, str]:
    """Return the kind and argument of the view that a bar leads to: its run, else the CronJob's runs."""
    if bar is None or bar.status == "planned":
        return "runs", row.id
    run_id = bar.run_id if bar.storage else bar.id
    return ("runs", row.id) if run_id is None else ("run", run_id)


def default_order(entry: NightEntry) -> tuple[object, ...]:
    """Sort by start, then by name."""
    return entry.start, entry.name


def is_identical(one: object, other: object) -> bool:
    """Whether two are the same object, or equal numbers."""
    return one is other or (isinstance(one, int) and one == other)


def head(
    look: Look, runs: Sequence[int], archives: Sequence[int], storages: Mapping[str, Sequence[int]]
) -> list[tuple[Cell, ...]]:
    """Return the lines above the rows: times, runs at once, archives at once, those of each storage."""
    return [
        ((("CRONJOB", "title quiet"),), draw_axis(look)),
        (_load_label("runs at once", runs), draw_load(runs, look, "ok")),
        (_load_label("archives", archives), draw_load(archives, look, "accent")),
        *(
            (_load_label(f" {storage_id}", counts), draw_load(counts, look, "accent"))
            for storage_id, counts in storages.items()
        ),
    ]


def _load_label(words: str, counts: Sequence[int]) -> Text:
    return ((words, "quiet"), (f" {max(counts, default=0)}", "strong"))


def window_text(look: Look, timeline: Timeline | None, waiting: Span) -> Text:
    """Return which time is shown and how long a column is, and since when runs are there, if not all are.

    waiting: what stands there until the timeline was read.
    """
    begin, end = (
        f"{datetime.fromtimestamp(moment, look.zone):%a %d %b %H:%M}"
        for moment in (look.window.begin, look.window.end)
    )
    spans: Text = ((f"  {begin} to {end}, a column is {duration(look.window.step)}", "quiet"),)
    if timeline is None:
        return (*spans, waiting)
    if timeline.complete_since.timestamp() > max(look.window.begin, timeline.from_at.timestamp()):
        since = datetime.fromtimestamp(timeline.complete_since.timestamp(), look.zone)
        return (*spans, (f"  all since {since:%H:%M}", "warn"))
    return spans
