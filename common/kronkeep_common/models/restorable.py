"""What can be restored now."""

from kronkeep_common.models.base import Moment, Record


class RestorableBackup(Record, frozen=True, kw_only=True):
    """The newest backup of a CronJob or claim that can be restored, in the place that is read first.

    `is_there` says whether the CronJob or claim is. `id`, `created_at`, `size_bytes`, `policy_id` and
    `storage_id` are the backup's; there is none where a policy has made nothing that could be restored.
    `is_confirmed` is false where all that is left was found in a repository, and nothing has shown that it
    is good. `is_copy`: the storage is that of a copy. `storage_reason` is why the storage cannot be used now.
    `expected_seconds` is how long it will take by earlier restores.
    """

    cluster: str
    namespace: str
    cronjob: str
    cronjob_id: str
    is_there: bool = True
    policy_id: str | None = None
    storage_id: str | None = None
    id: str | None = None
    created_at: Moment | None = None
    verified_at: Moment | None = None
    size_bytes: int = 0
    is_confirmed: bool = True
    is_copy: bool = False
    storage_reason: str | None = None
    expected_seconds: float | None = None
