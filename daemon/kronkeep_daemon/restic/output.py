"""What restic says, read line by line: JSON and text in one stream, unknown lines passed over.

Old versions (0.14) use one exit code for most failures, so their text decides; new ones have codes.
"""

import re
from typing import Annotated, NamedTuple, TypeVar

import msgspec

from kronkeep_common.json_decoding import JsonObject, decoded
from kronkeep_common.models import BackupResult, Progress
from kronkeep_common.reasons import Reason
from kronkeep_common.states import BackupStatus
from kronkeep_common.text import clean
from kronkeep_daemon.restic import faults, version
from kronkeep_daemon.restic.faults import Fault
from kronkeep_daemon.restic.version import Version

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


_KILLED = Fault(Reason.INTERRUPTED, "restic was killed before it ended.", Reason.INTERRUPTED.next_step)
_NO_PROGRAM = Fault.of(Reason.TOOL_MISSING)

# The word for an exit code (versions.EXIT_CODES) -> reason, sentence, next step.
_BY_WORD: dict[str, Fault] = {
    "no repository": Fault.of(Reason.REPOSITORY_MISSING),
    "locked": Fault.of(Reason.REPOSITORY_LOCKED),
    "wrong password": Fault.of(Reason.WRONG_PASSWORD),
    "interrupted": Fault(Reason.INTERRUPTED, "restic was interrupted.", "Run it again."),
    "killed": _KILLED,
    "crashed": Fault.of(Reason.RESTIC_CRASHED),
    "not found": _NO_PROGRAM,
    "not started": _NO_PROGRAM,
    "not executable": _NO_PROGRAM,
    "no answer": Fault(
        Reason.SERVER_UNREACHABLE,
        "The storage did not answer in time.",
        "See that the storage's server runs and may be reached from the cluster's nodes.",
    ),
}

# Words of restic, in lower case -> the reason; the first that the log contains decides. restic 0.14 ends
# nearly everything with 1, so there the words are all there is.
_BY_TEXT: tuple[tuple[str, Reason], ...] = (
    ("wrong password", Reason.WRONG_PASSWORD),
    ("repository is already locked", Reason.REPOSITORY_LOCKED),
    ("no space left on device", Reason.STORAGE_FULL),
    ("disk quota exceeded", Reason.STORAGE_FULL),
    ("read-only file system", Reason.STORAGE_READ_ONLY),
    ("config file already exists", Reason.REPOSITORY_THERE),
    ("config already initialized", Reason.REPOSITORY_THERE),
    ("repository already contains", Reason.CONFIG_LOST),
    ("unable to open config file", Reason.REPOSITORY_MISSING),
    ("is there a repository", Reason.REPOSITORY_MISSING),
    ("ciphertext verification failed", Reason.REPOSITORY_DAMAGED),
    ("invalid data returned", Reason.REPOSITORY_DAMAGED),
    ("wrong data returned", Reason.REPOSITORY_DAMAGED),
    ("hash mismatch", Reason.REPOSITORY_DAMAGED),
    ("does not match id", Reason.REPOSITORY_DAMAGED),
    ("not found in repository", Reason.REPOSITORY_DAMAGED),
    ("not found in index", Reason.REPOSITORY_DAMAGED),
    ("not found in any index", Reason.REPOSITORY_DAMAGED),
    ("unable to load index", Reason.REPOSITORY_DAMAGED),
    ("pack id does not match", Reason.REPOSITORY_DAMAGED),
    ("load <data/", Reason.REPOSITORY_DAMAGED),
    ("load(<data/", Reason.REPOSITORY_DAMAGED),
    ("loadraw(<data/", Reason.REPOSITORY_DAMAGED),
    ("repository contains errors", Reason.REPOSITORY_DAMAGED),
    ("restic: not found", Reason.TOOL_MISSING),
    ("restic: no such file", Reason.TOOL_MISSING),
    ('restic": executable file not found', Reason.TOOL_MISSING),
    ("permission denied", Reason.PERMISSION_DENIED),
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
    return str(version.parse(log.decode(errors="replace")))


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
    version = version.parse(f"restic {restic_version}")
    result = summary(log, restic_version)
    warnings = errors(log)
    word = "failed" if exit_code is None else version.meaning(exit_code, "backup", version)
    if word == "done" and result is not None and result.files_total == 0:
        words = Reason.SOURCE_EMPTY.meaning
        return Outcome(
            status=BackupStatus.PARTIAL,
            result=result,
            reason=Reason.SOURCE_EMPTY,
            message=words,
            next_step=Reason.SOURCE_EMPTY.next_step,
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
        return Outcome(
            status=BackupStatus.PARTIAL,
            result=result,
            reason=Reason.INCOMPLETE,
            message=words,
            next_step=Reason.INCOMPLETE.next_step,
            warnings=warnings,
        )
    if word == "incomplete":
        return Outcome(
            status=BackupStatus.FAILED,
            result=None,
            reason=Reason.SOURCE_MISSING,
            message=Reason.SOURCE_MISSING.meaning,
            next_step=Reason.SOURCE_MISSING.next_step,
            warnings=warnings,
        )
    if word == "done":
        words = "restic ended without an error but said nothing of a snapshot."
        step = "Look at the storage's snapshots."
        return Outcome(
            status=BackupStatus.UNKNOWN,
            result=None,
            reason=Reason.NO_SUMMARY,
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


def fault(exit_code: int | None, log: bytes, command: str = "", version: Version = version.UNKNOWN) -> Fault:
    """Why restic failed: a stable word, a sentence, what to do."""
    word = "failed" if exit_code is None else version.meaning(exit_code, command, version)
    if word in _EXACT:
        return _BY_WORD[word]
    text = log.decode(errors="replace").lower()
    if (reach := faults.find(text)) is not None:
        return reach
    for words, reason in _BY_TEXT:
        if words in text:
            return Fault.of(reason)
    if word in _BY_WORD:
        return _BY_WORD[word]
    last = (said(log) or ["it said nothing"])[-1]
    words = f"restic ended with exit code {exit_code}: {last}"
    return Fault(Reason.RESTIC_FAILED, words, Reason.RESTIC_FAILED.next_step)
