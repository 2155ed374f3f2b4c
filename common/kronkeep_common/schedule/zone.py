"""Time zones from the `tzdata` package alone, as offsets over integer seconds.

The machine's own zone files may be older than the cluster's; the package is pinned. A zone is read through
zoneinfo once per stretch of 388 days and kept as the few changes of its offset, which a search then finds.
"""

import re
from bisect import bisect_right
from datetime import UTC, datetime
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from kronkeep_common.errors import InvalidTimeZone
from kronkeep_common.text import clean

# Kubernetes 1.36 validateTimeZone: what each part between slashes may be.
_PART = re.compile(r"[A-Za-z._0-9+-]{1,14}")
_STRETCH = 2**25  # seconds; 388 days
_DAY = 86400
_MAGIC = b"TZif"


class Zone:
    """A zone's offsets from UTC, in seconds, by instant (Unix seconds)."""

    def __init__(self, name: str, tzinfo: ZoneInfo) -> None:
        self.name = name
        self.tzinfo = tzinfo
        self._stretches: dict[int, tuple[list[int], list[int]]] = {}

    def offset(self, instant: int) -> int:
        """Seconds east of UTC at `instant`."""
        starts, offsets = self._stretch(instant // _STRETCH)
        return offsets[bisect_right(starts, instant) - 1]

    def span(self, instant: int) -> tuple[int, int, int]:
        """(start, end, offset) of the stretch around `instant` in which the offset is known not to change."""
        bucket = instant // _STRETCH
        starts, offsets = self._stretch(bucket)
        index = bisect_right(starts, instant) - 1
        end = starts[index + 1] if index + 1 < len(starts) else (bucket + 1) * _STRETCH
        return starts[index], end, offsets[index]

    def resolve(self, wall: int) -> int:
        """Go's `time.Date`: the instant of the wall clock `wall`, in gaps and repeats as Go decides."""
        return wall - self.offset(wall - self.offset(wall))

    def _stretch(self, bucket: int) -> tuple[list[int], list[int]]:
        known = self._stretches.get(bucket)
        if known is None:
            if len(self._stretches) > 64:
                self._stretches.clear()
            known = self._stretches[bucket] = self._read(bucket * _STRETCH, (bucket + 1) * _STRETCH)
        return known

    def _read(self, start: int, end: int) -> tuple[list[int], list[int]]:
        starts, offsets = [start], [self._ask(start)]
        for day in range(start + _DAY, end + _DAY, _DAY):
            day = min(day, end - 1)
            if self._ask(day) != offsets[-1]:
                starts.append(self._change(day - _DAY, day, offsets[-1]))
                offsets.append(self._ask(day))
        return starts, offsets

    def _change(self, before: int, after: int, old: int) -> int:
        """The first instant in (before, after] whose offset is not `old`."""
        while after - before > 1:
            middle = (before + after) // 2
            if self._ask(middle) == old:
                before = middle
            else:
                after = middle
        return after

    def _ask(self, instant: int) -> int:
        delta = datetime.fromtimestamp(instant, UTC).astimezone(self.tzinfo).utcoffset()
        assert delta is not None
        return delta.days * _DAY + delta.seconds


@lru_cache(maxsize=64)
def load(name: str) -> Zone:
    """The zone `name`, case-exact; raises InvalidTimeZone for what Kubernetes refuses."""
    if not name:
        raise InvalidTimeZone("The time zone is empty.", field="time_zone")
    if name.lower() == "local":
        raise InvalidTimeZone("The time zone 'Local' is refused: it means another zone on each machine.")
    parts = name.split("/")
    if any(part in (".", "..") or part.startswith("-") or not _PART.fullmatch(part) for part in parts):
        raise _unknown(name)
    source = files("tzdata").joinpath("zoneinfo", *parts)
    if not source.is_file():
        raise _unknown(name)
    with source.open("rb") as stream:
        if stream.read(4) != _MAGIC:
            raise _unknown(name)
        stream.seek(0)
        return Zone(name, ZoneInfo.from_file(stream, key=name))


def _unknown(name: str) -> InvalidTimeZone:
    return InvalidTimeZone(f"The time zone {clean(repr(name), 80)} is not known.", field="time_zone")
