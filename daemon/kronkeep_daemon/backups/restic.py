"""What restic says, read line by line: JSON and text in one stream, unknown lines passed over.

Old versions (0.14) use one exit code for most failures, so their text decides; new ones have codes.
"""

import re
from typing import Any, NamedTuple

import msgspec

from kronkeep_common.models import BackupResult, Progress
from kronkeep_common.states import BackupStatus
from kronkeep_common.text import clean
from kronkeep_daemon.storages import faults

Object = dict[str, Any]
_VERSION = re.compile(r"restic (\d+)\.(\d+)\.(\d+)")
_STAMP = re.compile(rb"^\d{4}-\d\d-\d\dT[0-9:.]+Z ")


class Outcome(NamedTuple):
    """How an archive ended: its state, what was made, why it failed, what to do, what to warn of."""

    status: BackupStatus
    result: BackupResult | None
    reason: str | None
    message: str | None
    next_step: str | None
    warnings: tuple[str, ...]


# Exit code or words of restic -> (reason, sentence, next step); the first that fits wins.
MISSING = "RepositoryMissing"
_LOST = "Check the storage, or create it anew."
_NO_RESTIC = (
    "ToolMissing",
    "There is no restic where the archive ran.",
    "Use an image that has it, or install it there: apt-get install -y restic.",
)
_FAULTS: tuple[tuple[int | None, str, tuple[str, str, str]], ...] = (
    (
        12,
        "wrong password",
        (
            "WrongPassword",
            "The repository does not open with this password.",
            "Put the repository's password back into the storage's Secret.",
        ),
    ),
    (
        10,
        "unable to open config file",
        (MISSING, "There is no repository at the storage.", _LOST),
    ),
    (10, "Is there a repository", (MISSING, "There is no repository at the storage.", _LOST)),
    (
        11,
        "repository is already locked",
        ("RepositoryLocked", "The repository is locked by somebody else.", "Wait until the other is done."),
    ),
    (
        None,
        "no space left on device",
        ("StorageFull", "The storage has no space left.", "Free space there, or shorten the retention."),
    ),
    (
        None,
        "permission denied",
        (
            "PermissionDenied",
            "A file or the repository may not be used.",
            "Give the archive's user that right.",
        ),
    ),
    (127, "restic: not found", _NO_RESTIC),
    (128, "restic: no such file", _NO_RESTIC),
    (None, '"restic": executable file not found', _NO_RESTIC),
    (130, "", ("Interrupted", "The archive was interrupted.", "Run it again.")),
)

_EXACT = (10, 11, 12)  # codes that say it all, from restic 0.17 on


def lines(log: bytes) -> list[bytes]:
    """The lines of a pod's log without their timestamps."""
    return [_STAMP.sub(b"", line) for line in log.split(b"\n") if line]


def objects(log: bytes) -> list[Object]:
    """The JSON objects among the lines."""
    found = []
    for line in lines(log):
        if line.startswith(b"{"):
            try:
                decoded = msgspec.json.decode(line)
            except msgspec.DecodeError:
                continue
            if isinstance(decoded, dict):
                found.append(decoded)
    return found


def progress(obj: Object) -> Progress | None:
    """A `status` line as progress."""
    if obj.get("message_type") != "status":
        return None
    files = obj.get("current_files") or []
    return Progress(
        percent=round(100 * float(obj.get("percent_done", 0)), 1),
        bytes_done=obj.get("bytes_done", 0),
        bytes_total=obj.get("total_bytes", 0),
        files_done=obj.get("files_done", 0),
        files_total=obj.get("total_files", 0),
        remaining_seconds=obj.get("seconds_remaining"),
        current_file=clean(str(files[0]), 500) if files else None,
    )


def version(log: bytes) -> str:
    """The version that `restic version` printed, or nothing."""
    match = _VERSION.search(log.decode(errors="replace"))
    return ".".join(match.groups()) if match else ""


def summary(log: bytes, restic_version: str) -> BackupResult | None:
    """The `summary` line of a backup."""
    for obj in reversed(objects(log)):
        if obj.get("message_type") == "summary" and obj.get("snapshot_id"):
            return BackupResult(
                snapshot_id=str(obj["snapshot_id"]),
                files_new=obj.get("files_new", 0),
                files_changed=obj.get("files_changed", 0),
                files_unmodified=obj.get("files_unmodified", 0),
                files_total=obj.get("total_files_processed", 0),
                bytes_read=obj.get("total_bytes_processed", 0),
                bytes_added=obj.get("data_added", 0),
                bytes_stored=obj.get("data_added_packed"),
                duration_seconds=obj.get("total_duration", 0),
                restic_version=restic_version,
            )
    return None


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
    result, warnings = summary(log, restic_version), errors(log)
    if exit_code == 0 and result is not None:
        if result.files_total == 0:
            warnings = (*warnings, "The archive is empty: its sources hold no file.")
        return Outcome(BackupStatus.SUCCEEDED, result, None, None, None, warnings)
    if exit_code == 3 and result is not None:
        words = f"{len(warnings) or 'Some'} files could not be read; the others are in the snapshot."
        step = "Read the warnings; make those files readable for the archive."
        return Outcome(BackupStatus.PARTIAL, result, "Incomplete", words, step, warnings)
    if exit_code == 0:
        words = "restic ended without an error but said nothing of a snapshot."
        return Outcome(
            BackupStatus.UNKNOWN, None, "NoSummary", words, "Look at the storage's snapshots.", warnings
        )
    reason, words, step = fault(exit_code, log)
    return Outcome(BackupStatus.FAILED, None, reason, words, step, warnings)


def fault(exit_code: int | None, log: bytes) -> tuple[str, str, str]:
    """Why restic failed: a stable word, a sentence, what to do."""
    text = log.decode(errors="replace")
    if exit_code not in _EXACT and (reach := faults.find(text)) is not None:
        return reach.reason, reach.message, reach.next_step
    for code, words, found in _FAULTS:
        if (code is not None and code == exit_code and exit_code != 1) or (
            words and words.lower() in text.lower()
        ):
            return found
    said = [clean(line.decode(errors="replace"), 300) for line in lines(log)]
    last = said[-1] if said else "it said nothing"
    return "ResticFailed", f"restic ended with exit code {exit_code}: {last}", "Read the archive's log."
