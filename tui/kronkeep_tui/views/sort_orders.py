"""The ways in which a view's rows can be sorted."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from kronkeep_common.natural_order import NaturalKey, natural_key


class SortOrder(NamedTuple):
    """A way to sort: its name, and the key of a record; `down` puts the largest first."""

    name: str
    key: Callable[[Any], Any]
    down: bool = False


def moment_key(field: str, missing: float = 0.0) -> Callable[[Any], float]:
    """Return a sort key for a field with a time or None; `missing` is the key, in seconds, of None."""

    def key(record: Any) -> float:
        moment: datetime | None = getattr(record, field)
        return missing if moment is None else moment.timestamp()

    return key


def name_key(*fields: str) -> Callable[[Any], tuple[NaturalKey, ...]]:
    """Return a sort key for names: task-2 before task-11."""

    def key(record: Any) -> tuple[NaturalKey, ...]:
        return tuple(natural_key(getattr(record, field)) for field in fields)

    return key


def number_key(field: str) -> Callable[[Any], float]:
    """Return a sort key for a field with a number or None, which counts as 0."""

    def key(record: Any) -> float:
        return getattr(record, field) or 0.0

    return key
