"""Timestamps as Kubernetes writes them (metav1.Time): whole seconds in UTC, such as 2026-01-15T10:00:00Z."""

from datetime import MAXYEAR, MINYEAR, UTC, datetime


def format_timestamp(moment: datetime) -> str:
    """Return the metav1.Time of an aware datetime; fractions of a second are cut off."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_timestamp(text: str | None) -> datetime | None:
    """Return the instant of a metav1.Time; None for a field that is absent, empty or no time.

    Whoever may write an Event or an annotation chooses its time. Kubernetes takes the years 0 and 10000, that
    Python does not have; from the first and the last that it has, some zone's offset leads out of them.
    """
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    is_known = moment.tzinfo is not None and MINYEAR < moment.year < MAXYEAR
    return moment if is_known else None
