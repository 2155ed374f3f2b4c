"""Comparison of two listings, and search in many; pure.

A listing may have millions of entries. Both are in restic's order, so they are read side by side, and one
entry of each is held. One in another order, as a later restic might list, is looked up in a table instead.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from fnmatch import translate
from hashlib import blake2b
from re import Pattern
from re import compile as compile_pattern

from kronkeep_common import path_text
from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import BackupExecution, SnapshotFile
from kronkeep_common.models.file_changes import BackupDiff, FileChange, FileMatch

ReadListing = Callable[[], Iterator[SnapshotFile]]
LONGEST_PATTERN = 500
_State = tuple[str, int, datetime | None]
MOST_UNORDERED = 1_000_000
_FILES = ("/source", "/configuration")  # the folders of the snapshot of files
_AFTER_ALL = b"\2"
_NOTHING = SnapshotFile(name="", path="", kind="", size=0)


class _OutOfOrderError(Exception):
    """A listing whose entries are not in restic's order."""


class _ListingDiff:
    """What differs so far, at most `limit` items of each change."""

    def __init__(self, older_id: str, newer_id: str, limit: int) -> None:
        self._older_id = older_id
        self._newer_id = newer_id
        self._limit = limit
        self._counts = dict.fromkeys(("added", "removed", "changed"), 0)
        self._items: dict[str, list[FileChange]] = {change: [] for change in self._counts}
        self._bytes_added = 0
        self._bytes_removed = 0

    def add(self, entry: SnapshotFile) -> None:
        """Count an entry that only the newer backup has."""
        self._bytes_added += _bytes_of(entry)
        self._note(_addition(entry))

    def remove(self, entry: SnapshotFile) -> None:
        """Count an entry that only the older backup has."""
        self._bytes_removed += _bytes_of(entry)
        self._note(_removal(entry))

    def change(self, entry: SnapshotFile, old_size: int) -> None:
        """Count an entry that both have, and that differs."""
        self._bytes_added += max(0, _bytes_of(entry) - old_size)
        self._bytes_removed += max(0, old_size - _bytes_of(entry))
        self._note(_change_of(entry, old_size))

    def _note(self, change: FileChange) -> None:
        self._counts[change.change] += 1
        if len(self._items[change.change]) < self._limit:
            self._items[change.change].append(change)

    def answer(self) -> BackupDiff:
        """Return the whole difference."""
        changes = [change for name in ("removed", "changed", "added") for change in self._items[name]]
        return BackupDiff(
            older_id=self._older_id,
            newer_id=self._newer_id,
            items=sorted(changes, key=_path_of)[: self._limit],
            bytes_added=self._bytes_added,
            bytes_removed=self._bytes_removed,
            **self._counts,
        )


def compare_listings(
    older_id: str, read_older: ReadListing, newer_id: str, read_newer: ReadListing, *, path: str, limit: int
) -> BackupDiff:
    """Return what differs below a folder, at most `limit` items of each change.

    Raises InvalidRequest for listings in no order that have more than MOST_UNORDERED entries.
    """
    comparison = _ListingDiff(older_id, newer_id, limit)
    try:
        _merge(_in_order(_below(read_older(), path)), _in_order(_below(read_newer(), path)), comparison)
    except _OutOfOrderError:
        comparison = _ListingDiff(older_id, newer_id, limit)
        _look_up(read_older, read_newer, path, comparison)
    return comparison.answer()


def _in_order(entries: Iterable[SnapshotFile]) -> Iterator[tuple[bytes, SnapshotFile]]:
    """Yield the entries with their keys, then a key that is after all others; raise _OutOfOrderError."""
    last = b""
    for entry in entries:
        key = _order_key(entry.path)
        if key < last:
            raise _OutOfOrderError
        last = key
        yield key, entry
    yield _AFTER_ALL, _NOTHING


def _order_key(path: str) -> bytes:
    """Return what sorts paths as restic lists them: each folder before its content, names by their bytes.

    A dump has a snapshot of its own, which is listed after that of the files.
    """
    data = path.encode() if "\\" not in path else os.fsencode(path_text.unescape(path))
    prefix = b"\0" if path.startswith(_FILES) else b"\1"
    return prefix + data.replace(b"/", b"\0")


def _merge(
    older: Iterator[tuple[bytes, SnapshotFile]],
    newer: Iterator[tuple[bytes, SnapshotFile]],
    comparison: _ListingDiff,
) -> None:
    """Compare two listings in the same order; one entry of each is held."""
    old_key, old = next(older)
    new_key, new = next(newer)
    while old_key != _AFTER_ALL or new_key != _AFTER_ALL:
        if old_key < new_key:
            comparison.remove(old)
            old_key, old = next(older)
        elif new_key < old_key:
            comparison.add(new)
            new_key, new = next(newer)
        else:
            if _state(old) != _state(new):
                comparison.change(new, _bytes_of(old))
            old_key, old = next(older)
            new_key, new = next(newer)


def _look_up(read_older: ReadListing, read_newer: ReadListing, path: str, comparison: _ListingDiff) -> None:
    """Compare two listings in any order; the older one is held as numbers."""
    old: dict[int, tuple[_State, int]] = {}
    for entry in _below(read_older(), path):
        old[_hash(entry.path.encode())] = (_state(entry), _bytes_of(entry))
        if len(old) > MOST_UNORDERED:
            raise InvalidRequest(
                f"A listing in no order has more than {MOST_UNORDERED:,} entries; it cannot be compared.",
                next_step="Use restic itself: restic diff.",
            )
    for entry in _below(read_newer(), path):
        known = old.pop(_hash(entry.path.encode()), None)
        if known is None:
            comparison.add(entry)
        elif known[0] != _state(entry):
            comparison.change(entry, known[1])
    for entry in _below(read_older(), path):
        if old and _hash(entry.path.encode()) in old:
            comparison.remove(entry)


def _path_of(change: FileChange) -> str:
    return change.path


def _below(entries: Iterable[SnapshotFile], path: str) -> Iterator[SnapshotFile]:
    prefix = path.rstrip("/") + "/"
    return (entry for entry in entries if entry.path.startswith(prefix))


def _hash(data: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=8).digest())


def _bytes_of(entry: SnapshotFile) -> int:
    return entry.size if entry.kind == "file" else 0


def _state(entry: SnapshotFile) -> _State:
    """Return what is compared: the kind, and of a file its size and time."""
    return entry.kind, _bytes_of(entry), entry.modified_at if entry.kind == "file" else None


def _addition(entry: SnapshotFile) -> FileChange:
    return FileChange(
        change="added",
        path=entry.path,
        kind=entry.kind,
        size=_bytes_of(entry),
        modified_at=entry.modified_at,
    )


def _change_of(entry: SnapshotFile, old_size: int) -> FileChange:
    return FileChange(
        change="changed",
        path=entry.path,
        kind=entry.kind,
        size=_bytes_of(entry),
        old_size=old_size,
        modified_at=entry.modified_at,
    )


def _removal(entry: SnapshotFile) -> FileChange:
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

    def add(self, backup: BackupExecution, entries: Iterable[SnapshotFile]) -> int:
        """Take the entries of a backup that is older than those before; return how many there are."""
        count = 0
        for entry in entries:
            count += 1
            if self._pattern.match(entry.path if self._is_of_path else entry.name):
                self._add_match(backup, entry)
        return count

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
