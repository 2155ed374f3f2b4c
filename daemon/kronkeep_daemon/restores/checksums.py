"""The SHA-256 checksums of a backup's files: built after its archive, stored, compared after a restore.

They must be of what restic stored, not of what lay in the source later. So the source is hashed after the
archive, and then restic is asked (`backup --dry-run` with the new snapshot as parent) which files have not
changed since: same size, times and inode. Only those get a checksum.
"""

import gzip
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import NamedTuple

import msgspec

from kronkeep_daemon.history import durable


class FileChecksum(NamedTuple):
    """One file of a backup; `sha256` in hexadecimal is None where the file changed while it was archived."""

    path: str
    size: int
    sha256: str | None


def build_checksums(
    files: Iterable[tuple[str, int]], sha256_of: Mapping[str, str], unchanged: Set[str]
) -> list[FileChecksum]:
    """Return the checksums of a snapshot's regular files.

    files: (path, size in bytes) of each.
    sha256_of: what was read from the source after the archive.
    unchanged: the paths that restic found as the snapshot has them.
    """
    return [
        FileChecksum(path, size, sha256_of.get(path) if path in unchanged else None) for path, size in files
    ]


def compare_checksums(
    checksums: Sequence[FileChecksum], restored: Mapping[str, str]
) -> tuple[int, list[str]]:
    """Return how many files were compared, and the paths that are missing or differ.

    restored: the SHA-256 of each restored file by the snapshot's path.
    """
    compared = 0
    different = []
    for checksum in checksums:
        sha256 = restored.get(checksum.path)
        if sha256 is None:
            different.append(f"{checksum.path} (missing)")
        elif checksum.sha256 is not None:
            compared += 1
            if sha256 != checksum.sha256:
                different.append(checksum.path)
    return compared, different


class ChecksumStore:
    """Checksums on disk: one file for each backup, in a folder below the daemon's state."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, backup_id: str) -> Path:
        return self._folder / f"{backup_id}.jsonl.gz"

    def write(self, backup_id: str, checksums: Iterable[FileChecksum]) -> None:
        """Store the checksums of a backup durably."""
        self._folder.mkdir(parents=True, exist_ok=True)
        text = b"".join(msgspec.json.encode(checksum) + b"\n" for checksum in checksums)
        durable.write_whole(self._path(backup_id), [gzip.compress(text, 6)])

    def read(self, backup_id: str) -> list[FileChecksum] | None:
        """Return the checksums of a backup; None where none are stored."""
        try:
            text = gzip.decompress(self._path(backup_id).read_bytes())
        except FileNotFoundError:
            return None
        return [msgspec.json.decode(line, type=FileChecksum) for line in text.splitlines()]

    def remove(self, backup_id: str) -> None:
        """Remove the checksums of a backup; without any it does nothing."""
        self._path(backup_id).unlink(missing_ok=True)
