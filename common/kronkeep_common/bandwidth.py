"""How much of the network the Jobs of a storage may take, by the time of day; pure.

Written as `02:00-06:00 unlimited, else 4 MiB/s`: windows of the day, of which the first that fits counts, and
what holds else. A window whose end is not later than its beginning goes over midnight.
"""

import re
from datetime import datetime, time
from typing import NamedTuple

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import BackupStorage
from kronkeep_common.schedule.zone import load_zone
from kronkeep_common.text import clean

MOST_WINDOWS = 24
LONGEST_TEXT = 500
_WINDOW = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d) (.+)")
_RATE = re.compile(r"([0-9]{1,6}) ?([KMG])iB/s")
_KIB = {"K": 1, "M": 1024, "G": 1024 * 1024}
_EXAMPLE = (
    "Write 'else 4 MiB/s' for the whole day, or '02:00-06:00 unlimited, else 4 MiB/s'; a rate is unlimited, "
    "or a whole number of KiB/s, MiB/s or GiB/s."
)


class BandwidthWindow(NamedTuple):
    """A part of the day and its limit in KiB a second; None is no limit."""

    begin: time
    end: time
    kib: int | None

    def contains(self, moment: time) -> bool:
        """Whether the time of day is in it."""
        if self.begin < self.end:
            return self.begin <= moment < self.end
        return moment >= self.begin or moment < self.end


class BandwidthRule(NamedTuple):
    """The windows, and the limit outside of them."""

    windows: tuple[BandwidthWindow, ...]
    otherwise: int | None

    def limit_at(self, now: datetime, zone: str) -> int | None:
        """Return the limit in KiB a second at that moment; None for none.

        zone: the IANA time zone of the windows.
        """
        moment = now.astimezone(load_zone(zone).tzinfo).time()
        return next((each.kib for each in self.windows if each.contains(moment)), self.otherwise)


def parse_rule(text: str) -> BandwidthRule:
    """Return the rule that a text says; raise InvalidRequest."""
    if len(text) > LONGEST_TEXT:
        raise _refusal(text[:40])
    *parts, last = [part.strip() for part in text.split(",")]
    if not last.startswith("else "):
        raise _refusal(last)
    if len(parts) > MOST_WINDOWS:
        raise InvalidRequest(f"There are more than {MOST_WINDOWS} windows.", field="bandwidth")
    return BandwidthRule(tuple(map(_parse_window, parts)), _parse_rate(last.removeprefix("else ")))


def _parse_window(text: str) -> BandwidthWindow:
    match = _WINDOW.fullmatch(text)
    if match is None:
        raise _refusal(text)
    try:
        begin = time(int(match[1]), int(match[2]))
        end = time(int(match[3]), int(match[4]))
    except ValueError as fault:
        raise _refusal(text) from fault
    return BandwidthWindow(begin, end, _parse_rate(match[5]))


def _parse_rate(text: str) -> int | None:
    if text.strip() == "unlimited":
        return None
    match = _RATE.fullmatch(text.strip())
    if match is None or int(match[1]) == 0:
        raise _refusal(text)
    return int(match[1]) * _KIB[match[2]]


def _refusal(text: str) -> InvalidRequest:
    return InvalidRequest(
        f"{clean(repr(text), 80)} is no limit of the bandwidth.", next_step=_EXAMPLE, field="bandwidth"
    )


def describe_limit(kib: int | None) -> str:
    """Return a limit in words, as it is written."""
    if kib is None:
        return "unlimited"
    for unit, factor in (("GiB/s", _KIB["G"]), ("MiB/s", _KIB["M"])):
        if kib % factor == 0:
            return f"{kib // factor} {unit}"
    return f"{kib} KiB/s"


def limit_of(storage: BackupStorage, now: datetime) -> int | None:
    """Return how many KiB a second a storage's Jobs may take that begin at that moment; None for no limit."""
    if not storage.bandwidth:
        return None
    return parse_rule(storage.bandwidth).limit_at(now, storage.bandwidth_zone or "UTC")


def describe_storage(storage: BackupStorage, now: datetime) -> str | None:
    """Return a sentence about the limits of a storage, and the one of now; None where it has none."""
    if not storage.bandwidth:
        return None
    limit = describe_limit(limit_of(storage, now))
    zone = storage.bandwidth_zone or "UTC"
    return f"The network to the storage {storage.id} is limited: {storage.bandwidth} ({zone}); now {limit}."
