"""What a policy's retention would do: what stays and why, what goes, whether that needs approval."""

from kronkeep_common.models.base import Bytes, Moment, Name, Record, Request
from kronkeep_common.models.policy import Retention
from kronkeep_common.states import BackupStatus


class SnapshotVerdict(Record, frozen=True, kw_only=True):
    """One backup's snapshot: the rules that keep it, or none, then it goes; `why` is for people."""

    backup_id: str
    snapshot_id: str
    created_at: Moment
    status: BackupStatus
    bytes_stored: Bytes | None = None
    rules: tuple[str, ...] = ()
    why: str


class RetentionPlan(Record, frozen=True, kw_only=True):
    """A preview of retention at `computed_at`; nothing else is ever removed.

    `token` names exactly these removals: approving it removes these or nothing. `blocked_by` says why the
    removals wait: more than one snapshot and more than a fifth of them would go at once. `sizes_unknown`
    says why snapshots lack `bytes_stored`, where some do.
    """

    policy_id: str
    computed_at: Moment
    retention: Retention
    keep: tuple[SnapshotVerdict, ...] = ()
    remove: tuple[SnapshotVerdict, ...] = ()
    token: str
    blocked_by: str | None = None
    sizes_unknown: str | None = None


class RetentionPreview(Request, frozen=True, kw_only=True):
    """Rules to try on a CronJob's snapshots before its policy has them."""

    namespace: Name
    cronjob: Name
    retention: Retention


class RetentionApproval(Request, frozen=True, kw_only=True):
    """The removals that a person has seen, by the plan's token."""

    token: Name
