"""What restic's exit codes mean, by version and subcommand, as a table; pure.

Sources: restic's doc/075_scripting.rst and changelog/ up to 0.19.1, and runs of 0.14.0, 0.18.0 and 0.19.1.
restic 0.14 ends almost every failure with 1, so there the text decides (`faults`).
"""

from typing import Literal, NamedTuple

from kronkeep_daemon.restic.version import UNKNOWN, ResticVersion

Meaning = Literal[
    "crashed",
    "done",
    "failed",
    "incomplete",
    "interrupted",
    "killed",
    "locked",
    "no answer",
    "no repository",
    "not executable",
    "not found",
    "not started",
    "wrong password",
]


class ExitCode(NamedTuple):
    """One meaning of an exit code, from the version `since` on; of every `command` where that is None."""

    code: int
    since: ResticVersion
    command: str | None
    meaning: Meaning


_ALWAYS = UNKNOWN
# The last row that fits decides; a code without a row is a failure that only restic's text explains.
EXIT_CODES: tuple[ExitCode, ...] = (
    ExitCode(code=0, since=_ALWAYS, command=None, meaning="done"),
    ExitCode(code=1, since=_ALWAYS, command=None, meaning="failed"),
    ExitCode(code=2, since=_ALWAYS, command=None, meaning="crashed"),
    ExitCode(code=3, since=_ALWAYS, command="backup", meaning="incomplete"),
    ExitCode(code=3, since=ResticVersion(0, 19, 0), command="forget", meaning="incomplete"),
    ExitCode(code=10, since=ResticVersion(0, 17, 0), command=None, meaning="no repository"),
    ExitCode(code=11, since=ResticVersion(0, 17, 0), command=None, meaning="locked"),
    ExitCode(code=12, since=ResticVersion(0, 17, 1), command=None, meaning="wrong password"),
    ExitCode(code=124, since=_ALWAYS, command=None, meaning="no answer"),  # of limit_time in command_line
    ExitCode(code=126, since=_ALWAYS, command=None, meaning="not executable"),
    ExitCode(code=127, since=_ALWAYS, command=None, meaning="not found"),
    ExitCode(code=128, since=_ALWAYS, command=None, meaning="not started"),
    ExitCode(code=130, since=ResticVersion(0, 19, 0), command=None, meaning="interrupted"),
    ExitCode(code=137, since=_ALWAYS, command=None, meaning="killed"),
    ExitCode(code=143, since=_ALWAYS, command=None, meaning="killed"),
)


def meaning_of(code: int | None, command: str, version: ResticVersion) -> Meaning:
    """Return what an exit code means; `failed` for None and for a code without a row for this version.

    An unknown version counts as the newest, because no older one uses the codes from 10 on.
    """
    version = version if version != UNKNOWN else ResticVersion(999)
    meanings = [
        row.meaning
        for row in EXIT_CODES
        if row.code == code and row.since <= version and row.command in (None, command)
    ]
    return meanings[-1] if meanings else "failed"
