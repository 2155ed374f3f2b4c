"""`restic restore`: brings files of a snapshot back, compares them afterwards, and explains failures."""

import re
from collections.abc import Sequence

import msgspec

from kronkeep_common import path_text
from kronkeep_common.json_decoding import decode_or_none
from kronkeep_common.models import Progress
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean, count_words, shorten_middle
from kronkeep_daemon.restic import failed_files, faults, file_owners, output, requirements, snapshots
from kronkeep_daemon.restic.failed_files import LogLine
from kronkeep_daemon.restic.faults import Fault
from kronkeep_daemon.restic.version import UNKNOWN, ResticVersion

VERIFYING = b"verifying files in "  # begins the line after which restic compares what it restored
MOST_EXAMPLES = 5
_VERIFIED = re.compile(rb"finished verifying (\d+) files")
_DAMAGED = Fault(
    Reason.REPOSITORY_DAMAGED,
    "The repository's data is damaged: restic could not read what it had stored.",
    "Check the storage (kronkeep storage check) and restore an earlier backup.",
)
_LOST_BYTES = "kronkeep files shows the names with \ufffd as they are"
# What the file system said, and the reason where the file is the target's.
_OF_THE_TARGET: tuple[tuple[str, Reason], ...] = (
    ("no space left on device", Reason.TARGET_FULL),
    ("disk quota exceeded", Reason.TARGET_FULL),
    ("read-only file system", Reason.TARGET_READ_ONLY),
    ("permission denied", Reason.TARGET_READ_ONLY),
)


def argv(
    snapshot_id: str,
    folder: str,
    *,
    patterns: Sequence[str] = (),
    verify: bool = False,
    restic_version: ResticVersion = UNKNOWN,
) -> list[str]:
    """Restore below `folder` what the patterns match, or the whole snapshot without patterns.

    It takes no lock, so that a repository that is full or can only be read is restored from.

    With `verify` restic compares the files afterwards, and prints JSON; progress only from 0.16 on. Where the
    version has `--sparse`, long runs of zeros take no space in the target.
    """
    command = ["restic", "restore", "--no-lock", snapshots.reference(snapshot_id), "--target", folder]
    if restic_version >= requirements.SPARSE.since:
        command.append("--sparse")
    if verify:
        command += ["--verify", "--json"]
    for pattern in patterns:
        command += ["--include", pattern]
    return command


class _RestoreStatusMessage(msgspec.Struct, kw_only=True):
    """A `status` line of `restic restore --json`: numbers of files and bytes."""

    percent_done: output.Fraction = 0
    bytes_restored: output.Count = 0
    total_bytes: output.Count = 0
    files_restored: output.Count = 0
    total_files: output.Count = 0


class _RestoreSummaryMessage(msgspec.Struct, kw_only=True):
    """The `summary` line: numbers of files."""

    files_restored: output.Count = 0
    files_skipped: output.Count = 0


def parse_progress(line: bytes) -> Progress | None:
    """Return the progress in a `status` line; None for any other line."""
    if not line.startswith(b'{"message_type":"status"'):
        return None
    status = decode_or_none(line, _RestoreStatusMessage)
    if status is None:
        return None
    return Progress(
        percent=output.percent_of(status.percent_done),
        bytes_done=status.bytes_restored,
        bytes_total=status.total_bytes,
        files_done=status.files_restored,
        files_total=status.total_files,
    )


def parse_verified(log: bytes) -> int | None:
    """Return how much restic compared after the restore; None where it did not say that it did.

    restic 0.16 and later print a summary instead of the sentence of 0.14, and count folders and links too.
    """
    match = _VERIFIED.search(log)
    if match:
        return int(match[1])
    for obj in output.parse_objects(log):
        summary = output.convert_message(obj, "summary", _RestoreSummaryMessage)
        if summary is not None:
            return summary.files_restored + summary.files_skipped
    return None


def explain(exit_code: int | None, log: bytes) -> Fault:
    """Return why `restic restore` failed."""
    lines = failed_files.read_lines(log)
    for line in lines:
        if snapshots.NONE_FOUND in line.text:
            return _quote(Reason.SNAPSHOT_GONE, line)
        for words, reason in _OF_THE_TARGET:
            if words in line.text.lower() and file_owners.owner_in_line(line.text, words) == "target":
                return _quote(reason, line)
    files = [line for line in lines if line.file is not None]
    if any("Invalid file size" in line.text for line in files):
        examples = _name_examples(files)
        changed = Reason.CHANGED_MEANWHILE
        return Fault(changed, f"Files changed while they were archived: {examples}", changed.next_step)
    if any("Unexpected content" in line.text for line in files):
        return different_files([line.file.path for line in files if line.file is not None])
    return _explain_other(faults.explain(exit_code, log), files, log)


def _quote(reason: Reason, line: LogLine) -> Fault:
    """Return the fault with the line of restic that it was read from."""
    return Fault(
        reason, clean(f"{reason.meaning} restic: {shorten_middle(line.shown, 300)}", 500), reason.next_step
    )


def _name_examples(files: Sequence[LogLine]) -> str:
    """Return the first files with their reasons, and what is known of names that restic does not print."""
    examples = "; ".join(line.shown for line in files[:MOST_EXAMPLES])
    has_lost_bytes = any(failed_files.LOST_BYTES in line.shown for line in files[:MOST_EXAMPLES])
    return f"{examples} ({_LOST_BYTES})" if has_lost_bytes else examples


def _explain_other(fault: Fault, files: Sequence[LogLine], log: bytes) -> Fault:
    if fault.reason == Reason.REPOSITORY_DAMAGED:
        words = _name_examples(files[:1]) if files else output.last_line(log)
        return _DAMAGED._replace(message=clean(f"{_DAMAGED.message} restic: {words}", 500))
    message = fault.message
    if fault.reason == Reason.RESTIC_FAILED and files:
        message = f"{count_words(len(files), 'file')} could not be restored: {_name_examples(files)}"
    return fault._replace(message=clean(message, 1200))


def different_files(paths: Sequence[str]) -> Fault:
    """Return the fault of files that are not what was archived; at most MOST_EXAMPLES are named."""
    shown = ", ".join(shorten_middle(path_text.escape(path), 120) for path in paths[:MOST_EXAMPLES])
    more = f" and {len(paths) - MOST_EXAMPLES} more" if len(paths) > MOST_EXAMPLES else ""
    return Fault(
        Reason.DIFFERENT,
        f"{len(paths)} files are not what was archived: {shown}{more}.",
        Reason.DIFFERENT.next_step,
    )
