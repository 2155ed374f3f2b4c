"""What a version of restic can do and what its exit codes mean, as tables; pure.

Sources: restic's doc/075_scripting.rst and changelog/ up to 0.19.1, and runs of 0.14.0, 0.18.0 and 0.19.1.
What a version cannot do is refused here with a clear error, never left out in silence.
"""

import re
from typing import NamedTuple

from kronkeep_common.errors import ToolMissing
from kronkeep_common.models import BackupPolicySpec

_WORDS = re.compile(r"restic (\d+)\.(\d+)\.(\d+)")


class Version(NamedTuple):
    """restic's version; (0, 0, 0) where it is not known."""

    major: int = 0
    minor: int = 0
    patch: int = 0

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}" if any(self) else ""


UNKNOWN = Version()


def parse(text: str) -> Version:
    """The version in `restic version`'s answer, or UNKNOWN."""
    match = _WORDS.search(text)
    return Version(*map(int, match.groups())) if match else UNKNOWN


# What is wanted -> the first version that has it.
SINCE: dict[str, Version] = {
    "compression": Version(0, 14, 0),
    "stdin-from-command": Version(0, 17, 0),
    "insecure-no-password": Version(0, 17, 0),
}
_WHY = {
    "compression": "Compression other than auto",
    "stdin-from-command": "A database dump (--stdin-from-command)",
    "insecure-no-password": "Encryption off (--insecure-no-password)",
}


def can(version: Version, what: str) -> bool:
    """Whether the version has it; one that is not known has nothing."""
    return version >= SINCE[what]


def needs(policy: BackupPolicySpec) -> tuple[str, ...]:
    """What the policy asks of restic that not every version has."""
    wanted = (
        ("compression", policy.compression != "auto"),
        ("stdin-from-command", policy.include.database is not None),
        ("insecure-no-password", not policy.encryption.enabled),
    )
    return tuple(what for what, asked in wanted if asked)


def check(version: Version, policy: BackupPolicySpec) -> None:
    """Raises ToolMissing for the first thing that the policy asks and the version cannot."""
    for what in needs(policy):
        if not can(version, what):
            there = str(version) or "an unknown version"
            raise ToolMissing(
                f"{_WHY[what]} needs restic {SINCE[what]}, and the archives' image has {there}.",
                next_step="Set archive.image to a newer restic, or change the policy.",
                field="policy",
            )


class Meaning(NamedTuple):
    """What an exit code means: of `command` (any where None), from the version `since` on."""

    code: int
    since: Version
    command: str | None
    word: str


# The last row that fits decides; a code without a row is a failure that only restic's words explain.
EXIT_CODES: tuple[Meaning, ...] = (
    Meaning(code=0, since=Version(), command=None, word="done"),
    Meaning(code=1, since=Version(), command=None, word="failed"),
    Meaning(code=2, since=Version(), command=None, word="crashed"),
    Meaning(code=3, since=Version(), command="backup", word="incomplete"),
    Meaning(code=3, since=Version(0, 19, 0), command="forget", word="incomplete"),
    Meaning(code=10, since=Version(0, 17, 0), command=None, word="no repository"),
    Meaning(code=11, since=Version(0, 17, 0), command=None, word="locked"),
    Meaning(code=12, since=Version(0, 17, 1), command=None, word="wrong password"),
    Meaning(code=124, since=Version(), command=None, word="no answer"),  # timeout(1) around the probe
    Meaning(code=126, since=Version(), command=None, word="not executable"),
    Meaning(code=127, since=Version(), command=None, word="not found"),
    Meaning(code=128, since=Version(), command=None, word="not started"),
    Meaning(code=130, since=Version(0, 19, 0), command=None, word="interrupted"),
    Meaning(code=137, since=Version(), command=None, word="killed"),
    Meaning(code=143, since=Version(), command=None, word="killed"),
)


def meaning(code: int, command: str, version: Version) -> str:
    """The word for an exit code; `failed` for any code that the table does not have for this version.

    A version that is not known is taken for the newest: no older one ends with the codes from 10 on.
    """
    known = version if version != UNKNOWN else Version(999)
    fits = [
        row.word
        for row in EXIT_CODES
        if row.code == code and row.since <= known and row.command in (None, command)
    ]
    return fits[-1] if fits else "failed"
