"""Cleaning of untrusted text, and formatting of sizes, durations and ages.

Cluster objects, logs and users' texts may contain terminal escapes (OSC 52 writes the clipboard, CSI 2J
clears the screen), C1 controls that some terminals obey, and bidi overrides that reorder text. `clean`
replaces them by visible symbols. It is applied where a text enters a model, and again where it is shown.
"""

import re
from datetime import datetime, timedelta

# C0 without tab, DEL, C1, soft hyphen, zero-width and bidi formatting, line and paragraph separators,
# invisible operators, interlinear annotation, surrogates, tags and non-characters.
_HOSTILE = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff0-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_COMBINING_RUN = re.compile(
    "([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{4})[^\x00-\u02ff]*?(?=[\x00-\u02ff]|$)"
)
_CONTROL_PICTURES = 0x2400
MAX_LINE = 4096

_MADE_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(@.*)?")


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(_CONTROL_PICTURES + code)
    return "\u2421" if code == 0x7F else "\ufffd"


def clean(text: str, limit: int = MAX_LINE) -> str:
    """Return `text` as one harmless line of at most `limit` characters, with visible control characters."""
    if len(text) > limit:
        text = text[: limit - 1] + "\u2026"
    if text.isascii() and text.isprintable():
        return text
    return _COMBINING_RUN.sub(r"\1", _HOSTILE.sub(_visible, text.replace("\t", "    ")))


def clean_lines(text: str, limit: int = MAX_LINE) -> list[str]:
    """Split `text` into lines and clean each; a carriage return before a line feed is dropped."""
    return [clean(line.removesuffix("\r"), limit) for line in text.split("\n")]


def clip(text: str, width: int) -> str:
    """Shorten `text` to at most `width` characters, with an ellipsis."""
    if len(text) <= width:
        return text
    return text[: max(0, width - 1)] + "\u2026" if width > 0 else ""


def shorten_middle(text: str, width: int) -> str:
    """Shorten `text` to at most `width` characters by leaving out its middle."""
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}\u2026{text[len(text) - tail :]}"


def short_id(record_id: str) -> str:
    """Return the first 12 characters of an id that kronkeep or Kubernetes made; others stay whole.

    48 bits tell the records of one history apart, and every command takes them in the place of the id.
    """
    text = clean(record_id, 80)
    return text[:12] if _MADE_ID.fullmatch(text) else text


def count_words(count: int, noun: str) -> str:
    """Write a number of things as `1 snapshot` or `2,000 snapshots`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def stay_words(count: int) -> str:
    """Write how many snapshots retention keeps: `1 stays` or `2 stay`."""
    return f"{count} {'stays' if count == 1 else 'stay'}"


def size(count: float | None) -> str:
    """Write bytes as 512 B or 41.2 GiB; None as `-`."""
    if count is None:
        return "-"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024 or unit == "TiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError("unreachable")


def growth(per_day: float | None) -> str:
    """Write bytes per day as 1.2 GiB/d; None as `-`."""
    if per_day is None:
        return "-"
    return f"{'-' if per_day < 0 else ''}{size(abs(per_day))}/d"


def days(count: float | None) -> str:
    """Write days as 41d or <1d; None as `-`."""
    if count is None:
        return "-"
    return f"{count:.0f}d" if count >= 1 else "<1d"


def duration(seconds: float | None) -> str:
    """Write seconds as 0.4s, 12m08s, 1h02m or 3d04h; None as `-`."""
    if seconds is None:
        return "-"
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def age(moment: datetime | None, now: datetime) -> str:
    """Write how long ago `moment` was (`4m`), or how far ahead it is (`in 4m`); None as `-`."""
    if moment is None:
        return "-"
    delta = now - moment
    return f"in {_largest_unit(-delta)}" if delta < timedelta(0) else _largest_unit(delta)


def _largest_unit(delta: timedelta) -> str:
    seconds = int(delta.total_seconds())
    for limit, unit, divisor in ((60, "s", 1), (3600, "m", 60), (172800, "h", 3600)):
        if seconds < limit:
            return f"{seconds // divisor}{unit}"
    return f"{seconds // 86400}d"
