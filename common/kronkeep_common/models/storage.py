"""BackupStorages: named places for restic repositories."""

from typing import Annotated, Literal

import msgspec

from kronkeep_common.models.base import Bytes, Moment, Name, Record, Request, Seconds
from kronkeep_common.models.policy import SecretKeyRef, ZoneText
from kronkeep_common.models.storage_layout import Layout, password_secret_of_folders
from kronkeep_common.models.storage_move import LayoutMove
from kronkeep_common.reasons import Reason
from kronkeep_common.states import MoveState, RotationState, StorageStatus

Settings = dict[str, str | int]
BandwidthText = Annotated[str, msgspec.Meta(max_length=500)]
EVERY_NAMESPACE = "*"
WARNING = 0.85
CRITICAL = 0.95


class BackupStorageCreate(Request, frozen=True, kw_only=True):
    """A storage to create; `settings` are the fields of its kind (GET /v1/storages/kinds).

    `password` and `credentials` name Secrets in kronkeep's namespace; without a `password` kronkeep creates a
    Secret with a random one. With `maintenance_credentials`, another Secret there with the same keys,
    archives, restores and checks use `credentials`, which need no right to delete, and what deletes (forget,
    prune) uses those; they never leave kronkeep's namespace. It serves only the `namespaces` that it names,
    `*` for all: without any, nobody can use it. `capacity_bytes` limits it to less than its server or volume
    has. `bandwidth` is how much of the network its Jobs may take, such as
    `02:00-06:00 unlimited, else 4 MiB/s`, by the clock of `bandwidth_zone` (UTC without one). By its `layout`
    it has a repository with a password of its own for each namespace or for each policy, or one for all.
    """

    id: Name
    kind: str
    settings: Settings = {}
    password: SecretKeyRef | None = None
    credentials: Name | None = None
    maintenance_credentials: Name | None = None
    namespaces: tuple[str, ...] = ()
    layout: Layout = "namespace"
    capacity_bytes: Bytes | None = None
    bandwidth: BandwidthText | None = None
    bandwidth_zone: ZoneText | None = None


class BackupStorageChange(Request, frozen=True, kw_only=True):
    """A change of a storage; absent fields stay. `capacity_bytes` may not be less than what it holds.

    `namespaces` replaces those that it serves, `allow_namespaces` adds to them, `deny_namespaces` takes away.
    `maintenance_credentials` names the Secret with which to delete. An empty `bandwidth` ends its limits.
    """

    namespaces: tuple[str, ...] | None = None
    allow_namespaces: tuple[str, ...] = ()
    deny_namespaces: tuple[str, ...] = ()
    capacity_bytes: Bytes | None = None
    maintenance_credentials: Name | None = None
    bandwidth: BandwidthText | None = None
    bandwidth_zone: ZoneText | None = None


class StorageAddress(Request, frozen=True, kw_only=True):
    """Where a storage's repositories are now: all fields of its kind, and the Secret that opens the server.

    Without `credentials` the Secret stays.
    """

    settings: Settings
    credentials: Name | None = None


class SecretNames(Record, frozen=True, kw_only=True):
    """A Secret of kronkeep's namespace and its keys, never their values."""

    name: str
    keys: tuple[str, ...] = ()


def declared_change(stored: "BackupStorage", declared: BackupStorageCreate) -> BackupStorageChange | None:
    """Return what a manifest changes of a storage that exists; None for nothing. What it leaves out stays."""
    has_others = bool(declared.namespaces) and set(declared.namespaces) != set(stored.namespaces)
    has_capacity = declared.capacity_bytes not in (None, stored.capacity_bytes)
    maintenance = declared.maintenance_credentials
    has_maintenance = maintenance not in (None, stored.maintenance_credentials)
    has_limits = (
        declared.bandwidth or stored.bandwidth,
        declared.bandwidth_zone or stored.bandwidth_zone,
    ) != (
        stored.bandwidth,
        stored.bandwidth_zone,
    )
    if not (has_others or has_capacity or has_maintenance or has_limits):
        return None
    return BackupStorageChange(
        namespaces=declared.namespaces if has_others else None,
        capacity_bytes=declared.capacity_bytes if has_capacity else None,
        maintenance_credentials=maintenance if has_maintenance else None,
        bandwidth=declared.bandwidth if has_limits else None,
        bandwidth_zone=declared.bandwidth_zone if has_limits else None,
    )


class StorageUsage(Record, frozen=True, kw_only=True):
    """The usage of a storage, measured at `measured_at`.

    restic stores `used_bytes`. `capacity_bytes` is the storage's own limit, or what its server or volume has,
    and `available_bytes` what is left of it; both are None where they are not known. `total_bytes` and
    `free_bytes` are those of the server or volume. `level` is warning from 85 % of the capacity on, and
    critical from 95 % on. `growth_bytes_per_day` is a line through the last 30 days, None for less than a day
    of measurements; `days_until_full` is None for a storage that does not grow.
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
    """The last check of the repositories' data: `part` of `parts` was read, one part a day.

    After damage the same part is read again, so `ok` becomes true only when that part is good.
    """

    part: int
    parts: int
    checked_at: Moment
    ok: bool


class StorageSnapshots(Record, frozen=True, kw_only=True):
    """What the last comparison of the storage's repositories with the records showed, at `listed_at`.

    Of `snapshots` in all, `foreign` have no tags of kronkeep's and are never touched, `elsewhere` are of
    clusters that this daemon does not watch, and the tags of `unusable` are no use. `unrecorded` backups have
    no record and `recovered` have got one again; the snapshots of `missing` backups are not there,
    and nobody has acknowledged that.
    """

    listed_at: Moment
    snapshots: int = 0
    foreign: int = 0
    elsewhere: int = 0
    unusable: int = 0
    unrecorded: int = 0
    recovered: int = 0
    missing: int = 0


class ForeignSnapshot(Record, frozen=True, kw_only=True):
    """A snapshot without kronkeep's tags; `host` is restic's `--host`, `created_at` as restic prints it.

    `paths` are the first of those that it was made of.
    """

    id: str
    host: str = ""
    created_at: str = ""
    paths: tuple[str, ...] = ()


class SnapshotImport(Request, frozen=True, kw_only=True):
    """Snapshots of others that are to be backups of a policy.

    namespace, cronjob: who carries the policy: a CronJob, or a claim as `pvc/NAME`.
    snapshots: their whole ids; they get further tags, and so other ids.
    """

    namespace: Name
    cronjob: Annotated[str, msgspec.Meta(min_length=1, max_length=260)]
    snapshots: Annotated[
        tuple[Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")], ...],
        msgspec.Meta(min_length=1, max_length=200),
    ]


class StorageRepository(Record, frozen=True, kw_only=True):
    """A repository of a storage.

    `layout` says whose archives share it. It has copies of the backups in `copies_of`, where that is set. In
    its newest archives restic read the first file after `first_byte_seconds` (the median of five; None for
    less than three); it `is_crowded` where that is longer than `storages.first_byte_seconds` of the settings.
    `forgotten_at` and `pruned_at` are when snapshots were last removed, and when their space was freed.
    """

    id: str
    layout: Layout
    copies_of: str | None = None
    has_own_password: bool = False
    created_at: Moment | None = None
    first_byte_seconds: Seconds | None = None
    is_crowded: bool = False
    forgotten_at: Moment | None = None
    pruned_at: Moment | None = None


class HistoryArchive(Record, frozen=True, kw_only=True):
    """The newest archive of the daemon's own history in a storage, and the last try.

    It was made at `archived_at` and has all changes up to `sequence`; `bytes_compressed` is its size before
    restic took it. `message` and `next_step` say why the last try, at `tried_at`, made none.
    """

    tried_at: Moment
    archived_at: Moment | None = None
    sequence: int = 0
    bytes_compressed: Bytes = 0
    snapshot_id: str = ""
    message: str | None = None
    next_step: str | None = None


class KeyRotation(Record, frozen=True, kw_only=True):
    """The newest rotation of a storage's password, and what it does next.

    `preparing` makes the new password, `adding` lets it open the repositories, `swapping` puts it into the
    Secret, `opening` opens them with that, `removing` removes the old keys. `old_keys` has their ids by
    repository. `message` and `next_step` say why it does not go on.
    """

    state: RotationState
    created_at: Moment
    ended_at: Moment | None = None
    old_keys: dict[str, str] = {}
    message: str | None = None
    next_step: str | None = None


class KitRepository(Record, frozen=True, kw_only=True):
    """How one repository is opened by hand; `files` by the path that options or variables name.

    Where it `is_mounted`, the address is below the place where the storage's volume is mounted. Without a
    `password` it is not encrypted.
    """

    address: str
    is_mounted: bool = False
    password: str | None = None
    environment: dict[str, str] = {}
    files: dict[str, str] = {}
    options: tuple[str, ...] = ()


class KitOutdated(Record, frozen=True, kw_only=True):
    """Why the newest recovery kit does not open everything, since `at`.

    Since then there are more `repositories` than it has (cause `repository`), the passwords were changed
    (`rotation`), or the address or the credentials (`address`).
    """

    at: Moment
    cause: Literal["repository", "rotation", "address"]
    repositories: int = 0

    @property
    def sentence(self) -> str:
        """What the kits that were made before lack."""
        since = f"{self.at:%Y-%m-%d %H:%M} UTC"
        match self.cause:
            case "rotation":
                return (
                    f"The storage's passwords were changed at {since}: recovery kits and copies of its "
                    "Secrets that were made before open nothing any more."
                )
            case "address":
                return (
                    f"The storage's address or credentials were changed at {since}: "
                    "its newest recovery kit has the old ones."
                )
        if self.repositories == 1:
            return "The newest recovery kit lacks a repository that was made after it, and its password."
        return (
            f"The newest recovery kit lacks {self.repositories} repositories that were made after it, "
            "and their passwords."
        )


class RecoveryKit(Record, frozen=True, kw_only=True):
    """All that opens a storage's repositories without kronkeep; whoever has it can read every backup."""

    storage_id: str
    kind: str
    settings: Settings = {}
    made_at: Moment
    fingerprint: str
    repositories: tuple[KitRepository, ...] = ()


class KitConfirmation(Request, frozen=True, kw_only=True):
    """The fingerprint of the newest recovery kit, typed from the kit."""

    fingerprint: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class BackupStorage(Record, frozen=True, kw_only=True):
    """A storage and its state; `id` is its name.

    `namespaces` are those that it serves; `*` among them stands for all. `layout` says whose new archives
    share a repository. `password` opens the storage's own repository. `credential_keys` are the names of
    the keys in the Secret `credentials`, never their values. `append_only` is whether the last test, at
    `append_only_tested_at`, proved that those cannot delete, where there are `maintenance_credentials`.
    `reached_at` is when its repository was last opened. `reason`, `message` and `next_step` describe the last
    failure, and are None after a success; `check_ok` is the result of `restic check` at `checked_at`,
    `checked_without_lock` where no lock could be written, as in a repository that can only be read.
    `prune_waits` is why the space of removed snapshots is not freed. `kit_made_at` is when its newest
    recovery kit was made, `kit_confirmed_at` when somebody last gave its fingerprint, whose hash `kit_hash`
    is. It has `kit_repositories` repositories, and `kit_outdated` is why it does not open everything; a
    rotation of the key or another address clears the others. `crowded` are repositories (20 at most) in
    which archives begin late, the slowest first. `namespace_warnings`, in the answer to a change, name the
    namespaces without a CronJob that are probably misspelt.
    """

    id: str
    cluster: str
    kind: str
    settings: Settings = {}
    password: SecretKeyRef
    credentials: str | None = None
    maintenance_credentials: str | None = None
    append_only: bool | None = None
    append_only_tested_at: Moment | None = None
    rotation: KeyRotation | None = None
    history_archive: HistoryArchive | None = None
    kit_made_at: Moment | None = None
    kit_confirmed_at: Moment | None = None
    kit_hash: str | None = None
    kit_repositories: int = 0
    kit_outdated: KitOutdated | None = None
    credential_keys: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    layout: Layout = "shared"
    move: LayoutMove | None = None
    capacity_bytes: Bytes | None = None
    bandwidth: str | None = None
    bandwidth_zone: str | None = None
    status: StorageStatus
    created_at: Moment
    deadline_at: Moment | None = None
    repository: str = ""
    usage: StorageUsage | None = None
    crowded: tuple[StorageRepository, ...] = ()
    reached_at: Moment | None = None
    checked_at: Moment | None = None
    check_ok: bool | None = None
    checked_without_lock: bool = False
    data_check: DataCheck | None = None
    snapshots: StorageSnapshots | None = None
    prune_waits: str | None = None
    reason: str | None = None
    message: str | None = None
    next_step: str | None = None
    namespace_warnings: tuple[str, ...] = ()

    @property
    def has_fault(self) -> bool:
        """Whether it has failed, or is active and could not be used the last time, or is damaged."""
        if self.status is not StorageStatus.ACTIVE:
            return self.status is StorageStatus.FAILED
        return self.reason is not None or self.check_ok is False

    @property
    def is_reachable(self) -> bool:
        """Whether it is active and its repository could be opened the last time; a full one can be."""
        return self.status is StorageStatus.ACTIVE and self.reason in (None, Reason.STORAGE_FULL)

    @property
    def away_reason(self) -> str | None:
        """The reason why nothing of it can be read now, so far as is known; None where it can be."""
        if self.status is not StorageStatus.ACTIVE:
            return Reason.STORAGE_INACTIVE
        return self.reason if Reason.is_away_code(self.reason) else None

    @property
    def is_moving(self) -> bool:
        """Whether its backups are being moved to another layout, so that nothing of them may be removed."""
        return self.move is not None and self.move.state not in (MoveState.KEPT, MoveState.DONE)

    @property
    def password_secrets(self) -> tuple[str, ...]:
        """The Secrets with its passwords; that of the folders is made with the first repository below it."""
        has_folders = self.layout != "shared" or self.move is not None or self.history_archive is not None
        folders = (password_secret_of_folders(self.id),) if has_folders else ()
        return (self.password.secret, *folders)

    def serves(self, namespace: str) -> bool:
        """Whether policies and restores in that namespace may use the storage."""
        return not {EVERY_NAMESPACE, namespace}.isdisjoint(self.namespaces)
