"""`restic snapshots`: lists snapshots, all or by a tag; and the tags that kronkeep gives them."""

from typing import NamedTuple

import msgspec

from kronkeep_common.json_decoding import decode_or_none
from kronkeep_daemon.restic import output

_PART = "part="
_POLICY = "policy="
_RUN = "run="
_BACKUP = "backup="


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
        tags = [f"{_POLICY}{self.policy}", f"{_RUN}{self.run}", backup_tag(self.backup)]
        return [*tags, f"{_PART}{self.part}"] if self.part else tags


class ListedSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One snapshot of `restic snapshots --json`."""

    id: str
    short_id: str = ""
    tags: tuple[str, ...] | None = None

    @property
    def part(self) -> str:
        """The part of the backup that the snapshot holds; empty where it holds all of it."""
        return self._tag_value(_PART)

    @property
    def policy(self) -> str:
        """The id of the policy in its tags; empty where it has none."""
        return self._tag_value(_POLICY)

    @property
    def backup(self) -> str:
        """The id of the backup in its tags; empty where it has none."""
        return self._tag_value(_BACKUP)

    def _tag_value(self, prefix: str) -> str:
        values = [tag.removeprefix(prefix) for tag in self.tags or () if tag.startswith(prefix)]
        return values[0] if values else ""


def backup_tag(backup_id: str) -> str:
    """Return the tag that no snapshot of another backup has."""
    return f"{_BACKUP}{backup_id}"


def argv(tag: str) -> list[str]:
    """List the snapshots with the tag, without a lock."""
    return [*list_argv(), "--tag", tag]


def list_argv() -> list[str]:
    """List all snapshots of the repository, without a lock."""
    return ["restic", "snapshots", "--no-lock", "--json"]


def step() -> tuple[str, list[str]]:
    """Return the step of a Job that lists all snapshots."""
    return ("snapshots", list_argv())


def parse(log: bytes) -> list[ListedSnapshot]:
    """Return the snapshots; none where the list cannot be read."""
    return parse_list(log) or []


def parse_list(log: bytes) -> list[ListedSnapshot] | None:
    """Return the snapshots, which restic prints as one JSON array on a line of its own.

    None where there is no such line, as in a log that was cut: then nothing is known about the repository.
    """
    for line in output.split_lines(log):
        snapshots = decode_or_none(line, list[ListedSnapshot]) if line.startswith(b"[") else None
        if snapshots is not None:
            return snapshots
    return None
