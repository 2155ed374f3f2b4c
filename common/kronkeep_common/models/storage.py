"""BackupStorages: named places, each for one restic repository."""

from typing import Literal

from kronkeep_common.models.base import Bytes, Moment, Name, Record, Request, Seconds
from kronkeep_common.models.policy import SecretKeyRef
from kronkeep_common.states import StorageStatus

Settings = dict[str, str | int]
WARNING = 0.85
CRITICAL = 0.95


class BackupStorageCreate(Request, frozen=True, kw_only=True):
    """A storage to create; `settings` are the kind's own fields (GET /v1/storages/kinds).

    `password` and `credentials` name Secrets in kronkeep's namespace; without a `password` kronkeep makes a
    Secret with a random one. `namespaces` lists who may use it; empty means all. `capacity_bytes` is what it
    may hold, where that is less than what its server or volume has.
    """

    id: Name
    kind: str
    settings: Settings = {}
    password: SecretKeyRef | None = None
    credentials: Name | None = None
    namespaces: tuple[str, ...] = ()
    capacity_bytes: Bytes | None = None


class BackupStorageChange(Request, frozen=True, kw_only=True):
    """What may change of a storage; a field that is left out stays. No capacity_bytes below what it holds."""

    namespaces: tuple[str, ...] | None = None
    capacity_bytes: Bytes | None = None


class StorageUsage(Record, frozen=True, kw_only=True):
    """What a storage held at `measured_at`.

    `used_bytes` is what restic stores; `capacity_bytes` what there is (the storage's own limit, else its
    server's or volume's) and `available_bytes` what is left of it, None where nobody tells; `total_bytes` and
    `free_bytes` are the server's or volume's own. `level` is warning from 85 % and critical from 95 % of the
    capacity on. `growth_bytes_per_day` is a line through the last 30 days, None before there is a day of
    figures; `days_until_full` None while it does not grow.
    """

    measured_at: Moment
    used_bytes: Bytes
    capacity_bytes: Bytes | None = None
    available_bytes: Bytes | None = None
    total_bytes: Bytes | None = None
    free_bytes: Bytes | None = None
    level: Literal["ok", "warning", "critical", "unknown"] = "unknown"
    growth_bytes_per_day: float | None = None
    days_until_full: float | None = None
    snapshots: int = 0
    duration_seconds: Seconds = 0


class DataCheck(Record, frozen=True, kw_only=True):
    """The last part of the repositories' data that was read whole: `part` of `parts`, one a day.

    After damage the same part is read again, so that `ok` is true only once that part is.
    """

    part: int
    parts: int
    checked_at: Moment
    ok: bool


class BackupStorage(Record, frozen=True, kw_only=True):
    """A storage and its state; `id` is its name.

    `credential_keys` are the names of the keys that were found in the Secret `credentials`, never their
    values. `reached_at` is when its repository last opened. `reason`, `message` and `next_step` tell what
    last failed and are gone when it works again; `check_ok` is what `restic check` said at `checked_at`.
    """

    id: str
    cluster: str
    kind: str
    settings: Settings = {}
    password: SecretKeyRef
    credentials: str | None = None
    credential_keys: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    capacity_bytes: Bytes | None = None
    status: StorageStatus
    created_at: Moment
    deadline_at: Moment | None = None
    repository: str = ""
    usage: StorageUsage | None = None
    reached_at: Moment | None = None
    checked_at: Moment | None = None
    check_ok: bool | None = None
    data_check: DataCheck | None = None
    reason: str | None = None
    message: str | None = None
    next_step: str | None = None
