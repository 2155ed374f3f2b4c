"""Content of the view of a search in all kept logs: its hits, the lines around one, and how it ended."""

from datetime import datetime

from kronkeep_common.models.log_search import LogHit, SearchEnd
from kronkeep_common.text import clean, count_words, size
from kronkeep_tui.log_times import split_clock
from kronkeep_tui.pages.moments import age_cell, local_time
from kronkeep_tui.widgets.cells import Text, wrap
from kronkeep_tui.widgets.row_table import Column, TableRow

COLUMNS = (
    Column(title="RUN", width=20, grow=1, letter="n"),
    Column(title="AGE", width=6, right=True, letter="a", is_moment=True),
    Column(title="LINE", width=6, right=True, drop=1),
    Column(title="TEXT", width=20, grow=4),
)


def key_of(hit: LogHit) -> str:
    """Return what tells a hit from all others."""
    return f"{hit.execution_id} {hit.pod} {hit.container} {hit.attempt} {hit.line}"


def row(hit: LogHit, now: datetime) -> TableRow:
    """Return the row of a hit."""
    cells = (
        f"{hit.namespace}/{hit.cronjob}",
        age_cell(hit.created_at, now),
        str(hit.line),
        _line_text(hit.text, now),
    )
    return TableRow(key=key_of(hit), cells=cells)


def detail(hit: LogHit, now: datetime, width: int) -> list[Text]:
    """Return the lines around a hit, and of which run, container and attempt they are."""
    when = local_time(hit.created_at, now, "%Y-%m-%d %H:%M:%S")
    attempt = f", attempt {hit.attempt}" if hit.attempt > 1 else ""
    head = f"{hit.namespace}/{hit.cronjob}  {when}  {hit.pod} {hit.container}{attempt}"
    lines: list[Text] = [((part, "quiet"),) for part in wrap(clean(head), width)]
    around = [*((line, "quiet") for line in hit.before), (hit.text, "strong")]
    around += [(line, "quiet") for line in hit.after]
    lines += [((part, kind),) for line, kind in around for part in wrap(_line_text(line, now), width)]
    return lines


def _line_text(line: str, now: datetime) -> str:
    """Return a line of a log with its time as a clock in the zone of `now`, to the second."""
    return "".join(split_clock(clean(line, 1000).strip(), now.tzinfo))


def summary(end: SearchEnd | None, *, is_searching: bool) -> str:
    """Return how far the search is, or what it read; one that was broken off has no end."""
    if end is None:
        return "searching ..." if is_searching else "broken off, so there may be more"
    words = f"{count_words(end.logs, 'log')} of {size(end.bytes)} read"
    if end.skipped:
        words += f", {count_words(end.skipped, 'run')} without it passed over"
    if end.removed:
        words += f", {count_words(end.removed, 'log')} had been removed"
    return f"{words}; there are more hits" if end.limited else words
