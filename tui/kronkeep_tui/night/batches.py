"""Order of the rows, and batches: CronJobs with one schedule in one row where rows run out."""

from collections.abc import Iterable, Sequence
from itertools import chain
from operator import attrgetter
from typing import NamedTuple

from kronkeep_common.natural_order import NaturalKey, natural_key
from kronkeep_tui.night.bars import Bar, NightRow
from kronkeep_tui.night.chart import Look, cells_of, count_at_once, is_in_window, stretches_of
from kronkeep_tui.pages.status_words import FAULTS

FEWEST = 3  # CronJobs of a batch
NEVER = float("inf")
REST = "batch rest"


class NightEntry(NamedTuple):
    """A row with what it is sorted by, in the window that is shown.

    `start` is when its first run of the window began, NEVER without one; `length` the seconds of its runs
    there; `overlap` how many runs were going on at once, at most, while one of its own was; `name` namespace
    and name in natural order.
    """

    row: NightRow
    start: float
    length: float
    name: tuple[NaturalKey, NaturalKey]
    overlap: int = 0

    @property
    def id(self) -> str:
        """The CronJob's id, or that of the batch."""
        return self.row.id

    @property
    def namespace(self) -> str:
        """The namespace of the CronJob, or of all in the batch."""
        return self.row.namespace


def _name_of(row: NightRow) -> tuple[NaturalKey, NaturalKey]:
    return natural_key(row.namespace), natural_key(row.cronjob)


def entry_of(row: NightRow, look: Look) -> NightEntry:
    """Return a row with what it is sorted by, without its overlap."""
    shown = [bar for bar in row.runs if is_in_window(cells_of(bar, look), look.window)]
    planned = [*row.planned, *(bar.begin for bar in row.planned_archives)]
    ahead = [moment for moment in planned if look.now <= moment < look.window.end]
    begins = [*(max(bar.begin, look.window.begin) for bar in shown), *ahead]
    lasting = sum((look.now if bar.end is None else bar.end) - bar.begin for bar in shown)
    return NightEntry(row=row, start=min(begins, default=NEVER), length=max(0.0, lasting), name=_name_of(row))


def with_overlaps(entries: Sequence[NightEntry], look: Look) -> list[NightEntry]:
    """Return entries with their overlaps."""
    counts = count_at_once((entry.row.runs for entry in entries), look)
    return [entry._replace(overlap=_largest_overlap(entry, counts, look)) for entry in entries]


def _largest_overlap(entry: NightEntry, counts: Sequence[int], look: Look) -> int:
    stretches = stretches_of((bar for bar in entry.row.runs if bar.status != "missed"), look)
    spans = (counts[max(0, each.cells.first) : each.cells.end] for each in stretches)
    return max(chain.from_iterable(spans), default=0)


def fold_batches(entries: Sequence[NightEntry], opened: frozenset[str] = frozenset()) -> list[NightEntry]:
    """Return entries with those of one namespace and schedule as one batch, where its first one stood.

    opened: the ids of batches whose CronJobs stand in rows of their own.
    """
    groups: dict[str, list[NightEntry]] = {}
    for entry in entries:
        groups.setdefault(batch_id(entry.row) or entry.row.id, []).append(entry)
    folded: list[NightEntry] = []
    for key, group in groups.items():
        is_batch = len(group) >= FEWEST and key not in opened
        folded += [_merge(key, group, group[0].row.schedule)] if is_batch else group
    return folded


def batch_id(row: NightRow) -> str:
    """Return the id of the batch that a row may be in; empty for a CronJob that is gone."""
    return f"batch {row.cluster} {row.namespace} {row.schedule}" if row.schedule else ""


def fold_rest(entries: Sequence[NightEntry], most: int) -> list[NightEntry]:
    """Return at most `most` entries; the last one is a batch of all that have no row of their own."""
    if len(entries) <= most or most < 1:
        return list(entries)
    rest = entries[most - 1 :]
    return [*entries[: most - 1], _merge(REST, rest, "more")]


def choose_rows(entries: Sequence[NightEntry], most: int) -> list[NightEntry]:
    """Return at most `most` rows of those that have something in the window, in the order of their starts.

    Where there are more, CronJobs of one schedule become a batch, and the shortest are one row together.
    """
    shown = [entry for entry in entries if entry.start != NEVER]
    if len(shown) > most:
        shown = fold_rest(sorted(fold_batches(shown), key=_interest, reverse=True), most)
    return sorted(shown, key=_start_order)


def _interest(entry: NightEntry) -> tuple[bool, float]:
    """Sort by whether the newest run failed, then by how long the runs took."""
    newest = entry.row.runs[-1].status if entry.row.runs else ""
    return newest in FAULTS, entry.length


def _start_order(entry: NightEntry) -> tuple[bool, float, object]:
    """Sort by start, then by name; what stands for all others comes last."""
    return entry.id == REST, entry.start, entry.name


def _merge(key: str, group: Sequence[NightEntry], name: str) -> NightEntry:
    rows = [entry.row for entry in group]
    namespaces = {row.namespace for row in rows}
    merged = NightRow(
        id=key,
        cluster=rows[0].cluster,
        namespace=namespaces.pop() if len(namespaces) == 1 else "",
        cronjob=f"{sum(row.members for row in rows)} × {name}",
        last_seconds=max((row.usual_seconds or 0.0 for row in rows), default=None),
        runs=_in_order(row.runs for row in rows),
        archives=_in_order(row.archives for row in rows),
        planned=tuple(sorted(chain.from_iterable(row.planned for row in rows))),
        planned_archives=_in_order(row.planned_archives for row in rows),
        members=sum(row.members for row in rows),
    )
    return NightEntry(
        row=merged,
        start=min(entry.start for entry in group),
        length=sum(entry.length for entry in group),
        name=_name_of(merged),
        overlap=max(entry.overlap for entry in group),
    )


def _in_order(groups: Iterable[Iterable[Bar]]) -> tuple[Bar, ...]:
    return tuple(sorted(chain.from_iterable(groups), key=attrgetter("begin")))
