"""How full a storage is and how fast it grows, from its measurements; pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from operator import attrgetter

import msgspec

from kronkeep_common.models import StorageUsage
from kronkeep_common.models.storage import CRITICAL, WARNING

Usages = Sequence[StorageUsage]
WINDOW = timedelta(days=30)
SHORTEST_SPAN = timedelta(days=1)  # in less, a line shows one backup more or less and no growth
SECONDS_PER_DAY = 86400.0
HOURLY_AGE = timedelta(days=7)
DAILY_AGE = timedelta(days=730)


def with_limit(usage: StorageUsage, limit: int | None) -> StorageUsage:
    """Return the usage with its capacity and what is free of it, in bytes.

    `limit` is the storage's own; where the server or volume has less left than the limit, that counts.
    """
    if limit is not None:
        left = max(0, limit - usage.used_bytes)
        if usage.free_bytes is None or left <= usage.free_bytes:
            return _with_level(usage, limit, left)
    return _with_level(usage, usage.total_bytes, usage.free_bytes)


def _with_level(usage: StorageUsage, capacity: int | None, free: int | None) -> StorageUsage:
    return msgspec.structs.replace(
        usage, capacity_bytes=capacity, available_bytes=free, level=_level_of(capacity, free)
    )


def _level_of(capacity: int | None, free: int | None) -> str:
    if not capacity or free is None:
        return "unknown"
    full = 1 - free / capacity
    if full >= CRITICAL:
        return "critical"
    return "warning" if full >= WARNING else "ok"


def with_growth(usage: StorageUsage, earlier: Usages) -> StorageUsage:
    """Return the usage with its growth, from the measurements of the WINDOW before it and itself."""
    points = [each for each in earlier if usage.measured_at - WINDOW <= each.measured_at < usage.measured_at]
    growth = _bytes_per_day([*points, usage])
    available = usage.available_bytes
    days = available / growth if growth is not None and growth > 0 and available is not None else None
    return msgspec.structs.replace(usage, growth_bytes_per_day=growth, days_until_full=days)


def _bytes_per_day(points: Usages) -> float | None:
    """Return the slope of the least-squares line through the points; None for less than SHORTEST_SPAN."""
    first = points[0].measured_at
    if points[-1].measured_at - first < SHORTEST_SPAN:
        return None
    days = [(point.measured_at - first).total_seconds() / SECONDS_PER_DAY for point in points]
    mean_day = sum(days) / len(days)
    mean_used = sum(point.used_bytes for point in points) / len(points)
    variance = sum((day - mean_day) ** 2 for day in days)
    covariance = sum(
        (day - mean_day) * (point.used_bytes - mean_used) for day, point in zip(days, points, strict=True)
    )
    return round(covariance / variance, 3)


def thin_out(points: Usages, now: datetime) -> list[StorageUsage]:
    """Return the measurements to keep, oldest first.

    These are the last of each hour for HOURLY_AGE and the last of each day for DAILY_AGE.
    """
    kept: dict[str, StorageUsage] = {}
    for point in sorted(points, key=attrgetter("measured_at")):
        age = now - point.measured_at
        if age <= DAILY_AGE:
            period = "%Y-%m-%dT%H" if age <= HOURLY_AGE else "%Y-%m-%d"
            kept[point.measured_at.strftime(period)] = point
    return list(kept.values())
