"""SHA-256 of files: read from `sha256sum`, kept as a backup's manifest, compared after a restore.

A manifest must say what restic stored, not what lay there later. So the source is hashed after the archive,
and then restic itself is asked (`backup --dry-run`, parent = the new snapshot) what it would archive anew:
a file that restic calls unchanged (size, times, inode) had the hashed content when it was archived, and
every other file is left out of the manifest.
"""

import gzip
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from kronkeep_common.json_decoding import decoded
from kronkeep_daemon.history import durable

_SUM = re.compile(rb"(\\?)([0-9a-f]{64}) [ *](/.*)", re.DOTALL)
_ESCAPE = re.compile(rb"\\([n\\r])")
_PLAIN = {b"n": b"\n", b"\\": b"\\", b"r": b"\r"}
MOST_FILES = 200_000


class ChecksumParser:
    """Takes the lines of `sha256sum`: GNU escapes odd names, busybox lets a line feed through."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self.too_many = False
        self._open: tuple[bytes, bytes] | None = None

    def hear(self, line: bytes) -> None:
        """Takes one line; one that begins no entry goes on with the name of the last."""
        match = _SUM.fullmatch(line)
        if match is None:
            if self._open is not None:
                self._open = (self._open[0], self._open[1] + b"\n" + line)
            return
        self.end()
        name = _ESCAPE.sub(lambda m: _PLAIN[m[1]], match[3]) if match[1] else match[3]
        self._open = (match[2], name)

    def end(self) -> None:
        """Keeps the last entry."""
        if self._open is None:
            return
        if len(self.found) >= MOST_FILES:
            self.too_many = True
        else:
            self.found[os.fsdecode(self._open[1])] = self._open[0].decode()
        self._open = None


class FileListParser:
    """Takes the lines of `find`, where each path is `d` or `f`, the path, NUL."""

    def __init__(self, most: int = MOST_FILES) -> None:
        self.files: set[str] = set()
        self.folders: set[str] = set()
        self.more = 0
        self._most = most
        self._rest = b""

    def hear(self, line: bytes) -> None:
        """Takes one line; a path with line feeds goes over several."""
        text = self._rest + line
        if not text.endswith(b"\0"):
            self._rest = text + b"\n"
            return
        self._rest = b""
        kind = text[:1]
        path = os.fsdecode(text[1:-1])
        if len(self.files) + len(self.folders) >= self._most:
            self.more += 1
        elif kind in (b"d", b"f"):
            (self.folders if kind == b"d" else self.files).add(path)


class UnchangedFilesParser:
    """Takes the lines of `restic backup --dry-run --json -vv`: which files are as the snapshot has them."""

    def __init__(self) -> None:
        self.unchanged: set[str] = set()

    def hear(self, line: bytes) -> None:
        """Takes one line."""
        obj = decoded(line, dict[str, Any]) if b'"unchanged"' in line else None
        if obj and obj.get("action") == "unchanged" and len(self.unchanged) < MOST_FILES:
            self.unchanged.add(str(obj.get("item", "")))


class FileChecksum(NamedTuple):
    """One file of a manifest; without a hash where it changed while it was archived."""

    path: str
    size: int
    sha256: str | None


def build_checksums(
    files: Iterator[tuple[str, int]], sums: ChecksumParser, changes: UnchangedFilesParser
) -> list[FileChecksum]:
    """The manifest of a snapshot's regular files, given as (path, size)."""
    return [
        FileChecksum(path, size, sums.found.get(path) if path in changes.unchanged else None)
        for path, size in files
    ]


class ChecksumStore:
    """The manifests of backups, one file each below the state folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, backup_id: str) -> Path:
        """The file of one backup's manifest."""
        return self._folder / f"{backup_id}.jsonl.gz"

    def write(self, backup_id: str, found: list[FileChecksum]) -> None:
        """Keeps a manifest durably."""
        self._folder.mkdir(parents=True, exist_ok=True)
        text = b"".join(msgspec.json.encode(line) + b"\n" for line in found)
        durable.write_whole(self.path(backup_id), [gzip.compress(text, 6)])

    def read(self, backup_id: str) -> list[FileChecksum] | None:
        """A manifest; None where there is none."""
        try:
            text = gzip.decompress(self.path(backup_id).read_bytes())
        except FileNotFoundError:
            return None
        return [msgspec.json.decode(line, type=FileChecksum) for line in text.splitlines()]

    def remove(self, backup_id: str) -> None:
        """Forgets a manifest."""
        self.path(backup_id).unlink(missing_ok=True)


def compare_checksums(manifest: list[FileChecksum], restored: dict[str, str]) -> tuple[int, list[str]]:
    """How many files were compared, and the paths that are missing or not the same."""
    compared = 0
    wrong = []
    for line in manifest:
        found = restored.get(line.path)
        if found is None:
            wrong.append(f"{line.path} (missing)")
        elif line.sha256 is not None:
            compared += 1
            if found != line.sha256:
                wrong.append(line.path)
    return compared, wrong
