"""Requests and answers of the API that are not models of their own."""

from datetime import datetime
from typing import Annotated, Generic, Literal, TypeVar

import msgspec

from kronkeep_common.json_decoding import JsonObject
from kronkeep_common.models import (
    Alert,
    BackupCopy,
    BackupExecution,
    BackupPolicy,
    BackupStorage,
    CopyState,
    CronJob,
    CronJobExecution,
    EnvVar,
    Restore,
    UnarchivedVolume,
)
from kronkeep_common.models.base import Bytes, Moment, Name, Record, Request, Seconds
from kronkeep_common.models.coverage import ClaimCoverage, CoverageFault
from kronkeep_common.models.policy import BackupType, Compression
from kronkeep_common.version import VERSION as VERSION

PREFIX = "/v1"
T = TypeVar("T")
_ABOUT_CRONJOBS = ("/v1/cronjobs/", "/v1/claims/", "/v1/policies/", "/v1/retention/", "/v1/schedules/")
_CREATING = ("/v1/cronjobs", "/v1/storages")


def takes_cluster(method: str, path: str) -> bool:
    """Whether a request may name a cluster: it is about a CronJob of it, or creates something there."""
    return path.startswith(_ABOUT_CRONJOBS) or (method == "POST" and path in _CREATING)


class TriggerRequest(Request, frozen=True, kw_only=True):
    """What a trigger may change for this run: variables with plain values.

    With `only_if_idle` it is refused (AlreadyRuns) while a run goes on and the CronJob's concurrencyPolicy is
    Forbid or Replace, which Kubernetes applies to the runs of its schedule only.

    A user who may trigger a CronJob can also read the run's log, where a Secret might appear, so only users
    who may change the CronJob can give it variables from Secrets.
    """

    env: tuple[EnvVar, ...] = ()
    only_if_idle: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError for a variable from a Secret."""
        if any(variable.secret is not None for variable in self.env):
            raise ValueError("a run's own variables have values; a Secret is named in the CronJob")


class BackupRequest(Request, frozen=True, kw_only=True):
    """What a manual backup may change for itself; its record has it as `overrides`."""

    backup_type: BackupType | None = None
    compression: Compression | None = None


class DeleteRequest(Request, frozen=True, kw_only=True):
    """The request of a deletion; `confirm` repeats the object's name."""

    confirm: str | None = None


class StorageDeleteRequest(DeleteRequest, frozen=True, kw_only=True):
    """The request to forget a storage; `only_here` is how many snapshots and copies no other storage has."""

    only_here: int | None = None


class CopyRequest(Request, frozen=True, kw_only=True):
    """The storage that a backup is copied to."""

    storage_id: Name


class VerifyRequest(Request, frozen=True, kw_only=True):
    """What is verified: the copy in the storage `from_copy`, or without it the backup in its own storage."""

    from_copy: Name | None = None


class DrillRequest(Request, frozen=True, kw_only=True):
    """What is drilled: the copy in the storage `from_copy`, or without it the policy's own storage."""

    from_copy: Name | None = None


class Empty(Request, frozen=True, kw_only=True):
    """A request without fields, which is sent as an empty object."""


class ClusterView(Record, frozen=True, kw_only=True):
    """A cluster that is watched: the id that is in every record, and its name in the settings."""

    id: str
    name: str


class ListOf(msgspec.Struct, Generic[T], frozen=True, kw_only=True, omit_defaults=True):
    """A page of a list, newest first; `next_cursor` is the cursor of the page after it.

    `stale_since` is set while a needed watch of a cluster is not live: what has happened since then may be
    missing.
    `clusters` are given where there are several and each item belongs to one.
    """

    items: list[T]
    next_cursor: str | None = None
    stale_since: datetime | None = None
    clusters: list[ClusterView] = []


class CoverageList(Record, frozen=True, kw_only=True):
    """Claims and who backs each up, those that nobody does first; `faults` say which are not known."""

    items: list[ClaimCoverage]
    faults: list[CoverageFault] = []
    clusters: list[ClusterView] = []


class Operation(Record, frozen=True, kw_only=True):
    """Work that outlasts its request; `status` is running, succeeded or failed, `target` its object."""

    id: str
    kind: str
    target: str
    status: str
    created_at: Moment
    ended_at: Moment | None = None
    reason: str | None = None
    message: str | None = None
    next_step: str | None = None


class DryRun(Record, frozen=True, kw_only=True):
    """What a request would have done, and to what, without `dry_run`."""

    would: str
    object: JsonObject = {}


class Applied(Record, frozen=True, kw_only=True):
    """What applying a manifest did, or would do in a dry run, and the CronJob afterwards."""

    outcome: Literal["created", "changed", "unchanged"]
    cronjob: CronJob


class ManifestFile(Record, frozen=True, kw_only=True):
    """A file of the daemon's manifest folder; `message` says what it waits for, or why it was refused.

    An `applied` file is applied again after changes, a `waiting` one is retried, and nothing of a `refused`
    one is applied.
    """

    file: str
    status: Literal["applied", "waiting", "refused"]
    since: Moment
    objects: tuple[str, ...] = ()
    message: str | None = None
    next_step: str | None = None
    code: str | None = None


class AuditEntry(Record, frozen=True, kw_only=True):
    """One change or refusal: who sent which request, and its outcome (`done` or a code)."""

    created_at: Moment
    uid: int
    user: str
    pid: int
    program: str = ""
    method: str
    route: str
    object: dict[str, str] = {}
    outcome: str


class AdoptRequest(Request, frozen=True, kw_only=True):
    """A policy without a CronJob whose backups are adopted; `confirm` repeats the adopting CronJob's name.

    `other_claims` permits backups of claims that are not the adopter's. `undo` gives backups of that policy
    back that the CronJob has adopted.
    """

    policy_id: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    confirm: str | None = None
    other_claims: bool = False
    undo: bool = False


class Adopted(Record, frozen=True, kw_only=True):
    """How many backups of `adopted_policy_id` are now those of the policy `policy_id`, or would be.

    `claims` are those in them; `other_claims` are not the adopter's.
    """

    policy_id: str
    adopted_policy_id: str
    backups: int
    claims: tuple[str, ...] = ()
    other_claims: tuple[str, ...] = ()


class PolicyView(Record, frozen=True, kw_only=True):
    """A policy, the CronJob that has it, and its archives.

    Where the policy's annotation cannot be read, `fault` says why, and there is neither `policy` nor id nor
    storage. `bytes_stored` is what its snapshots added to the repository, or None where restic did not report
    it for all of them (before 0.17); `sizes_unknown` then says why. `overdue`: the newest good backup is
    older than `rpo_seconds`. `findings` say how its schedule does not fit the CronJob's (`Code: sentence`),
    `nothing_to_archive` why it archives nothing, `storage_refusal` why it may not use its storage,
    `storage_reason` why that cannot be used now (a code),
    `unarchived_volumes` which mounted volumes it leaves out (20 at most), `retention_waits` why its retention
    waits for approval. `copies` say how far each copy is. `expected_restore_seconds` is how long restoring
    the newest good backup will take by earlier restores and drills, compared with `rto_seconds`.
    """

    id: str
    cluster: str
    namespace: str
    cronjob: str
    cronjob_id: str
    created_at: Moment
    storage_id: str
    last_verified_at: Moment | None = None
    policy: BackupPolicy | None
    fault: str | None = None
    snapshots: int = 0
    bytes_stored: Bytes | None = None
    sizes_unknown: str | None = None
    last_good_backup_at: Moment | None = None
    overdue: bool = False
    expected_restore_seconds: Seconds | None = None
    next_backup_at: Moment | None = None
    findings: tuple[str, ...] = ()
    nothing_to_archive: str | None = None
    storage_refusal: str | None = None
    storage_reason: str | None = None
    unarchived_volumes: tuple[UnarchivedVolume, ...] = ()
    retention_waits: str | None = None
    copies: tuple[CopyState, ...] = ()


class Version(Record, frozen=True, kw_only=True):
    """The daemon's version, and the lowest and highest version of the API that it serves."""

    version: str
    api: dict[str, int]


Grade = Literal["ok", "warn", "fail"]


class Check(Record, frozen=True, kw_only=True):
    """One check of `doctor`: ok, warn or fail, with what to do."""

    name: str
    status: Grade
    message: str
    next_step: str | None = None


SinkStatus = Literal["starting", "copying", "behind", "live", "failed"]


class SinkView(Record, frozen=True, kw_only=True):
    """A database that the history is shipped to, and how far it is.

    `status` since `since`: `copying` while it gets the whole history (`copied` records so far), `behind`
    while it catches up, `live` when it has everything, `failed` while it takes nothing: then `reason`,
    `message` and `next_step` say why. `sequence` is the last change that it has, `lag` how many came since,
    both None until that is known. `shipped_at` is when it last answered. `refused` records were set aside in
    its table `refused`, since this daemon started. `was_passed`: changes that it needs were removed to make
    place, so it will get the whole history again.
    """

    name: str
    kind: str
    status: SinkStatus
    since: Moment
    sequence: int | None = None
    lag: int | None = None
    shipped_at: Moment | None = None
    copied: int | None = None
    refused: int = 0
    was_passed: bool = False
    reason: str | None = None
    message: str | None = None
    next_step: str | None = None


class Leftover(Record, frozen=True, kw_only=True):
    """Something that kronkeep created in a cluster: why it exists, and the command that removes it."""

    cluster: str
    kind: str
    namespace: str
    name: str
    why: str
    command: str


class EventView(Record, frozen=True, kw_only=True):
    """A Kubernetes Event about a run's Job or pod; `object` is Kind/name, `count` how often it came."""

    at: Moment
    type: str
    reason: str
    message: str
    count: int = 1
    object: str


class WatchView(Record, frozen=True, kw_only=True):
    """The state of one watch; without a watch that is not `needed`, views are right but have less detail.

    A cluster that has never been connected has one of the name `connection`, and a placeholder as its id.
    """

    name: str
    cluster: str = ""
    status: str
    since: Moment
    why: str | None = None
    needed: bool = True


CONNECTION = "connection"  # the name of the watch of a cluster that has never been connected


class Ready(Record, frozen=True, kw_only=True):
    """Whether views are current, and the state of each watch."""

    ready: bool
    watches: list[WatchView]


class Snapshot(Record, frozen=True, kw_only=True):
    """Everything that a first screen needs, as of the change `seq` of the history.

    `cronjobs` are those that fit; with a `cronjobs_cursor` the others are at `/v1/snapshot/cronjobs`.
    """

    seq: int
    now: Moment
    version: str
    cronjobs: list[CronJob]
    cronjobs_cursor: str | None = None
    executions: list[CronJobExecution]
    backups: list[BackupExecution]
    storages: list[BackupStorage]
    restores: list[Restore] = []
    copies: list[BackupCopy] = []
    alerts: list[Alert] = []
    watches: list[WatchView]
    clusters: list[ClusterView] = []


HISTORY_TABLES: dict[str, type] = {
    "executions": CronJobExecution,
    "backups": BackupExecution,
    "restores": Restore,
    "copies": BackupCopy,
    "storages": BackupStorage,
    "alerts": Alert,
}
LIVE_TABLES: dict[str, type] = {"cronjobs": CronJob, "watches": WatchView}
ChangedRecord = (
    CronJobExecution | BackupExecution | BackupCopy | Restore | BackupStorage | Alert | CronJob | WatchView
)


class ChangeEvent(Record, frozen=True, kw_only=True):
    """One change on `/v1/events`: `record` is the new state of the record `id` of `table`; None: removed.

    Each change in HISTORY_TABLES has a `seq` of its own, one more than the change before it.

    LIVE_TABLES (a CronJob, by its uid, and a watch, by its cluster's id and its name) are sent
    only where the query's `table` names them. They are in no journal: `seq` is that of the history's latest
    change, so many may have the same, and a later change of a record replaces an earlier one that was not
    sent yet. Whoever resumes after the `seq` of a snapshot gets all that the snapshot may lack, some of it
    perhaps twice.
    """

    seq: int
    table: str
    id: str
    op: str
    record: JsonObject | None = None

    def decode_record(self) -> ChangedRecord | None:
        """Return the record as its table's type; None where it was removed or the table is not known.

        Raise msgspec.ValidationError for a record of a later daemon that this side cannot read.
        """
        kind = HISTORY_TABLES.get(self.table) or LIVE_TABLES.get(self.table)
        if kind is None or self.record is None:
            return None
        record: ChangedRecord = msgspec.convert(self.record, kind)
        return record


class Problem(Record, frozen=True, kw_only=True):
    """An error as a problem of RFC 9457, with kronkeep's `code`, which does not change, and what to do."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    next_step: str
    retryable: bool
    details: JsonObject = {}
