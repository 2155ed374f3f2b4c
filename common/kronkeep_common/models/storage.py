"""BackupStorages: named places, each for one restic repository."""

from kronkeep_common.models.base import Bytes, Moment, Name, Record, Request, Seconds
from kronkeep_common.models.policy import SecretKeyRef
from kronkeep_common.states import StorageStatus


class BackupStorageCreate(Request, frozen=True, kw_only=True):
    """A storage to create; `settings` are the kind's own fields, validated by the kind's module.

    `password` names a Secret in kronkeep's namespace; without one kronkeep makes a Secret with a
    random password. `namespaces` lists who may use it; empty means all.
    """

    id: Name
    kind: str
    settings: dict[str, str] = {}
    password: SecretKeyRef | None = None
    namespaces: tuple[str, ...] = ()
    capacity_bytes: Bytes | None = None


class StorageUsage(Record, frozen=True, kw_only=True):
    """What a storage held at `measured_at`; its capacity where one was given."""

    measured_at: Moment
    used_bytes: Bytes
    capacity_bytes: Bytes | None = None
    snapshots: int = 0
    duration_seconds: Seconds = 0


class BackupStorage(Record, frozen=True, kw_only=True):
    """A storage and its state; `id` is its name."""

    id: str
    cluster: str
    kind: str
    settings: dict[str, str] = {}
    password: SecretKeyRef
    namespaces: tuple[str, ...] = ()
    capacity_bytes: Bytes | None = None
    status: StorageStatus
    created_at: Moment
    deadline_at: Moment | None = None
    repository: str = ""
    usage: StorageUsage | None = None
    checked_at: Moment | None = None
    check_ok: bool | None = None
    reason: str | None = None
    message: str | None = None
    next_step: str | None = None
