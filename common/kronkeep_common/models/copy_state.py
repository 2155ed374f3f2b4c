"""How far each copy of a policy's backups is."""

from kronkeep_common.models.base import Moment, Record


class CopyState(Record, frozen=True, kw_only=True):
    """How far a policy's copy in one storage is.

    It has `backups` backups. `newest_at` is when the newest good one of them was archived. `behind_since` is
    when the oldest good backup ended that is newer than that and not copied yet; the lag counts from then,
    and there is no lag where it is empty. `overdue`: the newest good backup in the copy is older than the
    copy's `rpo_seconds`. `verified_at` is when a backup in it was last restored and compared.
    `failed_copy_id` is the newest copy if that failed; `reason`, `message` and `next_step` say why.
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
