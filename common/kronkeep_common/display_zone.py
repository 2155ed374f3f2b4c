"""The time zone in which people read times: the machine's own one, UTC, or one by its IANA name."""

import os
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kronkeep_common.clock import Clock
from kronkeep_common.errors import InvalidTimeZone
from kronkeep_common.text import clean

LOCAL = "local"
LOCALTIME = Path("/etc/localtime")  # localtime(5)
ZONE_HELP = "local (the default), utc, or an IANA name such as Europe/Berlin"


def read_display_zone(name: str) -> tzinfo:
    """Return the zone of `local`, `utc` or an IANA name; raise InvalidTimeZone."""
    if name.lower() == LOCAL:
        return local_zone()
    if name.lower() in ("utc", "z"):
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as fault:
        raise InvalidTimeZone(
            f"There is no time zone {clean(repr(name), 80)}.",
            next_step="Use local, utc or an IANA name, case-exact, such as Europe/Berlin.",
        ) from fault


def local_zone() -> tzinfo:
    """Return the machine's zone: `TZ` of the environment, else /etc/localtime, else UTC (tzset(3))."""
    name = os.environ.get("TZ")
    try:
        if name is not None:
            return ZoneInfo(name.removeprefix(":")) if name else UTC
        with LOCALTIME.open("rb") as file:
            return ZoneInfo.from_file(file, key=LOCAL)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # A POSIX rule such as CET-1CEST, which zoneinfo does not read: its offset of now.
        return datetime.now().astimezone().tzinfo or UTC


def zone_suffix(moment: datetime) -> str:
    """Return what follows a clock time: `Z` in UTC, elsewhere a space and the zone's abbreviation."""
    name = moment.tzname() or ""
    return "Z" if name in ("UTC", "GMT", "") and not moment.utcoffset() else f" {name}"


def in_zone(moment: datetime, zone: tzinfo | None) -> datetime:
    """Return a moment in a zone (None: UTC), or as it is at either end of what datetime can hold."""
    try:
        return moment.astimezone(zone or UTC)
    except OverflowError:
        return moment


def format_time(moment: datetime, zone: tzinfo | None, form: str) -> str:
    """Return a moment in a zone by a format of strftime, with the zone's suffix."""
    local = in_zone(moment, zone)
    return f"{local:{form}}{zone_suffix(local)}"


def format_rfc3339(moment: datetime, zone: tzinfo) -> str:
    """Return a moment in a zone as RFC 3339 has it, to the second."""
    return in_zone(moment, zone).isoformat(timespec="seconds").replace("+00:00", "Z")


class ZonedClock:
    """A clock whose present moment is in the zone in which times are shown."""

    def __init__(self, clock: Clock, zone: tzinfo) -> None:
        self._clock = clock
        self._zone = zone

    def now(self) -> datetime:
        return self._clock.now().astimezone(self._zone)

    def monotonic(self) -> float:
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
