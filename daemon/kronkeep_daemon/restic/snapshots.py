"""`restic snapshots`: finds snapshots by their tags; and the tags that kronkeep gives them."""

from typing import NamedTuple

import msgspec

from kronkeep_common.json_decoding import decode_or_none
from kronkeep_daemon.restic import output

_PART = "part="


class SnapshotTags(NamedTuple):
    """The tags of a snapshot.

    `run` is shared by all backups of a run, `backup` belongs to one backup alone. `part` is `files` or
    `database` where a backup has a snapshot of each, else empty.
    """

    policy: str
    run: str
    backup: str
    part: str = ""

    def texts(self) -> list[str]:
        """Return the tags as restic gets them."""
        tags = [f"policy={self.policy}", f"run={self.run}", backup_tag(self.backup)]
        return [*tags, f"{_PART}{self.part}"] if self.part else tags


class ListedSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One snapshot of `restic snapshots --json`."""

    id: str
    short_id: str = ""
    tags: tuple[str, ...] | None = None

    @property
    def part(self) -> str:
        """The part of the backup that the snapshot holds; empty where it holds all of it."""
        parts = [tag.removeprefix(_PART) for tag in self.tags or () if tag.startswith(_PART)]
        return parts[0] if parts else ""


def backup_tag(backup_id: str) -> str:
    """Return the tag that no snapshot of another backup has."""
    return f"backup={backup_id}"


def argv(tag: str) -> list[str]:
    """List the snapshots with the tag, without a lock."""
    return ["restic", "snapshots", "--no-lock", "--json", "--tag", tag]


def parse(log: bytes) -> list[ListedSnapshot]:
    """Return the snapshots, which restic prints as one JSON array on a line of its own."""
    for line in output.split_lines(log):
        snapshots = decode_or_none(line, list[ListedSnapshot]) if line.startswith(b"[") else None
        if snapshots is not None:
            return snapshots
    return []
