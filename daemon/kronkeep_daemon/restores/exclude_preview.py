"""What the excludes of a policy would leave out, from a listing that is kept."""

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

from kronkeep_common import path_text
from kronkeep_common.errors import InvalidPolicy
from kronkeep_common.models import BackupPolicySpec, SnapshotFile, Source
from kronkeep_common.text import shorten_middle
from kronkeep_common.text import size as text_of_size
from kronkeep_daemon.backups.archive_manifests import SOURCE
from kronkeep_daemon.history import History
from kronkeep_daemon.restic.exclude_patterns import CACHE_TAG, ExcludeFilter
from kronkeep_daemon.restores.snapshot_listing import SnapshotListings

NEWEST_BACKUPS = 20  # of which the newest with a listing is looked for
MOST_EXAMPLES = 3


class ExcludeEffect(NamedTuple):
    """What is left out of the files of a listing."""

    files: int
    bytes: int
    all_files: int
    examples: tuple[str, ...]

    @property
    def leaves_nothing(self) -> bool:
        """Whether there were files and all are left out."""
        return 0 < self.all_files == self.files

    def sentence(self, backup_id: str) -> str:
        """The effect in words."""
        listing = f"the newest listing, of backup {backup_id}"
        if not self.files:
            return f"The excludes leave out none of the {_count_files(self.all_files)} of {listing}."
        examples = ", ".join(shorten_middle(path, 60) for path in self.examples)
        return (
            f"The excludes leave out {self.files:,} of {_count_files(self.all_files)} "
            f"({text_of_size(self.bytes)}) of {listing}: {examples}"
            f"{' ...' if self.files > len(self.examples) else ''}"
        )


class _NewestEffect(NamedTuple):
    backup_id: str
    source: Source
    effect: ExcludeEffect


class ExcludePreview:
    """The question what excludes would leave out of the newest backup whose listing is kept.

    A change asks twice, before it is written and for its answer, so the newest effect is remembered: neither
    a listing nor a source changes.
    """

    def __init__(self, listings: SnapshotListings, history: History) -> None:
        self._listings = listings
        self._history = history
        self._newest: _NewestEffect | None = None

    async def describe(self, cronjob_id: str, policy: BackupPolicySpec | None) -> str | None:
        """Return what a policy's excludes leave out; None without excludes or without a listing."""
        newest = await self._find_effect(cronjob_id, policy.source) if policy is not None else None
        return newest.effect.sentence(newest.backup_id) if newest is not None else None

    async def require_rest(self, cronjob_id: str, policy: BackupPolicySpec) -> None:
        """Raise InvalidPolicy where the excludes leave out every file that was archived."""
        newest = await self._find_effect(cronjob_id, policy.source)
        if newest is not None and newest.effect.leaves_nothing:
            raise InvalidPolicy(
                f"The excludes leave out all {_count_files(newest.effect.all_files)} "
                f"of the newest listing, of backup {newest.backup_id}.",
                next_step="Remove the pattern that matches everything.",
                field="policy.source.exclude",
            )

    async def _find_effect(self, cronjob_id: str, source: Source) -> _NewestEffect | None:
        if not source.leaves_out:
            return None
        for backup in self._history.backups.newest(limit=NEWEST_BACKUPS, cronjob_id=cronjob_id).items:
            known = self._newest
            if known is not None and (known.backup_id, known.source) == (backup.id, source):
                return known
            effect = await asyncio.to_thread(self._compute, backup.id, source)
            if effect is not None:
                self._newest = _NewestEffect(backup.id, source, effect)
                return self._newest
        return None

    def _compute(self, backup_id: str, source: Source) -> ExcludeEffect | None:
        caches: frozenset[str] = frozenset()
        if source.exclude_caches:
            caches = find_cache_folders(self._listings.read_kept(backup_id) or ())
        entries = self._listings.read_kept(backup_id)
        return None if entries is None else compute_effect(entries, source, caches)


def _count_files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"


def find_cache_folders(entries: Iterable[SnapshotFile]) -> frozenset[str]:
    """Return the folders with a file CACHEDIR.TAG; whether its content is right, a listing does not tell."""
    paths = (path_text.unescape(entry.path) for entry in entries if entry.name == CACHE_TAG)
    return frozenset(path.rpartition("/")[0] for path in paths)


def compute_effect(
    entries: Iterable[SnapshotFile], source: Source, cache_folders: frozenset[str] = frozenset()
) -> ExcludeEffect:
    """Return what a source leaves out of the claims' files in a listing, a folder before its content."""
    excludes = ExcludeFilter(source.exclude, largest=source.exclude_larger_than, cache_folders=cache_folders)
    files = 0
    left_out_bytes = 0
    all_files = 0
    examples: list[str] = []
    for entry in entries:
        if not entry.path.startswith(f"{SOURCE}/"):
            continue
        is_folder = entry.kind == "dir"
        is_left_out = excludes.leaves_out(
            path_text.unescape(entry.path), is_folder=is_folder, size=entry.size
        )
        if is_folder:
            continue
        all_files += 1
        if is_left_out:
            files += 1
            left_out_bytes += entry.size
            if len(examples) < MOST_EXAMPLES:
                examples.append(entry.path.removeprefix(SOURCE))
    return ExcludeEffect(files=files, bytes=left_out_bytes, all_files=all_files, examples=tuple(examples))
