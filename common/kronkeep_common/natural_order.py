"""The order of names in which people count: task-2 before task-11."""

import re
from functools import lru_cache

_DIGITS = re.compile(r"([0-9]+)")
_KEPT_KEYS = 50_000

NaturalKey = tuple[tuple[int, int, str], ...]


@lru_cache(maxsize=_KEPT_KEYS)
def natural_key(text: str) -> NaturalKey:
    """Return a sort key: numbers in a text by their value, letters in any case, then the text itself."""
    parts = _DIGITS.split(text.lower())
    # re.split with a group: every second part is a number
    key = tuple((0, _value(part), "") if index % 2 else (1, 0, part) for index, part in enumerate(parts))
    return (*key, (2, 0, text))


def _value(digits: str) -> int:
    """Return a number; of a very long one its first digits, as Python refuses to read it."""
    return int(digits[:300])
