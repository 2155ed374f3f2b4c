"""TinyDB queries as SQL conditions.

A query's hash is a tuple of operator, path and value, joined by `and` and `or`. The condition is necessary
for the query, not sufficient: it may offer too many rows, never too few, and TinyDB's own query then decides.
"""

from collections.abc import Iterable
from functools import reduce
from typing import Any, NamedTuple

from kronkeep_daemon.history.rows import COLUMNS, LATEST, SORT

SECOND = len("2026-01-01T00:00:00")  # times are compared without what may follow it differently
MOST_VALUES = 500  # of one `one_of`; SQLite allows 32,766 in a statement
DEPTH = 20  # queries that are nested deeper are left to TinyDB


class SqlCondition(NamedTuple):
    """A condition of SQL and the values of its parameters."""

    sql: str
    values: tuple[str, ...]


def condition_of(query_hash: Any, depth: int = DEPTH) -> SqlCondition | None:
    """Return the condition of a query's hash; None where SQL cannot narrow it."""
    match query_hash:
        case ("and", frozenset(parts)) if depth:
            conditions = [condition_of(part, depth - 1) for part in parts]
            return _join("AND", [condition for condition in conditions if condition is not None])
        case ("or", frozenset(parts)) if depth:
            conditions = [condition_of(part, depth - 1) for part in parts]
            sides = [condition for condition in conditions if condition is not None]
            return _join("OR", sides) if len(sides) == len(parts) else None
        case (str(operator), (str(field),), value) if field in COLUMNS:
            return _compare_time(operator, value) if field == SORT else _compare(operator, field, value)
    return None


def _join(word: str, conditions: Iterable[SqlCondition]) -> SqlCondition | None:
    # Two at a time: the hash is a frozenset, so the order of the parts does not matter.
    def join_two(left: SqlCondition, right: SqlCondition) -> SqlCondition:
        return SqlCondition(f"({left.sql} {word} {right.sql})", left.values + right.values)

    listed = list(conditions)
    return reduce(join_two, listed) if listed else None


def _compare(operator: str, field: str, value: Any) -> SqlCondition | None:
    match operator, value:
        case ("==", str()) if value:
            return SqlCondition(f"{field} = ?", (value,))
        case ("<" | "<=" | ">" | ">=", str()) if field != "id":
            return SqlCondition(f"{field} {operator} ?", (value,))
        case ("one_of", tuple()) if len(value) <= MOST_VALUES and _are_texts(value):
            return SqlCondition(f"{field} IN ({', '.join('?' * len(value))})", tuple(value))
    return None


def _compare_time(operator: str, value: Any) -> SqlCondition | None:
    match operator, value:
        case ("==", str()) if value:
            return SqlCondition(f"({SORT} >= ? AND {SORT} <= ?)", (_earliest(value), _latest(value)))
        case (">" | ">=", str()):
            return SqlCondition(f"{SORT} >= ?", (_earliest(value),))
        case ("<" | "<=", str()) if value:
            return SqlCondition(f"{SORT} <= ?", (_latest(value),))
    return None


def _earliest(time: str) -> str:
    return time[:SECOND]


def _latest(time: str) -> str:
    return time[:SECOND] + LATEST


def _are_texts(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) and value for value in values)
