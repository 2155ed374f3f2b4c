"""`restic backup`: archives paths or the output of a command, and judges how that ended."""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import msgspec

from kronkeep_common.json_decoding import JsonObject, decode_or_none
from kronkeep_common.models import BackupResult, Progress, Source
from kronkeep_common.models.base import YEARS
from kronkeep_common.models.policy import Limits
from kronkeep_common.reasons import Reason
from kronkeep_common.states import BackupStatus
from kronkeep_common.text import clean
from kronkeep_daemon.restic import (
    exclude_patterns,
    exit_codes,
    faults,
    output,
    snapshots,
    unreadable_files,
    version,
)
from kronkeep_daemon.restic.snapshots import SnapshotTags
from kronkeep_daemon.restic.unreadable_files import UnreadableFile

SHORTEST_SECONDS = 0.001  # of an archive whose speed is computed


class BackupOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of an archive.

    `host` is fixed for a repository: restic compares a snapshot with the last one of the same host and paths.
    `compression` other than `auto` and `pack_size_mib` need restic 0.14, `read_concurrency` needs 0.15.
    `force` reads every file again, as a full backup does.
    """

    host: str
    tags: SnapshotTags
    compression: str
    force: bool
    limits: Limits = Limits()
    read_concurrency: int | None = None
    pack_size_mib: int | None = None


def argv(options: BackupOptions, paths: Sequence[str], source: Source | None = None) -> list[str]:
    """Archive the files and folders at `paths`, without what the source leaves out."""
    return [*_options_argv(options), *(_exclude_argv(source) if source else ()), "--", *paths]


def _exclude_argv(source: Source) -> list[str]:
    forms = [form for pattern in source.exclude for form in exclude_patterns.sent_forms(pattern)]
    argv = [f"--exclude={form}" for form in forms]
    if source.exclude_caches:
        argv.append("--exclude-caches")
    if source.exclude_larger_than is not None:
        argv += ["--exclude-larger-than", str(source.exclude_larger_than)]
    return argv


def dump_argv(options: BackupOptions, file_name: str, command: Sequence[str]) -> list[str]:
    """Archive what `command` writes as one file; needs restic 0.17.

    `file_name` is a plain name: restic 0.18 refuses one in a folder.
    """
    stdin = ["--stdin-from-command", "--stdin-filename", file_name]
    return [*_options_argv(options), *stdin, "--", *command]


def dry_run_argv(*, host: str, parent: str, paths: Sequence[str]) -> list[str]:
    """List what differs between `paths` and the snapshot `parent`, a line a file, without archiving it."""
    dry_run = ["restic", "backup", "--no-lock", "--dry-run", "--json", "--verbose=2"]
    return [*dry_run, "--host", host, "--parent", snapshots.reference(parent), "--", *paths]


class UnchangedFilesParser:
    """A parser of the output of dry_run_argv: the paths of files that are as the snapshot has them.

    most: how many paths are kept.
    """

    def __init__(self, most: int) -> None:
        self.paths: set[str] = set()
        self._most = most

    def add_line(self, line: bytes) -> None:
        """Take the next line."""
        status = decode_or_none(line, JsonObject) if b'"unchanged"' in line else None
        if status and status.get("action") == "unchanged" and len(self.paths) < self._most:
            self.paths.add(str(status.get("item", "")))


def _options_argv(options: BackupOptions) -> list[str]:
    argv = ["restic", "backup", "--json", "--host", options.host, "--compression", options.compression]
    for tag in options.tags.texts():
        argv += ["--tag", tag]
    numbers = {
        "--limit-upload": options.limits.upload_kib,
        "--limit-download": options.limits.download_kib,
        "--read-concurrency": options.read_concurrency,
        "--pack-size": options.pack_size_mib,
    }
    for option, number in numbers.items():
        if number is not None:
            argv += [option, str(number)]
    return [*argv, "--force"] if options.force else argv


class BackupOutcome(NamedTuple):
    """How an archive ended: its state, its snapshot, why it failed and what to do, and warnings."""

    status: BackupStatus
    result: BackupResult | None
    reason: str | None
    message: str | None
    next_step: str | None
    warnings: tuple[str, ...]


def judge(exit_code: int | None, log: bytes, restic_version: str) -> BackupOutcome:
    """Return how `restic backup` ended, from its exit code and its summary together.

    `exit_code` is None where it is not known; `restic_version` is empty where it is not known.
    """
    used_version = version.parse_text(f"restic {restic_version}")
    result = parse_summary(log, restic_version)
    unreadable = unreadable_files.parse(log)
    warnings = unreadable_files.warnings_of(unreadable)
    meaning = exit_codes.meaning_of(exit_code, "backup", used_version)
    if meaning == "done":
        return _judge_done(result, warnings)
    if meaning == "incomplete":
        if unreadable and all(file.is_harmless for file in unreadable):
            return _judge_done(result, warnings)
        return _judge_incomplete(result, unreadable, warnings)
    return failure(faults.explain(exit_code, log, "backup", used_version), warnings)


def failure(fault: faults.Fault, warnings: tuple[str, ...] = ()) -> BackupOutcome:
    """Return the outcome of an archive that failed without a snapshot."""
    return BackupOutcome(
        status=BackupStatus.FAILED,
        result=None,
        reason=fault.reason,
        message=fault.message,
        next_step=fault.next_step,
        warnings=warnings,
    )


def _judge_done(result: BackupResult | None, warnings: tuple[str, ...]) -> BackupOutcome:
    if result is None:
        return BackupOutcome(
            status=BackupStatus.UNKNOWN,
            result=None,
            reason=Reason.NO_SUMMARY,
            message="restic ended without an error but printed no snapshot.",
            next_step="Look at the storage's snapshots.",
            warnings=warnings,
        )
    if result.files_total == 0:
        empty = Reason.SOURCE_EMPTY
        return BackupOutcome(
            status=BackupStatus.PARTIAL,
            result=result,
            reason=empty,
            message=empty.meaning,
            next_step=empty.next_step,
            warnings=(*warnings, empty.meaning),
        )
    return BackupOutcome(
        status=BackupStatus.SUCCEEDED,
        result=result,
        reason=None,
        message=None,
        next_step=None,
        warnings=warnings,
    )


def _judge_incomplete(
    result: BackupResult | None, unreadable: list[UnreadableFile], warnings: tuple[str, ...]
) -> BackupOutcome:
    if result is None:
        return failure(faults.Fault.of(Reason.SOURCE_MISSING), warnings)
    return BackupOutcome(
        status=BackupStatus.PARTIAL,
        result=result,
        reason=Reason.INCOMPLETE,
        message=(
            f"{unreadable_files.summarize(unreadable) if unreadable else 'Some files'} could not be read; "
            "the others are in the snapshot."
        ),
        next_step=Reason.INCOMPLETE.next_step,
        warnings=warnings,
    )


class _BackupStatusMessage(msgspec.Struct, kw_only=True):
    """A `status` line of `restic backup --json`: numbers of files and bytes, times in seconds."""

    percent_done: output.Fraction = 0
    bytes_done: output.Count = 0
    total_bytes: output.Count = 0
    files_done: output.Count = 0
    total_files: output.Count = 0
    seconds_remaining: output.AnyDuration | None = None
    current_files: list[str] = []


class _BackupSummaryMessage(msgspec.Struct, kw_only=True):
    """A `summary` line. The id becomes an argument of restic later, so it must not look like an option."""

    snapshot_id: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{8,64}$")]
    files_new: output.Count = 0
    files_changed: output.Count = 0
    files_unmodified: output.Count = 0
    total_files_processed: output.Count = 0
    total_bytes_processed: output.Count = 0
    total_duration: output.Duration = 0
    data_added: output.Count = 0
    data_added_packed: output.Count | None = None


def parse_progress(obj: JsonObject) -> Progress | None:
    """Return the progress in a `status` line; None for any other line."""
    status = output.convert_message(obj, "status", _BackupStatusMessage)
    if status is None:
        return None
    remaining = status.seconds_remaining
    return Progress(
        percent=output.percent_of(status.percent_done),
        bytes_done=status.bytes_done,
        bytes_total=status.total_bytes,
        files_done=status.files_done,
        files_total=status.total_files,
        remaining_seconds=remaining if remaining is not None and remaining <= YEARS else None,
        current_file=clean(status.current_files[0], 500) if status.current_files else None,
    )


def parse_summary(log: bytes, restic_version: str) -> BackupResult | None:
    """Return the result in the last `summary` line that names a snapshot; None without one."""
    for obj in reversed(output.parse_objects(log)):
        summary = output.convert_message(obj, "summary", _BackupSummaryMessage)
        if summary is not None:
            return _result_of(summary, restic_version)
    return None


def _result_of(summary: _BackupSummaryMessage, restic_version: str) -> BackupResult:
    added = summary.data_added
    stored = summary.data_added_packed
    seconds = summary.total_duration
    bytes_read = summary.total_bytes_processed
    return BackupResult(
        snapshot_id=summary.snapshot_id,
        files_new=summary.files_new,
        files_changed=summary.files_changed,
        files_unmodified=summary.files_unmodified,
        files_total=summary.total_files_processed,
        bytes_read=bytes_read,
        bytes_added=added,
        bytes_stored=stored,
        ratio=round(added / stored, 2) if stored else None,
        duration_seconds=seconds,
        bytes_per_second=_bytes_per_second(bytes_read, seconds),
        restic_version=restic_version,
    )


def _bytes_per_second(bytes_read: int, seconds: float) -> float | None:
    """Return the speed; None for a time that is too short to tell."""
    return round(bytes_read / seconds) if seconds >= SHORTEST_SECONDS else None


def add_results(files: BackupResult, dump: BackupResult) -> BackupResult:
    """Return the result of an archive whose database dump is a snapshot of its own: the figures of both."""
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
        bytes_per_second=_bytes_per_second(sums["bytes_read"], seconds),
    )
