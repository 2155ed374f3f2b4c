"""Times that the lines of a log begin with, as `kubectl logs --timestamps` has them, to the nanosecond."""

import re
from datetime import datetime, tzinfo

from kronkeep_common.display_zone import in_zone

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:?\d\d)\s?(.*)", re.DOTALL)


def split_time(line: str) -> tuple[datetime | None, str]:
    """Return the time (RFC 3339) that a line begins with, to the second, and the rest of the line."""
    match = _TIME.fullmatch(line)
    if match is None:
        return None, line
    try:
        return datetime.fromisoformat(match[1] + match[2]), match[3]
    except ValueError:  # digits that are no time, such as a 13th month
        return None, line


def split_clock(line: str, zone: tzinfo | None) -> tuple[str, str]:
    """Return the time of a line as a clock in a zone (None: UTC), with a space behind it, and the rest.

    The clock of a line without a time is empty.
    """
    moment, rest = split_time(line)
    return ("" if moment is None else f"{in_zone(moment, zone):%H:%M:%S} "), rest
