"""How old the snapshot of a restore is, and which newer one is good, in words."""

from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

from kronkeep_common.display_zone import format_time, in_zone
from kronkeep_common.text import count_words, short_id

if TYPE_CHECKING:
    from kronkeep_common.models import Restore, RestorePlan

# Each age is in the largest unit of which there are two; under two minutes in seconds.
UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))


def describe_snapshot_age(
    restored: "Restore | RestorePlan", now: datetime, zone: tzinfo | None = None
) -> str:
    """Return when a snapshot was made and whether a newer one is good; empty where its time is not known.

    zone: of the times that are written, None for UTC.
    """
    made_at = restored.snapshot_at
    if made_at is None:
        return ""
    words = f"of {_clock_time(made_at, now, zone)}, {_age_words((now - made_at).total_seconds())} ago"
    if restored.newer_backup_id is None or restored.newer_snapshot_at is None:
        return words
    newer = _clock_time(restored.newer_snapshot_at, now, zone)
    return f"{words}; not the newest: {short_id(restored.newer_backup_id)} of {newer} is good"


def _clock_time(moment: datetime, now: datetime, zone: tzinfo | None) -> str:
    """Return a time of day, with its date where that is not today's."""
    is_today = in_zone(moment, zone).date() == in_zone(now, zone).date()
    return format_time(moment, zone, "%H:%M" if is_today else "%Y-%m-%d %H:%M")


def _age_words(seconds: float) -> str:
    whole = max(0, int(seconds))
    for length, unit in UNITS:
        if whole >= 2 * length:
            return count_words(whole // length, unit)
    return count_words(whole, "second")
