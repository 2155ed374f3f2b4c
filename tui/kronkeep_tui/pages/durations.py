"""How long the runs of each CronJob take, so far as they were read: the usual duration and a trend."""

from collections.abc import Mapping, Sequence
from itertools import islice

from kronkeep_common.models import CronJobExecution
from kronkeep_common.text import duration
from kronkeep_tui.pages.status_words import BLOCKS, STRIP, UNENDED
from kronkeep_tui.store import Store
from kronkeep_tui.widgets.cells import Drawing, Span, Text

MOST_RUNS = 5_000  # newest runs of all CronJobs that are looked at
MOST_OF_ONE = 60
NEWEST = 500  # runs among which those are that go on
USUAL_RUNS = 20
SLOW = 2.0  # times the usual duration, from which on a run is marked
SHORTEST_SLOW = 60.0  # seconds; shorter runs vary for no reason

RunsByCronJob = Mapping[str, Sequence[CronJobExecution]]


def median_of(values: Sequence[float]) -> float | None:
    """Return the median; None of nothing. The standard library's takes 10 ms to import."""
    if not values:
        return None
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def group_runs(store: Store) -> RunsByCronJob:
    """Return the newest runs of each CronJob, the newest first."""
    groups: dict[str, list[CronJobExecution]] = {}
    records = store.executions.records
    for run_id in islice(store.executions.order, MOST_RUNS):
        run = records[run_id]
        group = groups.setdefault(run.cronjob_id, [])
        if len(group) < MOST_OF_ONE:
            group.append(run)
    return groups


def open_runs(store: Store) -> tuple[str, ...]:
    """Return the ids of the newest runs that go on: while they are the same, no run has ended."""
    records = store.executions.records
    return tuple(
        run_id for run_id in islice(store.executions.order, NEWEST) if records[run_id].status in UNENDED
    )


def usual_seconds(runs: Sequence[CronJobExecution]) -> float | None:
    """Return the median duration of the newest runs that succeeded; None without any."""
    took = [run.duration_seconds for run in runs if run.status == "succeeded"]
    known = [seconds for seconds in took if seconds is not None][:USUAL_RUNS]
    return median_of(known)


def since_run(runs: Sequence[CronJobExecution], run_id: str) -> Sequence[CronJobExecution]:
    """Return a run and those before it; all where it is not among them."""
    at = next((number for number, run in enumerate(runs) if run.id == run_id), 0)
    return runs[at:]


def trend(runs: Sequence[CronJobExecution], width: int) -> Text:
    """Return the newest runs, oldest first, a cell each: a letter for what failed, else a block.

    A block of half a cell is the usual duration, a full one twice as much or more.
    """
    shown = list(reversed(runs[:width]))
    usual = usual_seconds(runs)
    signs = [_sign_of(run, usual) for run in shown]
    spans: list[Span] = [(" " * (width - len(shown)), "")]
    for sign, role in signs:
        if spans[-1][1] == role:
            spans[-1] = (spans[-1][0] + sign, role)
        else:
            spans.append((sign, role))
    words = f"usually {duration(usual)}" if usual is not None else "none"
    return (
        (Drawing(spans[0][0], words), spans[0][1]),
        *((Drawing(sign, ""), role) for sign, role in spans[1:]),
    )


def _sign_of(run: CronJobExecution, usual: float | None) -> Span:
    if run.status != "succeeded":
        return STRIP.get(run.status, ("?", "warn"))
    share = (run.duration_seconds or 0.0) / usual if usual else 1.0
    eighths = max(1, min(len(BLOCKS), round(share * len(BLOCKS) / SLOW)))
    return BLOCKS[eighths - 1], slow_role(run.duration_seconds, usual) or "quiet"


def slow_role(seconds: float | None, usual: float | None) -> str:
    """Return the role of a duration: a warning for one that is much longer than usual."""
    if seconds is None or usual is None or seconds < SHORTEST_SLOW:
        return ""
    return "warn" if seconds >= SLOW * usual else ""
