"""What the socket's requests and answers are made of, besides the models."""

from datetime import datetime
from typing import Generic, Literal, TypeVar

import msgspec

from kronkeep_common.json_decoding import JsonObject
from kronkeep_common.models import (
    Alert,
    BackupExecution,
    BackupPolicy,
    BackupStorage,
    CronJob,
    CronJobExecution,
    EnvVar,
    Restore,
)
from kronkeep_common.models.base import Bytes, Moment, Record, Request
from kronkeep_common.models.policy import BackupType, Compression

PREFIX = "/v1"
VERSION = "0.1.0"
T = TypeVar("T")
_OF_A_CLUSTER = ("/v1/cronjobs/", "/v1/policies/", "/v1/retention/", "/v1/schedules/")
_MADE_ON_ONE = ("/v1/cronjobs", "/v1/storages")


def takes_cluster(method: str, path: str) -> bool:
    """Whether a request may name a cluster: it is about one of its CronJobs, or makes something there."""
    return path.startswith(_OF_A_CLUSTER) or (method == "POST" and path in _MADE_ON_ONE)


class TriggerRequest(Request, frozen=True, kw_only=True):
    """What a trigger may change for this one run: plain variables.

    Who may trigger may read the run's log, so a Secret in it is for those who may change the CronJob.
    """

    env: tuple[EnvVar, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError for a variable from a Secret."""
        if any(variable.secret is not None for variable in self.env):
            raise ValueError("a run's own variables have values; a Secret is named in the CronJob")


class BackupRequest(Request, frozen=True, kw_only=True):
    """What a backup by hand may change for this once; the record keeps it as `overrides`."""

    backup_type: BackupType | None = None
    compression: Compression | None = None


class DeleteRequest(Request, frozen=True, kw_only=True):
    """The confirmation of a deletion: the object's name."""

    confirm: str | None = None


class Empty(Request, frozen=True, kw_only=True):
    """No field at all."""


class ClusterView(Record, frozen=True, kw_only=True):
    """A cluster that is watched: its identity in every record, and its name in the settings."""

    id: str
    name: str


class ListOf(msgspec.Struct, Generic[T], frozen=True, kw_only=True, omit_defaults=True):
    """A page of a list, newest first; `next_cursor` asks for the one after it.

    `stale_since` is set while a watch of a cluster is not live: what happened since then may be missing.
    `clusters` are named where there are several and the list is of what belongs to one.
    """

    items: list[T]
    next_cursor: str | None = None
    stale_since: datetime | None = None
    clusters: list[ClusterView] = []


class Operation(Record, frozen=True, kw_only=True):
    """Work that outlasts its request: `status` is running, succeeded or failed; `target` its object."""

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
    """What a write would do, and to what; nothing was changed."""

    would: str
    object: JsonObject = {}


class Applied(Record, frozen=True, kw_only=True):
    """What applying a manifest did, or in a dry run would do, and the CronJob afterwards."""

    outcome: Literal["created", "changed", "unchanged"]
    cronjob: CronJob


class ManifestFile(Record, frozen=True, kw_only=True):
    """A file of the daemon's manifest folder; `message` says what it waits for, or why it was refused.

    `applied` is kept applied; `waiting` is tried again by itself; of a `refused` file nothing is applied.
    """

    file: str
    status: Literal["applied", "waiting", "refused"]
    since: Moment
    objects: tuple[str, ...] = ()
    message: str | None = None
    next_step: str | None = None
    code: str | None = None


class AuditEntry(Record, frozen=True, kw_only=True):
    """One change or refusal: who asked what from where, and how it ended (`done` or a code)."""

    created_at: Moment
    uid: int
    user: str
    pid: int
    program: str = ""
    method: str
    route: str
    object: dict[str, str] = {}
    outcome: str


class PolicyView(Record, frozen=True, kw_only=True):
    """A policy and the CronJob that carries it, with what it has archived.

    `bytes_stored` is what its snapshots added to the repository, where restic told it of each (0.17);
    `sizes_unknown` says why not. `overdue` says that its recovery point is missed, `findings` what is wrong
    with how its schedule fits the CronJob's (`Code: sentence`), `retention_waits` why its retention waits for
    approval.
    """

    id: str
    cluster: str
    namespace: str
    cronjob: str
    cronjob_id: str
    created_at: Moment
    storage_id: str
    last_verified_at: Moment | None = None
    policy: BackupPolicy
    snapshots: int = 0
    bytes_stored: Bytes | None = None
    sizes_unknown: str | None = None
    last_good_backup_at: Moment | None = None
    overdue: bool = False
    next_backup_at: Moment | None = None
    findings: tuple[str, ...] = ()
    retention_waits: str | None = None


class Version(Record, frozen=True, kw_only=True):
    """The daemon's version, and the lowest and highest version of the API that it serves."""

    version: str
    api: dict[str, int]


Grade = Literal["ok", "warn", "fail"]


class Check(Record, frozen=True, kw_only=True):
    """One thing that `doctor` looked at: ok, warn or fail, with what to do."""

    name: str
    status: Grade
    message: str
    next_step: str | None = None


class Leftover(Record, frozen=True, kw_only=True):
    """Something of kronkeep's in a cluster: why it is there, and the command that takes it away."""

    cluster: str
    kind: str
    namespace: str
    name: str
    why: str
    command: str


class EventView(Record, frozen=True, kw_only=True):
    """What Kubernetes said about a run's Job or a pod of it: `object` is Kind/name, `count` how often."""

    at: Moment
    type: str
    reason: str
    message: str
    count: int = 1
    object: str


class WatchView(Record, frozen=True, kw_only=True):
    """How fresh one watch is; without one that is not `needed`, what is shown is right but tells less."""

    name: str
    cluster: str = ""
    status: str
    since: Moment
    why: str | None = None
    needed: bool = True


class Ready(Record, frozen=True, kw_only=True):
    """Whether what is shown can be trusted, and how fresh each watch is."""

    ready: bool
    watches: list[WatchView]


class Snapshot(Record, frozen=True, kw_only=True):
    """All that a first screen needs, as of the change `seq`."""

    seq: int
    now: Moment
    version: str
    cronjobs: list[CronJob]
    executions: list[CronJobExecution]
    backups: list[BackupExecution]
    storages: list[BackupStorage]
    restores: list[Restore] = []
    alerts: list[Alert] = []
    watches: list[WatchView]
    clusters: list[ClusterView] = []


HISTORY_TABLES: dict[str, type] = {
    "executions": CronJobExecution,
    "backups": BackupExecution,
    "restores": Restore,
    "storages": BackupStorage,
    "alerts": Alert,
}
LIVE_TABLES: dict[str, type] = {"cronjobs": CronJob, "watches": WatchView}
ChangedRecord = CronJobExecution | BackupExecution | Restore | BackupStorage | Alert | CronJob | WatchView


class ChangeEvent(Record, frozen=True, kw_only=True):
    """One change on `/v1/events`: `record` is what the record `id` of `table` is now (None: removed).

    HISTORY_TABLES are the history's; each of their changes has a `seq` of its own, one more than the change
    before it.

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

    def typed_record(self) -> ChangedRecord | None:
        """Return the record as its table's type; None where it was removed or the table is not known.

        Raise msgspec.ValidationError for a record of a later daemon that this side cannot read.
        """
        kind = HISTORY_TABLES.get(self.table) or LIVE_TABLES.get(self.table)
        if kind is None or self.record is None:
            return None
        record: ChangedRecord = msgspec.convert(self.record, kind)
        return record


class Problem(Record, frozen=True, kw_only=True):
    """RFC 9457: what went wrong, with kronkeep's stable `code` and what to do."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    next_step: str
    retryable: bool
    details: JsonObject = {}
