"""Histories of backups as clusters have them: growth, weekdays, bursts, rotation, steps, each from a seed."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random

from kronkeep_daemon.backups import unusual_rules
from kronkeep_daemon.backups.unusual_rules import ArchiveFigures

START = datetime(2025, 1, 6, 2, tzinfo=UTC)  # a Monday
DAY = timedelta(days=1)
GIB = 2**30
SATURDAY = 5
Shape = Callable[[Random, int, datetime], ArchiveFigures]


def _noise(random: Random, sigma: float) -> float:
    """Return a factor near 1 whose logarithm is normal."""
    return math.exp(random.gauss(0, sigma))


def many_files(random: Random, number: int, at: datetime) -> ArchiveFigures:
    """Ten GiB in 5,000 files that grow by 0.2 % a backup, of which some percent change."""
    total = int(10 * GIB * 1.002**number * _noise(random, 0.01))
    new = int(total * 0.01 * _noise(random, 0.6))
    return ArchiveFigures(
        at=at,
        seconds=20 + new / 5e7 * _noise(random, 0.3),
        files=int(5000 * 1.001**number * _noise(random, 0.01)),
        bytes_read=total,
        bytes_new=new,
        changed=min(1, 0.02 * _noise(random, 0.5)),
    )


def quiet_weekends(random: Random, number: int, at: datetime) -> ArchiveFigures:
    """The same, with a twentieth of the new data on Saturdays and none on Sundays."""
    figures = many_files(random, number, at)
    if at.weekday() < SATURDAY:
        return figures
    new = figures.bytes_new // 20 if at.weekday() == SATURDAY else 0
    return figures._replace(bytes_new=new, changed=figures.changed / 10)


def one_dump(random: Random, number: int, at: datetime) -> ArchiveFigures:
    """One file that is written anew each time and grows by half a percent, later by a twentieth."""
    total = int(GIB * 1.005 ** min(number, 400) * 1.0005 ** max(0, number - 400) * _noise(random, 0.03))
    new = int(total * min(1, 0.5 * _noise(random, 0.3)))
    seconds = 5 + total / 5e7 * _noise(random, 0.4)
    return ArchiveFigures(at=at, seconds=seconds, files=1, bytes_read=total, bytes_new=new, changed=1.0)


def database_folder(random: Random, number: int, at: datetime) -> ArchiveFigures:
    """Fifty GiB in 1,200 files of which two thirds change, each in a few places."""
    total = int(50 * GIB * _noise(random, 0.02))
    return ArchiveFigures(
        at=at,
        seconds=300 * _noise(random, 0.3),
        files=int(1200 * _noise(random, 0.03)),
        bytes_read=total,
        bytes_new=int(total * 0.1 * _noise(random, 0.4)),
        changed=min(1, max(0, random.gauss(0.65, 0.05))),
    )


def weekly_rotation(random: Random, number: int, at: datetime) -> ArchiveFigures:
    """Logs that grow over the week and are cleaned up on Mondays, with bursts."""
    files = int(1000 * (0.6 + 0.07 * at.weekday()) * _noise(random, 0.03))
    total = int(files * 2**20 * _noise(random, 0.1))
    new = min(total, int(total * 0.05 * _noise(random, 1.0)))
    return ArchiveFigures(
        at=at,
        seconds=10 + new / 3e7 * _noise(random, 0.5),
        files=files,
        bytes_read=total,
        bytes_new=new,
        changed=min(1, 0.15 * _noise(random, 0.5)),
    )


def monthly_steps(random: Random, number: int, at: datetime) -> ArchiveFigures:
    """Ten percent more data each month, at once."""
    figures = many_files(random, 0, at)
    step = 1.1 ** (number // 30)
    return figures._replace(
        bytes_read=int(figures.bytes_read * step), files=int(figures.files * 1.05 ** (number // 30))
    )


def hardly_used(random: Random, number: int, at: datetime) -> ArchiveFigures:
    """A small claim of which nothing changes on most days."""
    return ArchiveFigures(
        at=at,
        seconds=4 + random.random(),
        files=200,
        bytes_read=5 * 2**20,
        bytes_new=random.choice([0, 0, 3000, 9000]),
        changed=random.choice([0, 0, 0.01]),
    )


SHAPES: dict[str, Shape] = {
    "many files": many_files,
    "quiet weekends": quiet_weekends,
    "one dump": one_dump,
    "database folder": database_folder,
    "weekly rotation": weekly_rotation,
    "monthly steps": monthly_steps,
    "hardly used": hardly_used,
}


def past_of(shape: Shape, seed: int, count: int, step: timedelta = DAY) -> list[ArchiveFigures]:
    """Return so many backups of a shape, newest first."""
    random = Random(seed)
    return [shape(random, number, START + number * step) for number in range(count)][::-1]


def count_alarms(shape: Shape, seed: int, count: int, step: timedelta = DAY) -> int:
    """Return how many of so many backups are unusual; a person acknowledges each."""
    random = Random(seed)
    past: list[ArchiveFigures] = []
    accepted: list[ArchiveFigures] = []
    alarms = 0
    for number in range(count):
        figures = shape(random, number, START + number * step)
        if unusual_rules.explain_unusual(figures, past, accepted):
            alarms += 1
            accepted.append(figures)
        past.insert(0, figures)
        del past[420:]
    return alarms
