"""Restores and drills: what was brought back from a snapshot, where to, and whether it was the same."""

from typing import Annotated, Literal

import msgspec

from kronkeep_common.models.backup import Progress
from kronkeep_common.models.base import Bytes, Moment, Name, Record, Request, Seconds
from kronkeep_common.models.cronjob import KeptLog
from kronkeep_common.states import RestoreStatus


class RestoreTarget(Request, frozen=True, kw_only=True):
    """Where a restore goes: a new claim, an existing claim, or in place (the claims it was archived from).

    `claim` names the new or existing claim; `cluster` (a name of the settings, or an id) and `namespace` are
    the CronJob's without one; `path` is a folder below the claim's root. `size_bytes` and `storage_class` are
    of a new claim; without a size it is a fifth larger than what is restored, 1 GiB at least.
    """

    kind: Literal["new-claim", "claim", "in-place"] = "new-claim"
    cluster: str | None = None
    namespace: Name | None = None
    claim: Name | None = None
    path: str = ""
    size_bytes: Bytes | None = None
    storage_class: Name | None = None


class RestoreRequest(Request, frozen=True, kw_only=True):
    """What to bring back: paths of the snapshot (`include`, all without one) and where to.

    A target that holds files is refused unless `overwrite`; files that the snapshot does not have stay. In
    place needs `overwrite` and the CronJob's name as `confirm`; `suspend` stops its new runs meanwhile.
    """

    target: RestoreTarget = RestoreTarget()
    include: Annotated[tuple[str, ...], msgspec.Meta(max_length=500)] = ()
    overwrite: bool = False
    suspend: bool = False
    confirm: str | None = None
    deadline_seconds: Annotated[float, msgspec.Meta(ge=1, le=30 * 86400)] = 6 * 3600


class RestorePlan(Record, frozen=True, kw_only=True):
    """What a restore would do; counts are of files and links, examples are at most 20 paths of the target.

    `written` are new there, `overwritten` are there already, `left` are there and not in the selection.
    `confirm` is what must be typed; `refusal` is why it would be refused as it was asked.
    """

    backup_id: str
    snapshot_id: str
    target: RestoreTarget
    files: int
    folders: int
    total_bytes: Bytes
    written: int = 0
    overwritten: int = 0
    overwritten_bytes: Bytes = 0
    overwritten_examples: tuple[str, ...] = ()
    left: int = 0
    left_examples: tuple[str, ...] = ()
    new_claim_bytes: Bytes | None = None
    confirm: str | None = None
    refusal: str | None = None
    warnings: tuple[str, ...] = ()


class Restore(Record, frozen=True, kw_only=True):
    """A snapshot's content brought back; `purpose` tells a person's restore from a drill and a verification.

    A drill and a verification restore to scratch space that goes with the Job. `suspended` is true while
    kronkeep holds the CronJob suspended for it. `verified_against` is what the files were compared with: the
    manifest (SHA-256 made at backup time) or restic's own hashes. `due_at` is a drill's slot.
    """

    id: str
    cluster: str
    namespace: str
    cronjob: str
    cronjob_id: str
    policy_id: str
    backup_id: str | None
    snapshot_id: str = ""
    storage_id: str
    purpose: Literal["restore", "drill", "verify"] = "restore"
    include: tuple[str, ...] = ()
    target: RestoreTarget | None = None
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
    job: str | None = None
    progress: Progress | None = None
    files_total: int | None = None
    bytes_total: Bytes | None = None
    files_verified: int | None = None
    verified_against: Literal["manifest", "restic"] | None = None
    warnings: tuple[str, ...] = ()
    reason: str | None = None
    message: str | None = None
    next_step: str | None = None
    logs: tuple[KeptLog, ...] = ()


class SnapshotFile(Record, frozen=True, kw_only=True):
    """One entry of a snapshot; of a folder, `size` and `files` count all that is below it."""

    name: str
    path: str
    kind: str
    size: Bytes = 0
    files: int = 0
    mode: int = 0
    modified_at: Moment | None = None


class SnapshotFolder(Record, frozen=True, kw_only=True):
    """A page of a snapshot's folder, folders first; `total` counts all its entries."""

    backup_id: str
    snapshot_id: str
    path: str
    items: list[SnapshotFile]
    total: int
    size: Bytes = 0
    next_cursor: str | None = None
