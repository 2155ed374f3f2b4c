"""How full a storage is and how fast it grows, from its figures; pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from kronkeep_common.models import StorageUsage
from kronkeep_common.models.storage import CRITICAL, WARNING

Usages = Sequence[StorageUsage]
WINDOW = timedelta(days=30)
SHORTEST = timedelta(days=1)  # below a day one backup more or less is all that a line would show
DAY = 86400.0
HOURLY = timedelta(days=7)
DAILY = timedelta(days=730)


def with_limit(usage: StorageUsage, limit: int | None) -> StorageUsage:
    """`usage` with its capacity and what is left of it, in bytes.

    `limit` is the storage's own; of that and what its server or volume has, the one with less left counts.
    """
    total = usage.total_bytes
    free = usage.free_bytes
    left = max(0, limit - usage.used_bytes) if limit is not None else None
    if left is not None and (free is None or left <= free):
        return _levelled(usage, limit, left)
    return _levelled(usage, total, free)


def _levelled(usage: StorageUsage, capacity: int | None, free: int | None) -> StorageUsage:
    if not capacity or free is None:
        return msgspec.structs.replace(usage, capacity_bytes=capacity, available_bytes=free, level="unknown")
    full = 1 - free / capacity
    level = "critical" if full >= CRITICAL else "warning" if full >= WARNING else "ok"
    return msgspec.structs.replace(usage, capacity_bytes=capacity, available_bytes=free, level=level)


def with_growth(usage: StorageUsage, earlier: Usages) -> StorageUsage:
    """`usage` with its growth, from itself and the figures of the 30 days before it."""
    points = [u for u in earlier if usage.measured_at - WINDOW <= u.measured_at < usage.measured_at]
    slope = _slope([*points, usage])
    left = usage.available_bytes
    days = left / slope if slope is not None and slope > 0 and left is not None else None
    return msgspec.structs.replace(usage, growth_bytes_per_day=slope, days_until_full=days)


def _slope(points: Usages) -> float | None:
    """Bytes a day of the line with the least squares; None for less than a day of figures."""
    first = points[0].measured_at
    last = points[-1].measured_at
    if last - first < SHORTEST:
        return None
    days = [(point.measured_at - first).total_seconds() / DAY for point in points]
    mean_day = sum(days) / len(days)
    mean_used = sum(point.used_bytes for point in points) / len(points)
    spread = sum((day - mean_day) ** 2 for day in days)
    drawn = zip(days, points, strict=True)
    return round(sum((d - mean_day) * (p.used_bytes - mean_used) for d, p in drawn) / spread, 3)


def kept(points: Usages, now: datetime) -> list[StorageUsage]:
    """The figures that stay, oldest first: the last of each hour for a week, of each day for two years."""
    chosen: dict[str, StorageUsage] = {}
    for point in sorted(points, key=lambda point: point.measured_at):
        age = now - point.measured_at
        if age <= DAILY:
            step = "%Y-%m-%dT%H" if age <= HOURLY else "%Y-%m-%d"
            chosen[point.measured_at.strftime(step)] = point
    return list(chosen.values())
