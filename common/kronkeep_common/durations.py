"""Durations as people write them: 4h, 1d12h, 90m."""

import re

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.text import clean

_DURATION = re.compile(r"(?:([0-9]{1,5})d)?(?:([0-9]{1,5})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,7})s)?")


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as 4h, 1d12h or 90m; raise InvalidRequest."""
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise InvalidRequest(
            f"{clean(repr(text), 80)} is not a duration.", next_step="Write it as 4h, 1d12h or 90m."
        )
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
