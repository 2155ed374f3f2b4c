"""Retention plans: which snapshots are kept and why, which are removed, and whether that needs approval."""

from kronkeep_common.models.base import Bytes, Moment, Name, Record, Request
from kronkeep_common.models.policy import Retention
from kronkeep_common.states import BackupStatus


class SnapshotVerdict(Record, frozen=True, kw_only=True):
    """One backup's snapshot and the rules that keep it; without any, it is removed. `why` is a sentence."""

    backup_id: str
    snapshot_id: str
    created_at: Moment
    status: BackupStatus
    bytes_stored: Bytes | None = None
    rules: tuple[str, ...] = ()
    why: str


class RetentionPlan(Record, frozen=True, kw_only=True):
    """What retention would keep and remove at `computed_at`.

    `token` stands for exactly these removals: its approval removes these snapshots, or nothing. `blocked_by`
    says why the removals need approval: more than one snapshot, and more than a fifth of all, would be
    removed at once. `held_by` says why nothing may be removed, approved or not: nobody has acknowledged the
    alert of an unusual backup; `blocked_by` then says the same. `sizes_unknown` says why some snapshots have
    no `bytes_stored`.
    """

    policy_id: str
    computed_at: Moment
    retention: Retention
    keep: tuple[SnapshotVerdict, ...] = ()
    remove: tuple[SnapshotVerdict, ...] = ()
    token: str
    blocked_by: str | None = None
    held_by: str | None = None
    sizes_unknown: str | None = None


class RetentionPreview(Request, frozen=True, kw_only=True):
    """A request to try rules on a CronJob's snapshots without changing its policy."""

    namespace: Name
    cronjob: Name
    retention: Retention


class RetentionApproval(Request, frozen=True, kw_only=True):
    """The approval of the removals of a plan, by its token."""

    token: Name
