"""Moments as cells: how long ago or how far ahead they are, or their clock time, as the user has chosen."""

from datetime import datetime, timedelta

from kronkeep_common.display_zone import format_time, in_zone
from kronkeep_common.text import age
from kronkeep_tui.widgets.cells import Moment

WEEK = timedelta(days=6)
YEAR = timedelta(days=330)


def clock_text(moment: datetime, now: datetime) -> str:
    """Return a moment in at most nine characters in the zone of `now`: 03:00, Mon 03:00, 24 Nov, Nov 2025."""
    local = in_zone(moment, now.tzinfo)
    distance = abs(now - moment)
    if local.date() == now.date():
        return f"{local:%H:%M}"
    if distance < WEEK:
        return f"{local:%a %H:%M}"
    return f"{local:%d %b}" if distance < YEAR else f"{local:%b %Y}"


def age_cell(moment: datetime | None, now: datetime) -> str:
    """Return the age of what has been, or its clock time; None as `-`."""
    return "-" if moment is None else _moment(age(moment, now), moment, now)


def wait_cell(moment: datetime | None, now: datetime) -> str:
    """Return the time until a moment, `due` once it has passed, or its clock time; None as `--`."""
    if moment is None:
        return "--"
    left = age(moment, now).removeprefix("in ") if moment > now else "due"
    return _moment(left, moment, now)


def _moment(shown: str, moment: datetime, now: datetime) -> Moment:
    stamp = in_zone(moment, now.tzinfo).isoformat(timespec="seconds")
    return Moment(shown, clock_text(moment, now), stamp)


def time_until(moment: datetime | None, now: datetime) -> str:
    """Return `in 4m` for what is to come, `due` once it should have come; None as `-`."""
    if moment is None:
        return "-"
    return age(moment, now) if moment > now else "due"


def local_time(moment: datetime, now: datetime, form: str) -> str:
    """Return a moment by a format of strftime in the zone of `now`, with the zone's name."""
    return format_time(moment, now.tzinfo, form)
