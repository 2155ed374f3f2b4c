"""Time zones from the `tzdata` package alone, as offsets over integer seconds.

The machine's own zone files may be older than the cluster's; the package is pinned. A zone is read through
zoneinfo once per stretch of 388 days and kept as the few changes of its offset, which a search then finds.
"""

import re
from bisect import bisect_left, bisect_right
from datetime import UTC, datetime
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from kronkeep_common.errors import InvalidTimeZone
from kronkeep_common.text import clean

# Kubernetes 1.36 validateTimeZone: what each part between slashes may be.
_PART = re.compile(r"[A-Za-z._0-9+-]{1,14}")
_STRETCH = 2**25  # seconds; 388 days
_DAY = 86400
_EDGE = 3 * _DAY  # read beyond a stretch on both sides: a change next to its border is felt within
_MARGIN = 26 * 3600  # wider than any change of an offset (Pacific/Apia moved by 24 h)
_FIRST = -62_135_596_800 + 2 * _DAY  # Unix seconds of the years 1 and 9999, two days inside
_LAST = 253_402_300_799 - 2 * _DAY
_MAGIC = b"TZif"


class Calm(NamedTuple):
    """A stretch of whole local days with one offset: no change of the clocks can touch a fire within it."""

    start: int
    end: int
    offset: int


class _Stretch(NamedTuple):
    """The offsets of one stretch, each from its start on, with the calm days of each and the wild changes."""

    starts: list[int]
    offsets: list[int]
    calm: list[Calm]
    wild: list[int]


class Zone:
    """A zone's offsets from UTC, in seconds, by instant (Unix seconds)."""

    def __init__(self, name: str, tzinfo: ZoneInfo) -> None:
        self.name = name
        self.tzinfo = tzinfo
        self._stretches: dict[int, _Stretch] = {}

    def offset(self, instant: int) -> int:
        """Seconds east of UTC at `instant`."""
        stretch = self._stretch(instant // _STRETCH)
        return stretch.offsets[bisect_right(stretch.starts, instant) - 1]

    def calm(self, instant: int) -> Calm | None:
        """The calm days around `instant`; None where the clocks change on that day, or wildly next to it."""
        stretch = self._stretch(instant // _STRETCH)
        calm = stretch.calm[bisect_right(stretch.starts, instant) - 1]
        return calm if calm.start <= instant < calm.end else None

    def settled(self, start: int, end: int) -> bool:
        """Whether every midnight in [start, end] exists once: no change of the clocks was a wild one."""
        start = start - _MARGIN
        end = end + _MARGIN
        for bucket in range(start // _STRETCH, end // _STRETCH + 1):
            wild = self._stretch(bucket).wild
            if wild and bisect_right(wild, end) > bisect_left(wild, start):
                return False
        return True

    def changes(self, start: int, end: int) -> list[tuple[int, int, int]]:
        """The changes of the offset in [start, end): instant, offset before, offset from then on."""
        found = []
        for bucket in range(start // _STRETCH, end // _STRETCH + 1):
            stretch = self._stretch(bucket)
            for at, (old, new) in zip(stretch.starts[1:], pairwise(stretch.offsets), strict=True):
                if at // _STRETCH == bucket and start <= at < end:
                    found.append((at, old, new))
        return found

    def resolve(self, wall: int) -> int:
        """Go's `time.Date`: the instant of the wall clock `wall`, in gaps and repeats as Go decides."""
        return wall - self.offset(wall - self.offset(wall))

    def _stretch(self, bucket: int) -> _Stretch:
        known = self._stretches.get(bucket)
        if known is None:
            if len(self._stretches) > 64:
                self._stretches.clear()
            known = self._stretches[bucket] = self._read(
                bucket * _STRETCH - _EDGE, (bucket + 1) * _STRETCH + _EDGE
            )
        return known

    def _read(self, start: int, end: int) -> _Stretch:
        starts = [start]
        offsets = [self._ask(start)]
        for day in range(start + _DAY, end + _DAY, _DAY):
            if self._ask(day) != offsets[-1]:
                starts.append(self._change(day - _DAY, day, offsets[-1]))
                offsets.append(self._ask(day))
        return _stretch(starts, offsets, end)

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
        moment = datetime.fromtimestamp(min(max(instant, _FIRST), _LAST), UTC)
        delta = moment.astimezone(self.tzinfo).utcoffset()
        assert delta is not None
        return delta.days * _DAY + delta.seconds


def _stretch(starts: list[int], offsets: list[int], end: int) -> _Stretch:
    froms = [starts[0]]
    untils = []
    wild = []
    for at, (old, new) in zip(starts[1:], pairwise(offsets), strict=True):
        day = min(at + old, at + new) // _DAY * _DAY
        if _tame(at + old, at + new):
            untils.append(day - old)
            froms.append(day + _DAY - new)
        else:
            wild.append(at)
            untils.append(at - _MARGIN)
            froms.append(at + _MARGIN)
    calm = [
        Calm(start, until if offset % 60 == 0 else start, offset)  # robfig's minutes are UTC's: never calm
        for start, until, offset in zip(froms, [*untils, end], offsets, strict=True)
    ]
    return _Stretch(starts=starts, offsets=offsets, calm=calm, wild=wild)


def _tame(before: int, after: int) -> bool:
    """Whether a change between these wall clocks stays within one local day, its midnights untouched."""
    low = min(before, after)
    high = max(before, after)
    return low // _DAY == high // _DAY and low % _DAY > 0 and before % 60 == 0 == after % 60


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
