"""The Queue page: what works on each repository, what waits for it, and why; pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter

from kronkeep_common.models import QueueEntry
from kronkeep_common.text import age, clean
from kronkeep_tui.widgets.cells import Text, wrap


def lines(entries: Iterable[QueueEntry], now: datetime, width: int) -> list[Text]:
    """Return the lines of the page, a paragraph for each repository."""
    drawn: list[Text] = []
    for repository, works in groupby(sorted(entries, key=_order), key=attrgetter("repository")):
        drawn += [((clean(repository), "strong"),), *_repository_lines(list(works), now, width), ()]
    return drawn


def _order(entry: QueueEntry) -> tuple[str, bool, str, int]:
    return entry.repository, entry.status == "waiting", entry.kind, entry.place or 0


def _repository_lines(entries: Sequence[QueueEntry], now: datetime, width: int) -> list[Text]:
    """Return a line for each work, and each reason once, above those that wait for it."""
    drawn: list[Text] = []
    told: str | None = None
    for entry in entries:
        if entry.message is not None and entry.message != told:
            told = entry.message
            drawn += [((f"  {part}", "quiet"),) for part in wrap(told, max(20, width - 2))]
        drawn.append(_work_line(entry, now))
    return drawn


def _work_line(entry: QueueEntry, now: datetime) -> Text:
    is_working = entry.status == "working"
    place = "   run" if is_working else f"{entry.place or 0:6}"
    whose = f"{entry.namespace}/{entry.cronjob or '?'}" if entry.namespace else ""
    details = [f"node {entry.node}"] if entry.node else []
    details += [f"priority {entry.priority}"] if entry.priority in ("low", "high") else []
    if entry.good_until is not None:
        left = entry.good_until - now
        details.append(f"due in {age(now, entry.good_until)}" if left.total_seconds() > 0 else "overdue")
    return (
        (place, "run" if is_working else "quiet"),
        (f"  {entry.task:12} {age(entry.since, now):>5}  ", ""),
        (clean(whose), "strong"),
        (clean("  " + ", ".join(details)) if details else "", "quiet"),
    )
