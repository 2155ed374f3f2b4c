"""Why a command of restic failed: a reason, a sentence for people and a next step, from exit code and log.

restic 0.14 ends almost every failure with exit code 1, and hides a server's refusal behind "unable to open
config file"; so the texts of the servers (`server_faults`) are looked for first.
"""

from collections.abc import Sequence
from typing import NamedTuple

from kronkeep_common.reasons import Reason
from kronkeep_daemon.restic import (
    cat,
    deletion_probe,
    exit_codes,
    failed_files,
    file_owners,
    output,
    server_faults,
    snapshots,
)
from kronkeep_daemon.restic.exit_codes import Meaning
from kronkeep_daemon.restic.failed_files import LogLine
from kronkeep_daemon.restic.file_owners import FileOwner
from kronkeep_daemon.restic.version import UNKNOWN, ResticVersion


class Fault(NamedTuple):
    """What went wrong: a reason code, a sentence, what to do."""

    reason: str
    message: str
    next_step: str

    @classmethod
    def of(cls, reason: Reason) -> "Fault":
        """Return the fault with the fixed sentences of its reason."""
        return cls(reason, reason.meaning, reason.next_step)


# Texts in lower case that decide before any other: that restic read something else than was written stays
# true however many requests failed besides.
_CERTAIN_TEXTS: tuple[tuple[str, Reason], ...] = (
    (cat.WRONG_REPOSITORY, Reason.WRONG_REPOSITORY),
    (deletion_probe.COULD_DELETE, Reason.DELETING_ALLOWED),
    (deletion_probe.CANNOT_DELETE, Reason.DELETING_REFUSED),
    (deletion_probe.LOCK_STAYS, Reason.LOCKS_STAY),
    ("wrong password", Reason.WRONG_PASSWORD),
    ("ciphertext verification failed", Reason.REPOSITORY_DAMAGED),
    ("invalid data returned", Reason.REPOSITORY_DAMAGED),
    ("wrong data returned", Reason.REPOSITORY_DAMAGED),
    ("hash mismatch", Reason.REPOSITORY_DAMAGED),
    ("does not match id", Reason.REPOSITORY_DAMAGED),
    ("pack id does not match", Reason.REPOSITORY_DAMAGED),
    ("not found in repository", Reason.REPOSITORY_DAMAGED),
    ("not found in index", Reason.REPOSITORY_DAMAGED),
    ("not found in any index", Reason.REPOSITORY_DAMAGED),
)

# Texts of restic in lower case; the first that the log contains decides. Those of file systems come before
# the words for what restic could not read, for they say why it could not.
_RESTIC_TEXTS: tuple[tuple[str, Reason], ...] = (
    (snapshots.NONE_FOUND.lower(), Reason.SNAPSHOT_GONE),
    ("snapshot is empty", Reason.SOURCE_EMPTY),
    ("repository is already locked", Reason.REPOSITORY_LOCKED),
    ("no space left on device", Reason.STORAGE_FULL),
    ("disk quota exceeded", Reason.STORAGE_FULL),
    ("read-only file system", Reason.STORAGE_READ_ONLY),
    ("permission denied", Reason.PERMISSION_DENIED),
    ("config file already exists", Reason.REPOSITORY_THERE),
    ("config already initialized", Reason.REPOSITORY_THERE),
    ("repository already contains", Reason.CONFIG_LOST),
    ("unable to open config file", Reason.REPOSITORY_MISSING),
    ("is there a repository", Reason.REPOSITORY_MISSING),
    ("unable to load index", Reason.REPOSITORY_DAMAGED),
    ("load <data/", Reason.REPOSITORY_DAMAGED),
    ("load(<data/", Reason.REPOSITORY_DAMAGED),
    ("loadraw(<data/", Reason.REPOSITORY_DAMAGED),
    ("repository contains errors", Reason.REPOSITORY_DAMAGED),
    ("restic: not found", Reason.TOOL_MISSING),
    ("restic: no such file", Reason.TOOL_MISSING),
    ('restic": executable file not found', Reason.TOOL_MISSING),
)

_SIGNAL_LINE = b"received, cleaning up"
_OWNERS_TOLD_FIRST: tuple[FileOwner, ...] = ("storage", "target", "other", "unknown", "scratch")
_OF_FILE_SYSTEMS = frozenset({Reason.STORAGE_FULL, Reason.STORAGE_READ_ONLY, Reason.PERMISSION_DENIED})

_BY_MEANING: dict[Meaning, Fault] = {
    "no repository": Fault.of(Reason.REPOSITORY_MISSING),
    "locked": Fault.of(Reason.REPOSITORY_LOCKED),
    "wrong password": Fault.of(Reason.WRONG_PASSWORD),
    "interrupted": Fault(Reason.INTERRUPTED, "restic was interrupted.", "Run it again."),
    "killed": Fault(Reason.INTERRUPTED, "restic was killed before it ended.", Reason.INTERRUPTED.next_step),
    "crashed": Fault.of(Reason.RESTIC_CRASHED),
    "not found": Fault.of(Reason.TOOL_MISSING),
    "not started": Fault.of(Reason.TOOL_MISSING),
    "not executable": Fault.of(Reason.TOOL_MISSING),
    "no answer": Fault(
        Reason.SERVER_UNREACHABLE,
        "The storage did not answer in time.",
        "See that the storage's server runs and may be reached from the cluster's nodes.",
    ),
}
# Meanings that are believed whatever the log contains.
_EXACT: frozenset[Meaning] = frozenset(
    {"no repository", "locked", "wrong password", "killed", "not found", "not started"}
)


def explain(exit_code: int | None, log: bytes, command: str = "", version: ResticVersion = UNKNOWN) -> Fault:
    """Return why `command` of that version failed; an exit code that is exact decides before any text."""
    meaning = exit_codes.meaning_of(exit_code, command, version)
    if meaning in _EXACT:
        return _BY_MEANING[meaning]
    # What restic from 0.17 on says after a signal is the signal's doing: "unable to open config file".
    lines = failed_files.read_lines(log.partition(_SIGNAL_LINE)[0])
    lower_text = "\n".join(line.text for line in lines).lower()
    for words, reason in _CERTAIN_TEXTS:
        if words in lower_text:
            return Fault.of(reason)
    if server_fault := server_faults.find_server_fault([line.text for line in lines]):
        return Fault(*server_fault)
    for words, reason in _RESTIC_TEXTS:
        if words in lower_text:
            return _fault_of_file(reason, words, lines) if reason in _OF_FILE_SYSTEMS else Fault.of(reason)
    if meaning in _BY_MEANING:
        return _BY_MEANING[meaning]
    last = (output.readable_lines(log) or [output.NOTHING_PRINTED])[-1]
    return Fault(
        Reason.RESTIC_FAILED,
        f"restic ended with exit code {exit_code}: {last}",
        Reason.RESTIC_FAILED.next_step,
    )


def _fault_of_file(reason: Reason, words: str, every: Sequence[LogLine]) -> Fault:
    """Return the fault of what a file system said, with whose file it was said of and the words themselves.

    It is SCRATCH_UNUSABLE where the words are said of restic's temporary files only.
    """
    lines = {
        file_owners.owner_in_line(line.text, words): line for line in every if words in line.text.lower()
    }
    owner = min(lines, key=_OWNERS_TOLD_FIRST.index)
    if owner == "scratch":
        reason = Reason.SCRATCH_UNUSABLE
    meaning = reason.meaning
    next_step = reason.next_step
    if reason is Reason.PERMISSION_DENIED and owner == "storage":
        meaning = "The Job's user may not use a file of the repository."
        next_step = (
            "Give the user of kronkeep's Jobs (archive.run_as_user) the right to read and write that folder."
        )
    line = lines[owner]
    quoted = line.shown if line.file is not None else file_owners.quote_line(line.text, words)
    return Fault(reason, f"{meaning.removesuffix('.')} ({quoted}).", next_step)
