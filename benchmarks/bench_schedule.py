"""Schedule arithmetic against croniter's own iteration, in one run."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from croniter import croniter

from kronkeep_common.schedule import Schedule

ZONE = "Europe/Berlin"
START = datetime(2026, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
SCHEDULES = {
    "every_minute": "* * * * *",
    "every_5_minutes": "*/5 * * * *",
    "hourly": "0 * * * *",
    "daily": "0 2 * * *",
    "workdays": "30 22 * * 1-5",
    "weekly": "0 0 * * 1",
    "monthly": "0 0 1 * *",
    "yearly": "0 0 1 1 *",
    "leap_day": "0 0 29 2 *",
}


def best_seconds(work: Callable[[], object], rounds: int = 3) -> float:
    """Return the CPU seconds of the best of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def run() -> dict[str, float]:
    """Return how many times faster than croniter, and the milliseconds of a schedule that never fires."""
    figures = {}
    for name, expr in SCHEDULES.items():
        schedule = Schedule.parse(expr, ZONE)
        count = 1 + sum(1 for _ in schedule.between(START, START + YEAR))  # with the first one after the year
        sample = min(max(count, 8), 2000)

        def iterate_croniter(expr: str = expr, sample: int = sample) -> None:
            iterator = croniter(expr, START.astimezone(ZoneInfo(ZONE)))
            for _ in range(sample):
                iterator.get_next(datetime)

        def call_next(schedule: Schedule = schedule, sample: int = sample) -> None:
            at: datetime | None = START
            for _ in range(sample):
                at = schedule.next(at) if at else None

        def iterate_year(schedule: Schedule = schedule) -> None:
            for _ in schedule.between(START, START + YEAR):
                continue

        cost = best_seconds(iterate_croniter) / sample
        figures[f"schedule_next_{name}"] = round(cost / (best_seconds(call_next) / sample), 1)
        figures[f"schedule_year_{name}"] = round(cost / (best_seconds(iterate_year) / count), 1)
    never_fires = Schedule.parse("0 0 31 2 *")
    figures["schedule_never_ms"] = round(best_seconds(partial(never_fires.next, START)) * 1000, 4)
    return figures
