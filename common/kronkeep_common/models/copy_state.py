"""How far each copy of a policy's backups is."""

from kronkeep_common.models.base import Moment, Record


class CopyState(Record, frozen=True, kw_only=True):
    """How far a policy's copy in one storage is.

    `backups` are there. `newest_at` is when the newest good backup that is there was archived,
    `behind_since` when the oldest good one ended that is newer and not there: the lag is the time since then,
    and there is none without it. `overdue`: the newest good backup that is there is older than the copy's
    `rpo_seconds`. `verified_at` is when a backup in it was last restored and compared. `failed_copy_id` is
    the newest copy of a backup where that failed, and `reason`, `message` and `next_step` say why.
    `retention_waits` is why its retention waits for approval.
    """

    storage_id: str
    backups: int = 0
    newest_at: Moment | None = None
    behind_since: Moment | None = None
    overdue: bool = False
    verified_at: Moment | None = None
    failed_copy_id: str | None = None
    failed_at: Moment | None = None
    reason: str | None = None
    message: str | None = None
    next_step: str | None = None
    retention_waits: str | None = None
