"""Durations as Go's `time.ParseDuration` reads them, for `@every`: 1h30m, 90s, 1.5m; no days."""

import re

_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|\u00b5s|\u03bcs|ms|s|m|h)")
_UNITS = {
    "ns": 1,
    "us": 10**3,
    "\u00b5s": 10**3,
    "\u03bcs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_LARGEST = 2**63  # of an int64 of nanoseconds


def parse_go_duration(text: str) -> int | None:
    """Return nanoseconds, which may be negative, or None where Go refuses the text."""
    negative = text.startswith("-")
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0
    total = _sum_parts(rest)
    if total is None or total > _LARGEST - (not negative):
        return None
    return -total if negative else total


def _sum_parts(rest: str) -> int | None:
    """Return the sum of the parts; None where text is left over or a number is missing."""
    total = 0
    position = 0
    while position < len(rest):
        match = _PART.match(rest, position)
        if match is None or not (match[1] or match[2]):
            return None
        # Go reads letters up to the next digit or dot as the unit, so `1sm` is not 1s followed by m.
        if match.end() < len(rest) and not (rest[match.end()].isdigit() or rest[match.end()] == "."):
            return None
        scale = _UNITS[match[3]]
        fraction = match[2] or ""
        total += int(match[1] or 0) * scale + (
            int(fraction) * scale // 10 ** len(fraction) if fraction else 0
        )
        position = match.end()
    return total if rest else None
