"""The models of restores and drills, and of the files in a snapshot."""

from typing import Annotated, Literal

import msgspec

from kronkeep_common.models.backup import Progress
from kronkeep_common.models.base import Bytes, Moment, Name, Record, Request, Seconds
from kronkeep_common.models.cronjob import KeptLog
from kronkeep_common.states import RestoreStatus


class RestoreTarget(Request, frozen=True, kw_only=True):
    """The target of a restore: a new claim, an existing claim, or in place (the claims that were archived).

    `claim` names the new or existing claim. `cluster` (a name in the settings, or an id) and `namespace` are
    by default the CronJob's. `path` is a folder below the claim's root. `size_bytes` and `storage_class` are
    those of a new claim, which is by default as large as the archived claims; where those are not known, or
    for some paths, a fifth larger than what is restored, and at least 1 GiB.
    """

    kind: Literal["new-claim", "claim", "in-place"] = "new-claim"
    cluster: str | None = None
    namespace: Name | None = None
    claim: Name | None = None
    path: str = ""
    size_bytes: Bytes | None = None
    storage_class: Name | None = None


class RestoreRequest(Request, frozen=True, kw_only=True):
    """What to restore (the paths `include`, or all of the snapshot), and where.

    A target that has files is refused without `overwrite`, which replaces what has another type too (a file
    by a folder, a folder by a link); files that the snapshot does not have stay. All of it is put into place,
    or nothing. A restore in place needs `overwrite`, and the CronJob's name as `confirm`. With `suspend` the
    CronJob is suspended during the restore. `from_copy` is the storage of the copy to restore from, or the
    backup's own; without it the backup's own, or a copy that is there where that is away.
    """

    target: RestoreTarget = RestoreTarget()
    include: Annotated[tuple[str, ...], msgspec.Meta(max_length=500)] = ()
    overwrite: bool = False
    suspend: bool = False
    confirm: str | None = None
    from_copy: Name | None = None
    deadline_seconds: Annotated[float, msgspec.Meta(ge=1, le=30 * 86400)] = 6 * 3600


class RestorePlan(Record, frozen=True, kw_only=True):
    """What a restore would do; counts are of files and links, and examples at most 20 of CLAIM:/path.

    `written` would be new, `overwritten` exist already, `left` exist and are not in the selection.
    `type_changes` are names that the target has as something else (a folder becomes a file, a link a folder):
    they are replaced whole, and `removed` counts the files that go with such a folder. `confirm` is the text
    that must be given as confirmation, `refusal` why the restore would be refused, and `needs` the fields of
    the request that would permit it. `storage_id` is the storage that is read; where that is a copy,
    `copy_of` is the storage of the original. `expected_seconds` is how long the files will take by earlier
    restores and drills of the CronJob, or without those of the storage; None where nothing was restored yet.
    `snapshot_at` is when the backup was made. Where a newer backup of the same CronJob is good,
    `newer_backup_id` is the newest such one, made at `newer_snapshot_at`.
    """

    backup_id: str
    snapshot_id: str
    snapshot_at: Moment | None = None
    newer_backup_id: str | None = None
    newer_snapshot_at: Moment | None = None
    storage_id: str = ""
    copy_of: str | None = None
    target: RestoreTarget
    files: int
    folders: int
    total_bytes: Bytes
    written: int = 0
    overwritten: int = 0
    overwritten_bytes: Bytes = 0
    overwritten_examples: tuple[str, ...] = ()
    type_changes: int = 0
    type_change_examples: tuple[str, ...] = ()
    removed: int = 0
    removed_examples: tuple[str, ...] = ()
    left: int = 0
    left_examples: tuple[str, ...] = ()
    new_claim_bytes: Bytes | None = None
    expected_seconds: Seconds | None = None
    confirm: str | None = None
    refusal: str | None = None
    needs: tuple[Literal["confirm", "overwrite"], ...] = ()
    warnings: tuple[str, ...] = ()


class Restore(Record, frozen=True, kw_only=True):
    """A restore of a snapshot; `purpose` tells a person's restore from a drill and a verification.

    Drills and verifications restore to scratch space that is deleted with the Job. `suspended` is true while
    kronkeep suspends the CronJob for the restore. `verified_against` is what the files were compared with: a
    manifest (SHA-256 from backup time) or restic's own hashes. `due_at` is the slot of a drill.
    `expected_seconds` is how long its files were expected to take, `restore_seconds` how long they took, from
    `restoring_at`, when its Job was begun, to the last file, without the comparison.
    `claims` are those of its target that it writes to.
    `storage_id` is the storage that is read, the backup's own or that of a copy; `from_copy` is what the
    request named. `snapshot_at` is when the backup was made; where a newer one of the same CronJob was good
    as the restore began, `newer_backup_id` is that one, made at `newer_snapshot_at`.
    """

    id: str
    cluster: str
    namespace: str
    cronjob: str
    cronjob_id: str
    policy_id: str
    backup_id: str | None
    snapshot_id: str = ""
    snapshot_at: Moment | None = None
    newer_backup_id: str | None = None
    newer_snapshot_at: Moment | None = None
    storage_id: str
    from_copy: str | None = None
    purpose: Literal["restore", "drill", "verify"] = "restore"
    include: tuple[str, ...] = ()
    target: RestoreTarget | None = None
    claims: tuple[str, ...] = ()
    overwrite: bool = False
    suspend: bool = False
    suspended: bool = False
    status: RestoreStatus
    attempt: int = 1
    created_at: Moment
    due_at: Moment | None = None
    started_at: Moment | None = None
    ended_at: Moment | None = None
    deadline_at: Moment | None = None
    duration_seconds: Seconds | None = None
    restoring_at: Moment | None = None
    restore_seconds: Seconds | None = None
    expected_seconds: Seconds | None = None
    job: str | None = None
    progress: Progress | None = None
    files_total: int | None = None
    bytes_total: Bytes | None = None
    files_verified: int | None = None
    verified_against: Literal["checksums", "restic"] | None = None
    warnings: tuple[str, ...] = ()
    reason: str | None = None
    message: str | None = None
    next_step: str | None = None
    logs: tuple[KeptLog, ...] = ()


class SnapshotFile(Record, frozen=True, kw_only=True):
    r"""One entry of a snapshot; the `size` and `files` of a folder include everything below it.

    In `name` and `path` a backslash is `\\`, a byte that is not UTF-8 or a control character `\xNN`, another
    character that cannot be shown `\uNNNN`; every route takes paths in this form. `exact` is false where
    restic did not tell all bytes of the name: the file can only be restored with its folder. `folds_to` is
    the path below a folder up to which each folder contains nothing but the next one; empty where it
    contains more.
    """

    name: str
    path: str
    kind: str
    exact: bool = True
    size: Bytes = 0
    files: int = 0
    folds_to: str = ""
    mode: int = 0
    modified_at: Moment | None = None


class SnapshotFolder(Record, frozen=True, kw_only=True):
    """A page of the entries of a snapshot's folder, folders first; `total` counts all entries."""

    backup_id: str
    snapshot_id: str
    path: str
    items: list[SnapshotFile]
    total: int
    size: Bytes = 0
    next_cursor: str | None = None
