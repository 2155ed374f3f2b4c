"""The patterns of `restic backup --exclude`: what they mean, and what they leave out of a listing; pure.

Source: restic's internal/filter/filter.go and Go's path/filepath.Match. The last pattern that matches
decides, `!` at its beginning takes back. What is below a folder that is left out is left out.

In an archive a claim is at /source/<claim>. Every pattern is sent with that before it, so that none matches
the name of a claim: `a` as /source/*/a and /source/*/**/a. restic lets one of several `**` stand for nothing
only where no other has to stand for two parts; so each that may stand for nothing is sent with and without.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kronkeep_common.errors import InvalidPolicy
from kronkeep_common.text import clean

CACHE_TAG = "CACHEDIR.TAG"  # https://bford.info/cachedir/
MOST_ANY_DEPTH = 3  # `**` in one pattern: each doubles what restic gets
_SOURCE = "/source/"
_CLAIM = ("source", "*")
_ANY_DEPTH = "**"
_ANY = re.compile("[^/]*", re.DOTALL)
_WILDCARDS = {"*": "[^/]*", "?": "[^/]"}


class ExcludePattern(NamedTuple):
    """The alternatives of a pattern, each from the root and cut at its slashes; None is a `**`."""

    alternatives: tuple[tuple[re.Pattern[str] | None, ...], ...]
    takes_back: bool


def sent_forms(pattern: str) -> list[str]:
    """Return a pattern as restic gets it; see above."""
    mark = "!" if pattern.startswith("!") else ""
    return [f"{mark}/{'/'.join(names)}" for names in _alternatives(pattern.removeprefix("!"))]


def _alternatives(text: str) -> list[tuple[str, ...]]:
    """Return the parts of a pattern from the root: for each `**` but a last one without it and with it."""
    names = [name for name in text.split("/") if name not in ("", ".")]
    if text.startswith(_SOURCE):
        begin: tuple[str, ...] = ()
    elif text.startswith("/"):
        begin = _CLAIM
    else:
        begin = _CLAIM
        names = [_ANY_DEPTH, *names]
    alternatives = [begin]
    for place, name in enumerate(names):
        may_be_nothing = name == _ANY_DEPTH and place + 1 < len(names)
        shorter = alternatives if may_be_nothing else []
        alternatives = [*shorter, *((*parts, name) for parts in alternatives)]
    return list(dict.fromkeys(alternatives))


def parse_pattern(text: str, field: str = "policy.source.exclude") -> ExcludePattern:
    """Return the pattern; raise InvalidPolicy of `field` for one that restic would refuse or never match."""
    body = text.removeprefix("!")
    names = body.split("/")
    is_empty = not any(name not in ("", ".") for name in names)
    if is_empty or ".." in names or "\0" in text or "\n" in text or names.count(_ANY_DEPTH) > MOST_ANY_DEPTH:
        raise _invalid(text, field)
    try:
        alternatives = tuple(tuple(map(_compile, parts)) for parts in _alternatives(body))
    except (ValueError, re.error) as fault:
        raise _invalid(text, field) from fault
    return ExcludePattern(alternatives=alternatives, takes_back=text.startswith("!"))


def _compile(name: str) -> re.Pattern[str] | None:
    return None if name == _ANY_DEPTH else re.compile(_translate(name), re.DOTALL)


def _invalid(text: str, field: str) -> InvalidPolicy:
    return InvalidPolicy(
        f"The pattern {clean(repr(text), 100)} cannot be used to leave files out.",
        next_step="Write a name such as *.tmp, or a path below the claim such as /cache/**/old.",
        field=field,
    )


def _translate(name: str) -> str:
    """Return the regular expression of one part, as Go's filepath.Match reads it; raise ValueError."""
    expression = ""
    place = 0
    while place < len(name):
        letter = name[place]
        if letter == "[":
            end, group = _translate_class(name, place)
            expression += group
            place = end
            continue
        if letter == "\\":
            place += 1
            letter = name[place : place + 1]
            if not letter:
                raise ValueError("a backslash at the end")
            expression += re.escape(letter)
        else:
            expression += _WILDCARDS.get(letter, re.escape(letter))
        place += 1
    return expression


def _translate_class(name: str, begin: int) -> tuple[int, str]:
    """Return where the class that begins there ends, and its expression; only `^` negates in Go."""
    place = begin + 1
    negation = "^" if name[place : place + 1] == "^" else ""
    place += len(negation)
    ranges: list[str] = []
    while name[place : place + 1] != "]" or not ranges:
        place, low = _read_class_letter(name, place)
        high = low
        if name[place : place + 1] == "-":
            place, high = _read_class_letter(name, place + 1)
        if low <= high:
            ranges.append(f"{re.escape(low)}-{re.escape(high)}")
        else:
            ranges.append("")  # Go: a range that is the wrong way round matches nothing
    members = "".join(ranges)
    if not members:
        return place + 1, "[^/]" if negation else "(?!)"
    return place + 1, f"(?!/)[{negation}{members}]"


def _read_class_letter(name: str, place: int) -> tuple[int, str]:
    letter = name[place : place + 1]
    if letter == "\\":
        place += 1
        letter = name[place : place + 1]
    elif letter in ("-", "]"):
        raise ValueError("a class without a letter")
    if not letter:
        raise ValueError("a class without an end")
    return place + 1, letter


def matches(parts: Sequence[re.Pattern[str] | None], names: Sequence[str]) -> bool:
    """Return whether the parts of a pattern match the beginning of a path.

    Each `**` in turn stands for 0, 1, 2 ... parts, at most as many as fit where every other one stands for
    one. restic does it so.
    """
    if None not in parts:
        return len(parts) <= len(names) and all(map(_matches_part, parts, names))
    place = parts.index(None)
    return any(
        matches([*parts[:place], *[_ANY] * count, *parts[place + 1 :]], names)
        for count in range(len(names) - len(parts) + 2)
    )


def _matches_part(part: re.Pattern[str] | None, name: str) -> bool:
    return part is not None and part.fullmatch(name) is not None


class ExcludeFilter:
    """What an archive leaves out, asked path by path; a folder comes before what it contains.

    largest: files with more bytes are left out.
    """

    def __init__(
        self,
        patterns: Iterable[str],
        *,
        largest: int | None = None,
        cache_folders: frozenset[str] = frozenset(),
    ) -> None:
        self._patterns = [parse_pattern(text) for text in patterns]
        self._largest = largest
        self._cache_folders = cache_folders
        self._folders: dict[tuple[str, ...], bool] = {(): False}

    def leaves_out(self, path: str, *, is_folder: bool, size: int = 0) -> bool:
        """Return whether the file or folder is left out."""
        names = tuple(path.strip("/").split("/"))
        if self._is_below_excluded(names):
            return True
        if is_folder:
            return self._find_folder(names)
        if self._largest is not None and size > self._largest:
            return True
        folder = path.rpartition("/")[0]
        if folder in self._cache_folders and names[-1] != CACHE_TAG:
            return True
        return self._is_matched(names)

    def _is_below_excluded(self, names: tuple[str, ...]) -> bool:
        return any(self._find_folder(names[:depth]) for depth in range(1, len(names)))

    def _find_folder(self, names: tuple[str, ...]) -> bool:
        known = self._folders.get(names)
        if known is None:
            parent = "/" + "/".join(names[:-1])
            known = self._is_matched(names) or parent in self._cache_folders
            self._folders[names] = known
        return known

    def _is_matched(self, names: Sequence[str]) -> bool:
        is_excluded = False
        for pattern in self._patterns:
            if pattern.takes_back == is_excluded and any(matches(p, names) for p in pattern.alternatives):
                is_excluded = not pattern.takes_back
        return is_excluded
