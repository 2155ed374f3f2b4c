"""How long a restore will take, from how long earlier ones took, by files and bytes; pure.

A restore takes some seconds whatever it restores, and then so many seconds a byte and a file: the three that
fit the earlier restores best, none of them negative, are used. Where several explain the past alike, as when
all earlier restores were of one size, the one counts by which the restore takes longest.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

ALIKE = 0.02  # by so much, as a share of the time, two explanations may differ in how well they fit
LEAST_SECONDS = 0.5
_SMALLEST_PIVOT = 1e-12


class RestoreTime(NamedTuple):
    """How long a restore of so many files and bytes took, from the start of its Job to the last file."""

    files: int
    bytes: int
    seconds: float


def predict_seconds(past: Sequence[RestoreTime], files: int, total_bytes: int) -> float | None:
    """Return how long a restore of so many files and bytes will take; None without earlier ones."""
    if not past:
        return None
    features = [(1.0, each.bytes / 2**20, each.files / 1000) for each in past]
    seconds = [max(LEAST_SECONDS, each.seconds) for each in past]
    wanted = (1.0, total_bytes / 2**20, files / 1000)
    fits = [
        (_error_of(rates, features, seconds), sum(a * b for a, b in zip(rates, wanted, strict=True)))
        for size in (1, 2, 3)
        for columns in combinations(range(3), size)
        if (rates := _fit(columns, features, seconds)) is not None
    ]
    best = min(error for error, _ in fits)
    return max(predicted for error, predicted in fits if error <= best + ALIKE)


def _fit(
    columns: tuple[int, ...], features: Sequence[tuple[float, ...]], seconds: Sequence[float]
) -> tuple[float, ...] | None:
    """Return the rates of the columns by least squares of the relative error; None where one is negative."""
    rows = [[row[column] / took for column in columns] for row, took in zip(features, seconds, strict=True)]
    matrix = [
        [sum(row[i] * row[j] for row in rows) for j in range(len(columns))] + [sum(row[i] for row in rows)]
        for i in range(len(columns))
    ]
    solved = _solve(matrix)
    if solved is None or min(solved) < 0:
        return None
    by_column = dict(zip(columns, solved, strict=True))
    return tuple(by_column.get(column, 0.0) for column in range(3))


def _solve(matrix: list[list[float]]) -> list[float] | None:
    """Return the solution of linear equations, the right side last in each row; None where there is none."""
    size = len(matrix)
    for step in range(size):
        pivot = max(range(step, size), key=lambda row: abs(matrix[row][step]))
        scale = max(map(abs, matrix[pivot][:size]), default=0.0)
        if abs(matrix[pivot][step]) <= max(_SMALLEST_PIVOT, scale * 1e-9):
            return None
        matrix[step], matrix[pivot] = matrix[pivot], matrix[step]
        for row in range(size):
            if row != step:
                factor = matrix[row][step] / matrix[step][step]
                matrix[row] = [a - factor * b for a, b in zip(matrix[row], matrix[step], strict=True)]
    return [matrix[step][size] / matrix[step][step] for step in range(size)]


def _error_of(
    rates: tuple[float, ...], features: Sequence[tuple[float, ...]], seconds: Sequence[float]
) -> float:
    """Return the mean error of rates, as a share of the time."""
    errors = [
        abs(sum(a * b for a, b in zip(rates, row, strict=True)) - took) / took
        for row, took in zip(features, seconds, strict=True)
    ]
    return sum(errors) / len(errors)
