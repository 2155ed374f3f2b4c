"""The checks of the history's future size and of the daemon's memory."""

import os
from pathlib import Path
from typing import NamedTuple

from kronkeep_common.api import Check
from kronkeep_common.text import size
from kronkeep_daemon.settings import HistorySettings

FEWEST_RUNS = 100  # below it, bytes of a run are mostly those of an empty database
NEARLY_FULL = 0.8  # of the memory limit
CGROUPS = Path("/sys/fs/cgroup")
NO_LIMIT = 2**60  # cgroup version 1 writes a number near 2^63 where no limit is set


class HistoryPace(NamedTuple):
    """What a forecast is made from.

    runs, bytes: what the history holds, on the disk.
    runs_per_day: of the days that were counted.
    cronjobs: those that have runs.
    free: bytes that the disk has left.
    """

    runs: int
    bytes: int
    runs_per_day: float
    cronjobs: int
    free: int


class HistoryForecast(NamedTuple):
    """The most runs that the history will hold, and their bytes on the disk; None is without end."""

    runs: int | None
    bytes: int | None


def forecast_history(pace: HistoryPace, limits: HistorySettings) -> HistoryForecast:
    """Return what the history grows to at its pace: the smaller of what days and numbers of runs allow."""
    by_days = round(pace.runs_per_day * limits.keep_days) if limits.keep_days else None
    by_number = pace.cronjobs * limits.keep_runs_per_cronjob if limits.keep_runs_per_cronjob else None
    bounds = [bound for bound in (by_days, by_number) if bound is not None]
    if not bounds:
        return HistoryForecast(runs=None, bytes=None)
    runs = max(min(bounds), pace.runs)
    return HistoryForecast(runs=runs, bytes=runs * pace.bytes // max(pace.runs, 1))


def check_growth(pace: HistoryPace, limits: HistorySettings) -> Check:
    """Check how large the history becomes, and warn where the disk has less space, or no limit is set."""
    name = "history size"
    message = f"{pace.runs:,} runs take {size(pace.bytes)}"
    if pace.runs < FEWEST_RUNS:
        return Check(name=name, status="ok", message=f"{message}; too few for a forecast.")
    forecast = forecast_history(pace, limits)
    if forecast.bytes is None:
        message += f" and {pace.runs_per_day:,.0f} a day are added, with no limit."
        next_step = "Set history.keep_days or history.keep_runs_per_cronjob."
        return Check(name=name, status="warn", message=message, next_step=next_step)
    message += (
        f"; at {pace.runs_per_day:,.0f} a day it holds at most {forecast.runs:,} in {size(forecast.bytes)}"
        f" ({_describe_limits(limits)}). Memory does not grow with them."
    )
    if forecast.bytes - pace.bytes > pace.free:
        next_step = f"The disk has {size(pace.free)} left: give it more, or lower history.keep_days."
        return Check(name=name, status="warn", message=message, next_step=next_step)
    return Check(name=name, status="ok", message=message)


def _describe_limits(limits: HistorySettings) -> str:
    words = []
    if limits.keep_days:
        words.append(f"{limits.keep_days:,} days")
    if limits.keep_runs_per_cronjob:
        words.append(f"{limits.keep_runs_per_cronjob:,} of each CronJob")
    return ", ".join(words)


def check_memory(used: int, limit: int | None) -> Check:
    """Compare the memory of this process with the limit of its control group, both in bytes."""
    if limit is None:
        return Check(name="memory", status="ok", message=f"kronkeepd has {size(used)}; no limit is set.")
    message = f"kronkeepd has {size(used)} of {size(limit)}."
    if used < limit * NEARLY_FULL:
        return Check(name="memory", status="ok", message=message)
    next_step = "Raise MemoryMax of the unit (systemctl edit kronkeepd), or the container's memory limit."
    return Check(name="memory", status="warn", message=message, next_step=next_step)


def read_used_memory() -> int:
    """Return the resident bytes of this process (proc(5), statm)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def read_memory_limit(groups: Path = CGROUPS, own: Path = Path("/proc/self/cgroup")) -> int | None:
    """Return the lowest memory limit of the control groups that hold this process, None without one.

    A container sees its own group as the root, so each folder from the group up to the root is read.
    """
    limits = []
    for line in own.read_text().splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers not in ("", "memory") and "memory" not in controllers.split(","):
            continue
        root = groups if not controllers else groups / "memory"
        folder = root / group.lstrip("/")
        limits += [_read_limit(place, is_second=not controllers) for place in (folder, *folder.parents)]
    return min((limit for limit in limits if limit is not None and limit < NO_LIMIT), default=None)


def _read_limit(folder: Path, *, is_second: bool) -> int | None:
    """Return the limit that a folder of control groups has, of version 2 or 1 (cgroups(7))."""
    name = "memory.max" if is_second else "memory.limit_in_bytes"
    try:
        text = (folder / name).read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
