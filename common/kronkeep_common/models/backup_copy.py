"""BackupCopies: the copies of backups in other storages."""

from typing import Literal

from kronkeep_common.models.base import Moment, Record, Seconds
from kronkeep_common.models.cronjob import KeptLog
from kronkeep_common.models.storage_layout import Layout
from kronkeep_common.states import CopyStatus

CopyTrigger = Literal["after-backup", "scheduled", "manual", "repair"]
CopySnapshotState = Literal["none", "present", "missing", "removed"]


class BackupCopy(Record, frozen=True, kw_only=True):
    """The copy of one backup in another storage; a backup has at most one in each.

    `backup_id` is the backup, `from_storage_id` the storage with the original, `storage_id` that with the
    copy, and `layout` whose copies share its repository there. `attempt` counts from 1. `due_at` is the slot
    of a scheduled copy. `snapshot_id` and `database_snapshot_id` are the snapshots in the copy, whose ids
    differ from the originals'; the tags are the same. `verified_by` is the restore (a drill or a
    verification) that last restored and compared all of it, at `verified_at`. `forget_began_at` is when
    retention began to remove its snapshots, `snapshot_removed_at` when it had. `snapshot_missing_at` is when
    the repository was first found to lack them; such a copy is made again while the original is there.
    `recovered_at` is when the record was made from snapshots that no record knew.
    """

    id: str
    backup_id: str
    cluster: str
    namespace: str
    cronjob: str
    cronjob_id: str
    policy_id: str
    from_storage_id: str
    storage_id: str
    layout: Layout | None = None
    trigger: CopyTrigger = "after-backup"
    status: CopyStatus
    attempt: int = 1
    created_at: Moment
    due_at: Moment | None = None
    started_at: Moment | None = None
    ended_at: Moment | None = None
    deadline_at: Moment | None = None
    duration_seconds: Seconds | None = None
    job: str | None = None
    snapshot_id: str | None = None
    database_snapshot_id: str | None = None
    forget_began_at: Moment | None = None
    snapshot_removed_at: Moment | None = None
    snapshot_missing_at: Moment | None = None
    recovered_at: Moment | None = None
    verified_at: Moment | None = None
    verified_by: str | None = None
    reason: str | None = None
    message: str | None = None
    next_step: str | None = None
    logs: tuple[KeptLog, ...] = ()

    @property
    def snapshot_state(self) -> CopySnapshotState:
        """How its snapshots are, so far as is known."""
        if self.snapshot_id is None:
            return "none"
        if self.snapshot_removed_at is not None:
            return "removed"
        return "missing" if self.snapshot_missing_at is not None else "present"

    @property
    def is_present(self) -> bool:
        """Whether the backup can be restored from it, so far as is known."""
        return self.snapshot_state == "present"
