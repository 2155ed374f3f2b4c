"""What restic says, read line by line: JSON and text in one stream, unknown lines passed over.

Old versions (0.14) use one exit code for most failures, so their text decides; new ones have codes.
"""

import re
from typing import Annotated, NamedTuple, TypeVar

import msgspec

from kronkeep_common.json_decoding import JsonObject, decoded
from kronkeep_common.models import BackupResult, Progress
from kronkeep_common.states import BackupStatus
from kronkeep_common.text import clean
from kronkeep_daemon.restic import connection_faults, versions
from kronkeep_daemon.restic.connection_faults import Fault
from kronkeep_daemon.restic.versions import Version

T = TypeVar("T")
_STAMP = re.compile(rb"^\d{4}-\d\d-\d\dT[0-9:.]+Z ")


class Outcome(NamedTuple):
    """How an archive ended: its state, what was made, why it failed, what to do, what to warn of."""

    status: BackupStatus
    result: BackupResult | None
    reason: str | None
    message: str | None
    next_step: str | None
    warnings: tuple[str, ...]


MISSING = "RepositoryMissing"
THERE = "RepositoryThere"
DAMAGED = "RepositoryDamaged"
_LOST = "Check the storage, or create it anew."
_NO_REPOSITORY = Fault(MISSING, "There is no repository at the storage.", _LOST)
_THERE = Fault(THERE, "There is a repository at the storage already.", "Open it with its password.")
CONFIG_LOST = Fault(
    "ConfigLost",
    "The storage's place holds the keys of a repository whose config is gone.",
    "Put its config back from a copy, or choose a place that is empty.",
)
_DAMAGED = Fault(
    DAMAGED,
    "The repository is damaged: what restic read there is not what was written.",
    "Check the storage; copy the repository's folder before anything else is done to it.",
)
_KILLED = Fault(
    "Interrupted",
    "restic was killed before it ended.",
    "Run it again; if it happens again, look for OOMKilled and raise archive.limits.",
)
_NO_PROGRAM = Fault(
    "ToolMissing",
    "There is no restic where the archive ran.",
    "Use an image that has it (archive.image, archive.program), or install it: apt-get install -y restic.",
)

# The word for an exit code (versions.EXIT_CODES) -> reason, sentence, next step.
_BY_WORD: dict[str, Fault] = {
    "no repository": _NO_REPOSITORY,
    "locked": Fault(
        "RepositoryLocked", "The repository is locked by somebody else.", "Wait until it is free."
    ),
    "wrong password": Fault(
        "WrongPassword",
        "The repository does not open with this password.",
        "Put the repository's password back into its Secret.",
    ),
    "interrupted": Fault("Interrupted", "restic was interrupted.", "Run it again."),
    "killed": _KILLED,
    "crashed": Fault("ResticCrashed", "restic crashed.", "Read the archive's log, and report it to restic."),
    "not found": _NO_PROGRAM,
    "not started": _NO_PROGRAM,
    "not executable": _NO_PROGRAM,
    "no answer": Fault(
        "ServerUnreachable",
        "The storage did not answer in time.",
        "See that the storage's server runs and may be reached from the cluster's nodes.",
    ),
}

# Words of restic, in lower case -> the same; the first that the log contains decides. restic 0.14 ends nearly
# everything with 1, so there the words are all there is.
_BY_TEXT: tuple[tuple[str, Fault], ...] = (
    ("wrong password", _BY_WORD["wrong password"]),
    ("repository is already locked", _BY_WORD["locked"]),
    (
        "no space left on device",
        Fault(
            "StorageFull",
            "The storage has no space left.",
            "Free space there, or shorten the retention.",
        ),
    ),
    (
        "disk quota exceeded",
        Fault(
            "StorageFull", "The storage's quota is used up.", "Free space there, or shorten the retention."
        ),
    ),
    (
        "read-only file system",
        Fault(
            "StorageReadOnly",
            "The storage can only be read.",
            "Give its volume or folder write access again.",
        ),
    ),
    ("config file already exists", _THERE),
    ("config already initialized", _THERE),
    ("repository already contains", CONFIG_LOST),
    ("unable to open config file", _NO_REPOSITORY),
    ("is there a repository", _NO_REPOSITORY),
    ("ciphertext verification failed", _DAMAGED),
    ("invalid data returned", _DAMAGED),
    ("wrong data returned", _DAMAGED),
    ("hash mismatch", _DAMAGED),
    ("does not match id", _DAMAGED),
    ("not found in repository", _DAMAGED),
    ("not found in index", _DAMAGED),
    ("not found in any index", _DAMAGED),
    ("unable to load index", _DAMAGED),
    ("pack id does not match", _DAMAGED),
    ("load <data/", _DAMAGED),
    ("load(<data/", _DAMAGED),
    ("loadraw(<data/", _DAMAGED),
    ("repository contains errors", _DAMAGED),
    ("restic: not found", _NO_PROGRAM),
    ("restic: no such file", _NO_PROGRAM),
    ('restic": executable file not found', _NO_PROGRAM),
    (
        "permission denied",
        Fault(
            "PermissionDenied",
            "A file or the repository may not be used.",
            "Give the archive's user that right.",
        ),
    ),
)
# Words whose code says it all, whatever stands in the log.
_EXACT = frozenset({"no repository", "locked", "wrong password", "killed", "not found", "not started"})


def lines(log: bytes) -> list[bytes]:
    """The lines of a pod's log without their timestamps; empty ones say nothing."""
    return [bare for line in log.split(b"\n") if (bare := _STAMP.sub(b"", line))]


def objects(log: bytes) -> list[JsonObject]:
    """The JSON objects among the lines."""
    found = (decoded(line, JsonObject) for line in lines(log) if line.startswith(b"{"))
    return [obj for obj in found if obj is not None]


def said(log: bytes) -> list[str]:
    """What a person is to read of a log: text, and the messages of JSON; no progress and no summary."""
    found = []
    for line in lines(log):
        obj = (objects(line) or [{}])[0]
        error = obj.get("error")
        inner = error.get("message") or error.get("Err") if isinstance(error, dict) else None
        if not obj or inner or obj.get("message"):
            words = inner or obj.get("message") or line.decode(errors="replace")
            found.append(clean(str(words), 300))
    return found


class _Status(msgspec.Struct, kw_only=True):
    """A `status` line of `restic backup --json`; counts are of files and bytes, the rest is in seconds."""

    percent_done: float = 0
    bytes_done: int = 0
    total_bytes: int = 0
    files_done: int = 0
    total_files: int = 0
    seconds_remaining: float | None = None
    current_files: list[str] = []


class _Summary(msgspec.Struct, kw_only=True):
    """A `summary` line; the id, which becomes an argument of restic, cannot be one of its options."""

    snapshot_id: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{8,64}$")]
    files_new: int = 0
    files_changed: int = 0
    files_unmodified: int = 0
    total_files_processed: int = 0
    total_bytes_processed: int = 0
    total_duration: float = 0
    data_added: int = 0
    data_added_packed: int | None = None


def typed(obj: JsonObject, message_type: str, kind: type[T]) -> T | None:
    """A line of that type; None for any other, and for what only looks like one.

    The command of a dump writes to the same log.
    """
    if obj.get("message_type") != message_type:
        return None
    try:
        return msgspec.convert(obj, kind)
    except msgspec.ValidationError:
        return None


def progress(obj: JsonObject) -> Progress | None:
    """A `status` line as progress."""
    found = typed(obj, "status", _Status)
    if found is None:
        return None
    return Progress(
        percent=round(100 * found.percent_done, 1),
        bytes_done=found.bytes_done,
        bytes_total=found.total_bytes,
        files_done=found.files_done,
        files_total=found.total_files,
        remaining_seconds=found.seconds_remaining,
        current_file=clean(found.current_files[0], 500) if found.current_files else None,
    )


def version(log: bytes) -> str:
    """The version that `restic version` printed, or nothing."""
    return str(versions.parse(log.decode(errors="replace")))


def summary(log: bytes, restic_version: str) -> BackupResult | None:
    """The last `summary` line of a backup that made a snapshot."""
    lines = (typed(obj, "summary", _Summary) for obj in reversed(objects(log)))
    found = next((line for line in lines if line is not None), None)
    if found is None:
        return None
    added = found.data_added
    stored = found.data_added_packed
    read = found.total_bytes_processed
    seconds = found.total_duration
    return BackupResult(
        snapshot_id=found.snapshot_id,
        files_new=found.files_new,
        files_changed=found.files_changed,
        files_unmodified=found.files_unmodified,
        files_total=found.total_files_processed,
        bytes_read=read,
        bytes_added=added,
        bytes_stored=stored,
        ratio=round(added / stored, 2) if stored else None,
        duration_seconds=seconds,
        bytes_per_second=round(read / seconds) if seconds else None,
        restic_version=restic_version,
    )


def both(files: BackupResult, dump: BackupResult) -> BackupResult:
    """The result of an archive whose dump has a snapshot of its own; figures are added up."""
    names = ("files_new", "files_changed", "files_unmodified", "files_total", "bytes_read", "bytes_added")
    sums = {name: getattr(files, name) + getattr(dump, name) for name in names}
    stored = None
    if files.bytes_stored is not None and dump.bytes_stored is not None:
        stored = files.bytes_stored + dump.bytes_stored
    seconds = files.duration_seconds + dump.duration_seconds
    return msgspec.structs.replace(
        files,
        **sums,
        database_snapshot_id=dump.snapshot_id,
        bytes_stored=stored,
        ratio=round(sums["bytes_added"] / stored, 2) if stored else None,
        duration_seconds=seconds,
        bytes_per_second=round(sums["bytes_read"] / seconds) if seconds else None,
    )


def errors(log: bytes) -> tuple[str, ...]:
    """The `error` lines, whose shape differs by version; at most 20."""
    found = []
    for obj in objects(log):
        if obj.get("message_type") == "error":
            error = obj.get("error")
            words = error.get("message") or error.get("Err") if isinstance(error, dict) else error
            found.append(clean(f"{obj.get('item', '')}: {words}", 300))
    return tuple(found[:20])


def archived(exit_code: int | None, log: bytes, restic_version: str) -> Outcome:
    """The end of `restic backup`, from its exit code and its summary line, never from one alone."""
    version = versions.parse(f"restic {restic_version}")
    result = summary(log, restic_version)
    warnings = errors(log)
    word = "failed" if exit_code is None else versions.meaning(exit_code, "backup", version)
    if word == "done" and result is not None and result.files_total == 0:
        words = "The archive is empty: its sources hold no file."
        step = "See that the run writes to the claims that the policy names."
        return Outcome(
            status=BackupStatus.PARTIAL,
            result=result,
            reason="SourceEmpty",
            message=words,
            next_step=step,
            warnings=(*warnings, words),
        )
    if word == "done" and result is not None:
        return Outcome(
            status=BackupStatus.SUCCEEDED,
            result=result,
            reason=None,
            message=None,
            next_step=None,
            warnings=warnings,
        )
    if word == "incomplete" and result is not None:
        words = f"{len(warnings) or 'Some'} files could not be read; the others are in the snapshot."
        step = "Read the warnings; make those files readable for the archive."
        return Outcome(
            status=BackupStatus.PARTIAL,
            result=result,
            reason="Incomplete",
            message=words,
            next_step=step,
            warnings=warnings,
        )
    if word == "incomplete":
        words = "A path to archive does not exist."
        step = "Correct the policy's source."
        return Outcome(
            status=BackupStatus.FAILED,
            result=None,
            reason="SourceMissing",
            message=words,
            next_step=step,
            warnings=warnings,
        )
    if word == "done":
        words = "restic ended without an error but said nothing of a snapshot."
        step = "Look at the storage's snapshots."
        return Outcome(
            status=BackupStatus.UNKNOWN,
            result=None,
            reason="NoSummary",
            message=words,
            next_step=step,
            warnings=warnings,
        )
    reason, words, step = fault(exit_code, log, "backup", version)
    return Outcome(
        status=BackupStatus.FAILED,
        result=None,
        reason=reason,
        message=words,
        next_step=step,
        warnings=warnings,
    )


def fault(exit_code: int | None, log: bytes, command: str = "", version: Version = versions.UNKNOWN) -> Fault:
    """Why restic failed: a stable word, a sentence, what to do."""
    word = "failed" if exit_code is None else versions.meaning(exit_code, command, version)
    if word in _EXACT:
        return _BY_WORD[word]
    text = log.decode(errors="replace").lower()
    if (reach := connection_faults.find(text)) is not None:
        return reach
    for words, found in _BY_TEXT:
        if words in text:
            return found
    if word in _BY_WORD:
        return _BY_WORD[word]
    last = (said(log) or ["it said nothing"])[-1]
    return Fault(
        "ResticFailed", f"restic ended with exit code {exit_code}: {last}", "Read the archive's log."
    )
