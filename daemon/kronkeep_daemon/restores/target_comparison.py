"""What a restore would do to the files of a target, compared name by name; pure."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Literal

import msgspec

from kronkeep_common import path_text
from kronkeep_common.models import RestorePlan, SnapshotFile
from kronkeep_common.text import shorten_middle
from kronkeep_daemon.restores import snapshot_paths

FileType = Literal["folder", "file", "link", "special file"]
MOST_EXAMPLES = 20
LONGEST_EXAMPLE = 600  # characters
_TYPES: dict[str, FileType] = {"dir": "folder", "file": "file", "symlink": "link"}


def type_of(entry: SnapshotFile) -> FileType:
    """Return the type of an entry of a snapshot; pipes, sockets and devices are one type."""
    return _TYPES.get(entry.kind, "special file")


def compare_with_target(
    plan: RestorePlan,
    include: tuple[str, ...],
    entries: Iterable[SnapshotFile],
    target: Mapping[str, FileType],
    *,
    left_out: int,
) -> RestorePlan:
    """Return the plan with what becomes of the target's files.

    include: the selection. entries: of the snapshot. target: the type of each of its paths, as they are in
    the snapshot.
    left_out: how many more paths the target has, which are taken for files that stay.
    """
    comparison = _Comparison(target)
    for entry in entries:
        if snapshot_paths.is_included(entry.path, include):
            comparison.add(entry)
    removed = comparison.find_removed()
    left = comparison.remaining - removed
    return msgspec.structs.replace(
        plan,
        written=comparison.written,
        overwritten=len(comparison.overwritten),
        overwritten_bytes=comparison.overwritten_bytes,
        overwritten_examples=_examples(comparison.overwritten),
        type_changes=len(comparison.type_changes),
        type_change_examples=_examples(comparison.type_changes),
        removed=len(removed),
        removed_examples=_examples(sorted(removed)),
        left=len(left) + left_out,
        left_examples=_examples(sorted(left)),
    )


class _Comparison:
    """The entries so far, each in one of these lists; `remaining` are the target's files without an entry."""

    def __init__(self, target: Mapping[str, FileType]) -> None:
        self._target = target
        self.remaining = {path for path, file_type in target.items() if file_type != "folder"}
        self.written = 0
        self.overwritten: list[str] = []
        self.overwritten_bytes = 0
        self.type_changes: list[str] = []
        self._replaced_folders: set[str] = set()

    def add(self, entry: SnapshotFile) -> None:
        """Take the next entry of the selection."""
        new = type_of(entry)
        old = self._target.get(entry.path)
        self.remaining.discard(entry.path)
        if old is not None and old != new:
            self.type_changes.append(f"{entry.path}: a {old} becomes a {new}")
            if old == "folder":
                self._replaced_folders.add(entry.path)
        elif new != "folder" and old is not None:
            self.overwritten.append(entry.path)
            self.overwritten_bytes += entry.size
        elif new != "folder":
            self.written += 1

    def find_removed(self) -> set[str]:
        """Return the target's files in folders that something else replaces."""
        return {path for path in self.remaining if not self._replaced_folders.isdisjoint(_above(path))}


def _above(path: str) -> Iterable[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _examples(paths: Sequence[str]) -> tuple[str, ...]:
    """Return the first paths in the form that commands take back."""
    return tuple(
        shorten_middle(path_text.escape(path), LONGEST_EXAMPLE) for path in islice(paths, MOST_EXAMPLES)
    )
