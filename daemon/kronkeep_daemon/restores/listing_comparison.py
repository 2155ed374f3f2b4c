"""Comparison of two listings, and search in many; pure.

A listing may have a million entries, so those of the older backup are held as numbers: 8 bytes of a hash of
the path, and one number of what is compared. Both listings are read from the disk again where need be.
"""

from collections.abc import Callable, Iterable, Iterator
from fnmatch import translate
from hashlib import blake2b
from re import Pattern
from re import compile as compile_pattern

from kronkeep_common.models import BackupExecution, SnapshotFile
from kronkeep_common.models.file_changes import BackupDiff, FileChange, FileMatch

ReadListing = Callable[[], Iterator[SnapshotFile]]
LONGEST_PATTERN = 500
_SIZE_BITS = 64


def compare_listings(
    older_id: str, read_older: ReadListing, newer_id: str, read_newer: ReadListing, *, path: str, limit: int
) -> BackupDiff:
    """Return what differs below a folder, at most `limit` items of each change."""
    old = {_hash(entry.path.encode()): _state(entry) for entry in _below(read_older(), path)}
    counts = dict.fromkeys(("added", "removed", "changed"), 0)
    items: dict[str, list[FileChange]] = {change: [] for change in counts}
    bytes_added = 0
    bytes_removed = 0

    def add(change: FileChange) -> None:
        counts[change.change] += 1
        if len(items[change.change]) < limit:
            items[change.change].append(change)

    for entry in _below(read_newer(), path):
        known = old.pop(_hash(entry.path.encode()), None)
        if known is None:
            bytes_added += _bytes_of(entry)
            add(_added(entry))
        elif known != _state(entry):
            before = known & ((1 << _SIZE_BITS) - 1)
            bytes_added += max(0, _bytes_of(entry) - before)
            bytes_removed += max(0, before - _bytes_of(entry))
            add(_changed(entry, before))
    for entry in _below(read_older(), path):
        if old and _hash(entry.path.encode()) in old:
            bytes_removed += _bytes_of(entry)
            add(_removed(entry))
    changes = [change for name in ("removed", "changed", "added") for change in items[name]]
    return BackupDiff(
        older_id=older_id,
        newer_id=newer_id,
        items=sorted(changes, key=_path_of)[:limit],
        bytes_added=bytes_added,
        bytes_removed=bytes_removed,
        **counts,
    )


def _path_of(change: FileChange) -> str:
    return change.path


def _below(entries: Iterable[SnapshotFile], path: str) -> Iterator[SnapshotFile]:
    prefix = path.rstrip("/") + "/"
    return (entry for entry in entries if entry.path.startswith(prefix))


def _hash(data: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=8).digest())


def _bytes_of(entry: SnapshotFile) -> int:
    return entry.size if entry.kind == "file" else 0


def _state(entry: SnapshotFile) -> int:
    """Return one number of what is compared: kind, of a file time too, and size in the low bits."""
    time = entry.modified_at.isoformat() if entry.kind == "file" and entry.modified_at else ""
    return _hash(f"{entry.kind} {time}".encode()) << _SIZE_BITS | _bytes_of(entry)


def _added(entry: SnapshotFile) -> FileChange:
    return FileChange(
        change="added",
        path=entry.path,
        kind=entry.kind,
        size=_bytes_of(entry),
        modified_at=entry.modified_at,
    )


def _changed(entry: SnapshotFile, old_size: int) -> FileChange:
    return FileChange(
        change="changed",
        path=entry.path,
        kind=entry.kind,
        size=_bytes_of(entry),
        old_size=old_size,
        modified_at=entry.modified_at,
    )


def _removed(entry: SnapshotFile) -> FileChange:
    return FileChange(change="removed", path=entry.path, kind=entry.kind, old_size=_bytes_of(entry))


class MatchCollector:
    """Collector of the paths that match a pattern, over listings that are given newest first.

    A pattern without `/` is of the name, one with `/` of the whole path; `*`, `?` and `[...]` are as in a
    shell, and `*` may stand for `/` too.

    most: how many paths are kept; `is_cut` says that there are more.
    """

    def __init__(self, pattern: str, most: int) -> None:
        self.is_cut = False
        self._is_of_path = "/" in pattern
        self._pattern: Pattern[str] = compile_pattern(translate(pattern))
        self._most = most
        self._matches: dict[str, FileMatch] = {}

    def add(self, backup: BackupExecution, entries: Iterable[SnapshotFile]) -> None:
        """Take the entries of a backup that is older than those before."""
        for entry in entries:
            if self._pattern.match(entry.path if self._is_of_path else entry.name):
                self._add_match(backup, entry)

    def _add_match(self, backup: BackupExecution, entry: SnapshotFile) -> None:
        known = self._matches.get(entry.path)
        if known is None and len(self._matches) >= self._most:
            self.is_cut = True
            return
        self._matches[entry.path] = FileMatch(
            path=entry.path,
            kind=known.kind if known else entry.kind,
            size=known.size if known else entry.size,
            modified_at=known.modified_at if known else entry.modified_at,
            first_backup_id=backup.id,
            first_seen_at=backup.created_at,
            last_backup_id=known.last_backup_id if known else backup.id,
            last_seen_at=known.last_seen_at if known else backup.created_at,
            backups=known.backups + 1 if known else 1,
        )

    def matches(self) -> list[FileMatch]:
        """Return the matches by path."""
        return [self._matches[path] for path in sorted(self._matches)]
