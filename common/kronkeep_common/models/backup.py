"""BackupExecutions: the archives, and the runs that they belong to."""

from datetime import datetime
from typing import Literal

from kronkeep_common.models.base import Bytes, Moment, Record, Seconds
from kronkeep_common.models.cronjob import KeptLog
from kronkeep_common.models.policy import BackupPolicy, BackupType, Retention, UnarchivedVolume
from kronkeep_common.models.storage_layout import Layout
from kronkeep_common.states import BackupStatus

BackupTrigger = Literal["after-run", "scheduled", "manual", "catch-up"]
SnapshotState = Literal["none", "present", "missing", "removed"]


class Progress(Record, frozen=True, kw_only=True):
    """The progress of a backup or restore, from restic's last `status` line; `percent` is 0 to 100."""

    percent: float = 0
    bytes_done: Bytes = 0
    bytes_total: Bytes = 0
    files_done: int = 0
    files_total: int = 0
    remaining_seconds: Seconds | None = None
    current_file: str | None = None


class BackupResult(Record, frozen=True, kw_only=True):
    """The result of a backup, from restic's `summary` line.

    `bytes_read` were read from the source, `bytes_added` of them were new to the repository, where they take
    `bytes_stored` (restic 0.17 and later); `ratio` is bytes_added / bytes_stored. A database dump next to
    files has a snapshot of its own, `database_snapshot_id`; the figures are then sums of both.
    `first_byte_seconds` passed before restic read the first file, None where that is not known. `tree` and
    `database_tree` are the ids of what they contain, which stay where another tool gives a snapshot other
    tags and so another id; empty where they are not known.
    """

    snapshot_id: str
    database_snapshot_id: str | None = None
    tree: str = ""
    database_tree: str = ""
    files_new: int = 0
    files_changed: int = 0
    files_unmodified: int = 0
    files_total: int = 0
    bytes_read: Bytes = 0
    bytes_added: Bytes = 0
    bytes_stored: Bytes | None = None
    ratio: float | None = None
    duration_seconds: Seconds = 0
    first_byte_seconds: Seconds | None = None
    bytes_per_second: float | None = None
    restic_version: str = ""


class HookRun(Record, frozen=True, kw_only=True):
    """One run of a hook in one attempt; `exit_code` is None where it did not end by itself."""

    name: str
    stage: Literal["pre", "validate", "post"]
    attempt: int = 1
    status: Literal["running", "succeeded", "failed", "timed-out", "unknown"]
    job: str
    started_at: Moment
    ended_at: Moment | None = None
    exit_code: int | None = None
    message: str | None = None
    logs: tuple[KeptLog, ...] = ()


class FirstOwner(Record, frozen=True, kw_only=True):
    """The CronJob that a backup belonged to before another one adopted it, and its uid."""

    cronjob: str
    cronjob_id: str


class BackupExecution(Record, frozen=True, kw_only=True):
    """One archive; `cronjob_execution_id` is the run it belongs to, None for a backup without a run.

    `attempt` counts from 1. `policy` is the policy at that time; lists and events leave it
    out. `overrides` are settings that were
    changed for this backup only. `sequence` numbers the backups in the order in which they were recorded; it
    is 0 where that is not known. `ending` is the status that it will have once its post hooks have run.
    `checksummed_files` is the number of files with a SHA-256 from backup time. `verified_by` is the restore
    (a drill or a verification) that last restored and compared all of it, at `verified_at`.
    `forget_began_at` is when retention began to remove its snapshot, `snapshot_removed_at` when it had.
    `snapshot_missing_at` is when the repository was first found to lack its snapshot, which retention had
    not removed; empty again once the snapshot is back. `snapshot_missing_acknowledged_at` is when somebody
    said that they know of it. `recovered_at` is when the record was made from a snapshot that no record knew;
    such a backup has no `sequence`, so it is older than all others. `tagged_policy_id` is the policy in its
    snapshot's tags, where another one has adopted it, and `first_owner` the CronJob that had it before.
    `claims` are those that it archived, whole or the paths
    that its policy's source names (100 at most). `unarchived_volumes` are volumes that the CronJob mounted
    and the archive does not have (20 at most). `unusual` says in a sentence each what is unusual about a
    backup that succeeded; until somebody acknowledges its alert (`unusual_acknowledged_at`) retention removes
    nothing of its policy. `layout` says whose archives share its repository in the storage; it is empty until
    the archive begins.
    """

    id: str
    sequence: int = 0
    cluster: str
    namespace: str
    cronjob: str
    cronjob_id: str
    cronjob_execution_id: str | None = None
    policy_id: str
    policy_revision: str = ""
    policy: BackupPolicy | None = None
    storage_id: str
    layout: Layout | None = None
    backup_type: BackupType = "incremental"
    overrides: dict[str, str] = {}
    trigger: BackupTrigger = "after-run"
    status: BackupStatus
    attempt: int = 1
    created_at: Moment
    due_at: Moment | None = None
    started_at: Moment | None = None
    ended_at: Moment | None = None
    deadline_at: Moment | None = None
    duration_seconds: Seconds | None = None
    job: str | None = None
    progress: Progress | None = None
    result: BackupResult | None = None
    pinned: bool = False
    hooks: tuple[HookRun, ...] = ()
    ending: BackupStatus | None = None
    snapshot_removed_at: Moment | None = None
    forget_began_at: Moment | None = None
    snapshot_missing_at: Moment | None = None
    snapshot_missing_acknowledged_at: Moment | None = None
    recovered_at: Moment | None = None
    tagged_policy_id: str | None = None
    first_owner: FirstOwner | None = None
    checksummed_files: int | None = None
    verified_at: Moment | None = None
    verified_by: str | None = None
    warnings: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    unarchived_volumes: tuple[UnarchivedVolume, ...] = ()
    unusual: tuple[str, ...] = ()
    unusual_acknowledged_at: Moment | None = None
    unusual_acknowledged_by: str | None = None
    reason: str | None = None
    message: str | None = None
    next_step: str | None = None
    logs: tuple[KeptLog, ...] = ()

    @property
    def snapshot_state(self) -> SnapshotState:
        """How its snapshot is, so far as is known; one that was removed is not missing."""
        if self.result is None:
            return "none"
        if self.snapshot_removed_at is not None:
            return "removed"
        return "missing" if self.snapshot_missing_at is not None else "present"

    @property
    def is_unusual(self) -> bool:
        """Whether it was unusual, and nobody has acknowledged that."""
        return bool(self.unusual) and self.unusual_acknowledged_at is None

    @property
    def failed_post_hooks(self) -> tuple[HookRun, ...]:
        """The hooks after it that did not end well, or whose end is not known."""
        well = ("succeeded", "running")
        return tuple(run for run in self.hooks if run.stage == "post" and run.status not in well)

    @property
    def snapshot_policy_id(self) -> str:
        """The id of the policy that made the snapshot and stands in its tags."""
        return self.tagged_policy_id or self.policy_id

    @property
    def is_unconfirmed(self) -> bool:
        """Whether it was found in a repository, and nothing has shown yet that it is good."""
        return self.recovered_at is not None and self.status is BackupStatus.UNKNOWN

    @property
    def recording_order(self) -> tuple[int, datetime]:
        """By what backups are sorted in the order in which they were recorded."""
        return (self.sequence, self.created_at)


class OrphanedPolicy(Record, frozen=True, kw_only=True):
    """A policy that no CronJob carries any more, and its backups whose snapshots are there.

    `good` of the `snapshots` are of good backups. `retention` is the policy's as it was last recorded, None
    where only snapshots were found; by it `removable` snapshots would go now, and `retention_waits` says why
    they need approval. `claims` are those in its backups. `adopters` are the CronJobs of the namespace that
    likely take the backups over, as `NAMESPACE/CRONJOB`: that of the same name, and those with these claims.
    """

    policy_id: str
    cluster: str
    namespace: str
    cronjob: str
    storage_ids: tuple[str, ...] = ()
    snapshots: int = 0
    good: int = 0
    bytes_stored: Bytes | None = None
    oldest_at: Moment
    newest_at: Moment
    retention: Retention | None = None
    removable: int = 0
    retention_waits: str | None = None
    claims: tuple[str, ...] = ()
    adopters: tuple[str, ...] = ()
