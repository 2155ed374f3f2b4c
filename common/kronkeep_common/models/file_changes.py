"""What two backups differ in, and in which backups a file is."""

from typing import Literal

from kronkeep_common.models.base import Bytes, Moment, Record

ChangeOfFile = Literal["added", "removed", "changed"]


class FileChange(Record, frozen=True, kw_only=True):
    """A file or folder that differs: `size` is the newer one, `old_size` that of the older backup.

    A file is `changed` where its kind, size or time of modification differs, a folder where its kind does.
    `path` has the form that SnapshotFile describes.
    """

    change: ChangeOfFile
    path: str
    kind: str
    size: Bytes | None = None
    old_size: Bytes | None = None
    modified_at: Moment | None = None


class BackupDiff(Record, frozen=True, kw_only=True):
    """The differences from the backup `older_id` to `newer_id`, of which the first are `items`.

    `added`, `removed` and `changed` count files and folders. `bytes_added` are those of added files and of
    what changed files have more, `bytes_removed` those of removed files and of what changed files have less.
    """

    older_id: str
    newer_id: str
    items: list[FileChange]
    added: int = 0
    removed: int = 0
    changed: int = 0
    bytes_added: Bytes = 0
    bytes_removed: Bytes = 0


class FileMatch(Record, frozen=True, kw_only=True):
    """A path that matches, and the backups that have it: the first, the last, and how many in all.

    `size` and `modified_at` are those of the last.
    """

    path: str
    kind: str
    size: Bytes = 0
    modified_at: Moment | None = None
    first_backup_id: str
    first_seen_at: Moment
    last_backup_id: str
    last_seen_at: Moment
    backups: int = 1


class FileMatches(Record, frozen=True, kw_only=True):
    """The paths that match, of `backups` whose snapshots were searched.

    `is_cut`: there are more matches, or older backups. `unread` are backups that could not be searched, each
    with the reason.
    """

    items: list[FileMatch]
    backups: int
    is_cut: bool = False
    unread: tuple[str, ...] = ()
