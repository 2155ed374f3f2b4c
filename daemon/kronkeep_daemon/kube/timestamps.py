"""Timestamps as Kubernetes writes them (metav1.Time): whole seconds in UTC, such as 2026-01-15T10:00:00Z."""

from datetime import UTC, datetime


def format_timestamp(moment: datetime) -> str:
    """Return the metav1.Time of an aware datetime; fractions of a second are cut off."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_timestamp(text: str | None) -> datetime | None:
    """Return the instant of a metav1.Time; None for a field that is absent or empty."""
    return datetime.fromisoformat(text) if text else None
