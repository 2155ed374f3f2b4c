"""`restic version`, and versions that can be compared."""

import re
from typing import NamedTuple

_PRINTED = re.compile(r"restic (\d+)\.(\d+)\.(\d+)")


class ResticVersion(NamedTuple):
    """restic's version; (0, 0, 0) where it is not known."""

    major: int = 0
    minor: int = 0
    patch: int = 0

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}" if any(self) else ""


UNKNOWN = ResticVersion()


def argv() -> list[str]:
    """Print the version of the program."""
    return ["restic", "version"]


def parse(log: bytes) -> ResticVersion:
    """Return the version that `restic version` printed, or UNKNOWN."""
    return parse_text(log.decode(errors="replace"))


def parse_text(text: str) -> ResticVersion:
    """Return the version in a text such as `restic 0.18.0 compiled with go1.24`, or UNKNOWN."""
    match = _PRINTED.search(text)
    return ResticVersion(*map(int, match.groups())) if match else UNKNOWN
