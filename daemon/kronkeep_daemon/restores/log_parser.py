"""Parsers of what the containers of restores and of checksum Jobs print, line by line."""

import os
import re

from kronkeep_common.clock import Clock
from kronkeep_common.models import Restore
from kronkeep_common.states import RestoreStatus
from kronkeep_daemon.history.kept_logs import CappedLog
from kronkeep_daemon.restic import restore as restic_restore
from kronkeep_daemon.restores import snapshot_paths
from kronkeep_daemon.restores.restore_records import RestoreRecords
from kronkeep_daemon.restores.target_comparison import FileType

PROGRESS_SECONDS = 1.0
MOST_FILES = 200_000
_CHECKSUM_LINE = re.compile(rb"(\\?)([0-9a-f]{64}) [ *](/.*)", re.DOTALL)
_ESCAPE = re.compile(rb"\\([n\\r])")
_TYPES: dict[bytes, FileType] = {b"d": "folder", b"f": "file", b"l": "link", b"o": "special file"}
_UNESCAPED = {b"n": b"\n", b"\\": b"\\", b"r": b"\r"}


class ChecksumParser:
    """A parser of the output of `sha256sum`.

    GNU's escapes file names with line feeds and backslashes and begins such a line with a backslash;
    busybox's prints them as they are, so a name may go over several lines. At most MOST_FILES are kept.
    """

    def __init__(self) -> None:
        self.sha256_of: dict[str, str] = {}
        self.has_too_many = False
        self._sha256: bytes | None = None
        self._name = b""

    def add_line(self, line: bytes) -> None:
        """Take the next line; one that is no entry of its own continues the name of the last one."""
        match = _CHECKSUM_LINE.fullmatch(line)
        if match is None:
            if self._sha256 is not None:
                self._name += b"\n" + line
            return
        self.close()
        escaped, self._sha256, self._name = match.groups()
        if escaped:
            self._name = _ESCAPE.sub(_unescape, self._name)

    def close(self) -> None:
        """Take the last entry, whose name cannot continue any more."""
        if self._sha256 is None:
            return
        if len(self.sha256_of) >= MOST_FILES:
            self.has_too_many = True
        else:
            self.sha256_of[os.fsdecode(self._name)] = self._sha256.decode()
        self._sha256 = None


def _unescape(match: re.Match[bytes]) -> bytes:
    return _UNESCAPED[match[1]]


class FileListParser:
    """A parser of the output of restore_manifests.find_argv: a letter, the path, NUL and a line feed.

    most: how many paths are kept; `left_out` counts the others.
    """

    def __init__(self, most: int = MOST_FILES) -> None:
        self.type_of: dict[str, FileType] = {}
        self.left_out = 0
        self._most = most
        self._rest = b""

    def add_line(self, line: bytes) -> None:
        """Take the next line; a path with line feeds comes in several."""
        text = self._rest + line
        if not text.endswith(b"\0"):
            self._rest = text + b"\n"
            return
        self._rest = b""
        file_type = _TYPES.get(text[:1])
        if len(self.type_of) >= self._most:
            self.left_out += 1
        elif file_type is not None:
            self.type_of[os.fsdecode(text[1:-1])] = file_type


class RestoreLogParser:
    """A parser of the logs of one attempt of a restore, which records its progress.

    What neither lists files nor prints checksums or progress is kept as the container's log.
    """

    def __init__(self, records: RestoreRecords, restore: Restore, clock: Clock) -> None:
        self.file_list = FileListParser()
        self.checksums = ChecksumParser()
        self.logs: dict[str, CappedLog] = {}
        self._records = records
        self._restore_id = restore.id
        self._clock = clock
        self._progress_noted_at = 0.0
        self._stage = snapshot_paths.stage_folder(restore.id)
        self._is_verifying = restore.status is RestoreStatus.VERIFYING

    def add_line(self, container: str, line: bytes) -> None:
        """Take the next line of a container."""
        if not container.startswith("restore") or line.startswith(restic_restore.VERIFYING):
            self._note_verifying()
        if container == "names":
            self.file_list.add_line(line)
        elif container == "sums":
            self.checksums.add_line(line)
        else:
            self._add_log_line(container, line)

    def snapshot_paths(self) -> set[str]:
        """Return the listed files and folders by their paths in the snapshot."""
        return {snapshot_paths.snapshot_path(path, self._stage) for path in self.file_list.type_of}

    def snapshot_checksums(self) -> dict[str, str]:
        """Return the SHA-256 of the restored files by their paths in the snapshot."""
        return {
            snapshot_paths.snapshot_path(path, self._stage): sha256
            for path, sha256 in self.checksums.sha256_of.items()
        }

    def _note_verifying(self) -> None:
        if not self._is_verifying:
            self._is_verifying = True
            self._records.note(
                self._restore_id,
                status=RestoreStatus.VERIFYING,
                restore_seconds=self._seconds_so_far(),
                progress=None,
            )

    def _seconds_so_far(self) -> float | None:
        """Return how long the restore has taken since its Job was begun."""
        began = self._records.get(self._restore_id).restoring_at
        return (self._clock.now() - began).total_seconds() if began is not None else None

    def _add_log_line(self, container: str, line: bytes) -> None:
        progress = restic_restore.parse_progress(line)
        if progress is None:
            self.logs.setdefault(container, CappedLog()).add(line + b"\n")
        elif self._clock.monotonic() - self._progress_noted_at >= PROGRESS_SECONDS:
            self._progress_noted_at = self._clock.monotonic()
            self._records.note(self._restore_id, progress=progress)
