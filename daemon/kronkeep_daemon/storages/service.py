"""Storages: created with their repository, changed, listed, and deleted when nobody uses them.

Their states are STORAGE_TRANSITIONS. A storage that is pending, being created or being deleted has a
deadline, after which it fails. A stop of the daemon interrupts nothing: `resume` continues from the record.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from tinydb import where

from kronkeep_common import bandwidth
from kronkeep_common.clock import Clock
from kronkeep_common.errors import (
    Denied,
    InvalidRequest,
    KronkeepError,
    NamespaceNotServed,
    NameTaken,
    NotAllowedNow,
    StorageFailed,
    StorageInUse,
    StorageNotFound,
)
from kronkeep_common.models import (
    BackupStorage,
    BackupStorageChange,
    BackupStorageCreate,
    SecretKeyRef,
)
from kronkeep_common.models.storage import EVERY_NAMESPACE
from kronkeep_common.name_rules import check_name, is_namespace
from kronkeep_common.name_suggestions import closest_name
from kronkeep_common.reasons import Reason
from kronkeep_common.schedule.zone import load_zone
from kronkeep_common.states import (
    BACKUP_TRANSITIONS,
    ENDED_COPIES,
    RESTORE_TRANSITIONS,
    STORAGE_TRANSITIONS,
    StorageStatus,
    is_final,
    may_follow,
)
from kronkeep_common.text import clean, size
from kronkeep_daemon import storage_kinds
from kronkeep_daemon.events import Bus, StorageChanged
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs, require_serving
from kronkeep_daemon.repositories.repository_secrets import RepositorySecrets
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.storages import own_place, usage_growth
from kronkeep_daemon.storages.provisioner import StorageProvisioner, password_secret_name
from kronkeep_daemon.supervisor import Supervisor

Names = list[str]  # inside the class `list` is a method
RETRY_SECONDS = 5.0
DELETE_SECONDS = 600.0
DELETE_PATIENCE_SECONDS = 5.0  # how long the caller of a deletion waits for its end
RESERVED_NAME = "kinds"  # GET /v1/storages/kinds lists the kinds
TABLES_BY_STORAGE = ("usages", "repositories")
_NEXT_STEPS = {StorageStatus.FAILED: "Correct what failed, then try again: kronkeep storage retry NAME."}
UNSETTLED = (StorageStatus.PENDING, StorageStatus.CREATING, StorageStatus.DELETING)


class StorageRefusal(NamedTuple):
    """Why a policy may not use its storage: the error's code, its sentence and its next step."""

    code: str
    message: str
    next_step: str

    @property
    def sentence(self) -> str:
        """The message with what to do."""
        return f"{self.message} {self.next_step}"


class StorageService:
    """The storages; each belongs to one cluster, which has its Secrets and runs its Jobs."""

    def __init__(
        self,
        *,
        clusters: Clusters,
        history: History,
        bus: Bus,
        clock: Clock,
        settings: Callable[[], Settings],
        queues: RepositoryQueues,
        jobs: RepositoryJobs,
        secrets: RepositorySecrets,
        provisioner: StorageProvisioner,
        supervisor: Supervisor,
    ) -> None:
        self._clusters = clusters
        self._history = history
        self._bus = bus
        self._clock = clock
        self._settings = settings
        self._queues = queues
        self._supervisor = supervisor
        self._jobs = jobs
        self._secrets = secrets
        self._provisioner = provisioner

    def list(self) -> list[BackupStorage]:
        """Return every storage, by name."""
        return sorted(self._history.storages.all(), key=attrgetter("id"))

    def find(self, name: str) -> BackupStorage | None:
        """Return a storage; None where there is none of that name."""
        return self._history.storages.get(name)

    def get(self, name: str) -> BackupStorage:
        """Return a storage; raise StorageNotFound."""
        storage = self._history.storages.get(name)
        if storage is None:
            near = closest_name(name, (each.id for each in self._history.storages.all()))
            raise StorageNotFound(
                f"There is no storage {clean(repr(name), 80)}.",
                next_step=f"Did you mean {near}?" if near else None,
                field="storage_id",
                storage=name,
            )
        return storage

    def describe_limits(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return a sentence about each of these storages that limits how much of the network it takes."""
        storages = (self.find(name) for name in names)
        sentences = (bandwidth.describe_storage(each, self._clock.now()) for each in storages if each)
        return tuple(sentence for sentence in sentences if sentence is not None)

    def require_active(self, name: str) -> BackupStorage:
        """Return a storage that is active; raise StorageNotFound, NotAllowedNow."""
        storage = self.get(name)
        if storage.status is not StorageStatus.ACTIVE:
            raise NotAllowedNow(
                f"The storage {name} is {storage.status}, not active"
                + (f": {storage.message}" if storage.message else "."),
                next_step=_NEXT_STEPS.get(storage.status),
                field="storage_id",
                storage=name,
            )
        return storage

    def require_usable(self, name: str, cluster: Cluster, namespace: str) -> BackupStorage:
        """Return an active storage that Jobs in that namespace of the cluster may use.

        Raises StorageNotFound, NotAllowedNow, Denied.
        """
        storage = self.require_active(name)
        self.require_reachable(storage, cluster)
        require_serving(storage, namespace)
        return storage

    def find_refusal(self, name: str, cluster_id: str, namespace: str) -> StorageRefusal | None:
        """Return why Jobs in that namespace of the cluster may not use a storage, whatever its status is."""
        try:
            storage = self.get(name)
            self.require_reachable(storage, self._clusters.of(cluster_id))
            require_serving(storage, namespace)
        except (StorageNotFound, Denied, NamespaceNotServed) as refusal:
            return StorageRefusal(refusal.code, refusal.message, refusal.next_step)
        return None

    def require_reachable(self, storage: BackupStorage, cluster: Cluster) -> None:
        """Raise Denied for a storage that pods of that cluster cannot reach."""
        if storage_kinds.is_cluster_bound(storage) and not self._clusters.same(storage.cluster, cluster.id):
            title = self._clusters.title(storage.cluster, f"{storage.id} ({storage.kind})")
            raise Denied(
                f"Pods on {clean(cluster.name, 80)} cannot reach the storage {title}.",
                next_step="Create one there (--cluster), or one that is a server: s3, sftp, rest, nfs.",
                field="storage_id",
            )

    def validate_request(self, request: BackupStorageCreate) -> Any:
        """Return the typed settings of a new storage.

        Raises NameTaken, InvalidName, InvalidRequest, or Denied where hostPath is not allowed.
        """
        check_name(request.id, "storage")
        if request.id == RESERVED_NAME:
            raise InvalidRequest(f"A storage cannot be named {RESERVED_NAME}.", field="id")
        typed = storage_kinds.parse_settings(request.kind, request.settings)
        if request.kind == "local" and not self._settings().allow.host_path:
            raise Denied(
                "Storages in folders of the nodes are not allowed here (allow.host_path).", field="kind"
            )
        self._require_free_name(request.id)
        _require_bandwidth(request.bandwidth, request.bandwidth_zone)
        _require_servable(request.namespaces, storage_kinds.kind_of(request.kind).namespace(typed))
        return typed

    def require_servable(self, storage: BackupStorage) -> None:
        """Raise InvalidRequest where pods of a namespace that it serves could not reach the storage."""
        _require_servable(storage.namespaces, storage_kinds.own_namespace(storage))

    def _require_free_name(self, name: str) -> None:
        if self._history.storages.get(name) is not None:
            raise NameTaken(f"There is a storage {name} already.", field="id")

    async def create(
        self, request: BackupStorageCreate, cluster: Cluster, *, dry_run: bool = False
    ) -> BackupStorage:
        """Record a storage of that cluster and start to create its repository, or to open an existing one.

        With `dry_run` only return what would be recorded. Raises what `validate_request` raises, and
        InvalidRequest for a Secret or key that does not exist, and Conflict for the place of another storage.
        """
        typed = self.validate_request(request)
        credential_keys = await self._secrets.require_keys(cluster, request.kind, typed, request.credentials)
        await self._require_password_key(cluster, request.password)
        maintenance = request.maintenance_credentials
        _require_place_for_deleting(maintenance, storage_kinds.kind_of(request.kind).namespace(typed))
        await self._secrets.require_maintenance_keys(cluster, maintenance, credential_keys)
        storage = BackupStorage(
            id=request.id,
            cluster=cluster.id,
            kind=request.kind,
            settings=msgspec.to_builtins(typed),
            password=request.password or SecretKeyRef(secret=password_secret_name(request.id)),
            credentials=request.credentials,
            maintenance_credentials=maintenance,
            credential_keys=credential_keys,
            namespaces=request.namespaces,
            layout=request.layout,
            capacity_bytes=request.capacity_bytes,
            bandwidth=request.bandwidth,
            bandwidth_zone=request.bandwidth_zone,
            status=StorageStatus.PENDING,
            created_at=self._clock.now(),
            deadline_at=self._deadline(self._settings().storages.create_seconds),
        )
        storage = msgspec.structs.replace(storage, repository=storage_kinds.access_of(storage).address)
        await own_place.require_own_place(storage, self.list(), self._secrets, cluster)
        if dry_run:
            return storage
        self._require_free_name(request.id)  # another request may have come during the awaits above
        await self.save(None, storage)
        self._start_work(storage)
        return storage

    async def _require_password_key(self, cluster: Cluster, password: SecretKeyRef | None) -> None:
        """Raise InvalidRequest where the Secret of a given password, or its key, does not exist."""
        if password is None:
            return
        secret = await self._secrets.require(cluster, password.secret, "password")
        if password.key not in secret:
            raise InvalidRequest(
                f"The Secret {clean(password.secret, 100)} has no such key.", field="password.key"
            )

    def _deadline(self, seconds: float) -> datetime:
        return self._clock.now() + timedelta(seconds=seconds)

    async def retry(self, name: str) -> BackupStorage:
        """Start to create a failed storage again, with what its Secret contains now; raise NotAllowedNow."""
        storage = self._require_failed(name)
        typed = storage_kinds.parse_settings(storage.kind, storage.settings)
        cluster = self._jobs.cluster_of(storage)
        credential_keys = await self._secrets.require_keys(cluster, storage.kind, typed, storage.credentials)
        storage = self._require_failed(name)  # it may have been tried again or deleted meanwhile
        retried = await self.change_status(
            msgspec.structs.replace(storage, credential_keys=credential_keys),
            StorageStatus.CREATING,
            deadline_at=self._deadline(self._settings().storages.create_seconds),
        )
        self._start_work(retried)
        return retried

    def _require_failed(self, name: str) -> BackupStorage:
        storage = self.get(name)
        if storage.status is StorageStatus.FAILED:
            return storage
        raise NotAllowedNow(f"The storage {name} is {storage.status}; only a failed one can be tried again.")

    async def change(self, name: str, change: BackupStorageChange) -> BackupStorage:
        """Change who may use the storage and how much it may hold; raise InvalidRequest, NotAllowedNow."""
        storage = self.get(name)
        if storage.status is StorageStatus.DELETING:
            raise NotAllowedNow(f"The storage {name} is being deleted.")
        namespaces = _change_namespaces(storage, change)
        _require_servable(namespaces, storage_kinds.own_namespace(storage))
        used = storage.usage.used_bytes if storage.usage else 0
        capacity = storage.capacity_bytes if change.capacity_bytes is None else change.capacity_bytes
        if change.capacity_bytes is not None and change.capacity_bytes < used:
            raise InvalidRequest(f"The storage holds {size(used)} already.", field="capacity_bytes")
        limits = storage.bandwidth if change.bandwidth is None else change.bandwidth or None
        zone = change.bandwidth_zone or (storage.bandwidth_zone if limits else None)
        _require_bandwidth(limits, zone)
        maintenance = change.maintenance_credentials
        _require_place_for_deleting(maintenance, storage_kinds.own_namespace(storage))
        await self._secrets.require_maintenance_keys(
            self._jobs.cluster_of(storage), maintenance, storage.credential_keys
        )
        storage = self.get(name)  # it may have changed while the Secret was read
        is_same = maintenance in (None, storage.maintenance_credentials)
        changed = msgspec.structs.replace(
            storage,
            maintenance_credentials=maintenance or storage.maintenance_credentials,
            append_only=storage.append_only if is_same else None,
            append_only_tested_at=storage.append_only_tested_at if is_same else None,
            namespaces=namespaces,
            capacity_bytes=capacity,
            bandwidth=limits,
            bandwidth_zone=zone if limits else None,
            usage=usage_growth.with_limit(storage.usage, capacity) if storage.usage else None,
        )
        return await self.save(storage, changed)

    def resume(self) -> None:
        """Continue what a stop of the daemon interrupted, once the Jobs that still run have ended."""
        for copy in self._jobs.find_interrupted_work():
            work = partial(self._jobs.finish_interrupted_work, copy)
            self._supervisor.start(f"the Job {copy.id}", work, death="quiet")
        for storage in self.list():
            if storage.status in UNSETTLED:
                self._start_work(storage)

    def _start_work(self, storage: BackupStorage) -> asyncio.Task[None]:
        work = self._delete if storage.status is StorageStatus.DELETING else self._create
        return self._supervisor.start(
            f"storage {storage.id}", partial(self._run_until_deadline, storage.id, work), death="quiet"
        )

    async def _run_until_deadline(self, name: str, work: Callable[[str], Awaitable[None]]) -> None:
        """Run `work`, again after a retryable error, until the record's deadline; then the storage fails."""
        storage = self.get(name)
        seconds = ((storage.deadline_at or self._clock.now()) - self._clock.now()).total_seconds()
        last: KronkeepError | None = None
        try:
            async with asyncio.timeout(seconds):
                while True:
                    try:
                        await work(name)
                        return
                    except KronkeepError as fault:
                        if not fault.retryable:
                            raise
                        last = fault
                    await self._clock.sleep(RETRY_SECONDS)
        except TimeoutError:
            message = "It did not end in time" + (f": {last.message}" if last else ".")
            await self._fail(name, StorageFailed(message, reason=Reason.DEADLINE_EXCEEDED))
        except KronkeepError as fault:
            await self._fail(name, fault)

    async def _fail(self, name: str, fault: KronkeepError) -> None:
        await self.change_status(
            self.get(name),
            StorageStatus.FAILED,
            reason=fault.details.get("reason", fault.code),
            message=fault.message,
            next_step=fault.next_step,
        )

    async def _create(self, name: str) -> None:
        """Create password, claim and repository; each step may be repeated."""
        storage = self.get(name)
        await self._provisioner.create_secret_and_claim(storage)
        await self._provisioner.fetch_space(storage)  # so that a server that refuses is noticed first
        if storage.status is StorageStatus.PENDING:
            storage = await self.change_status(
                storage, StorageStatus.CREATING, deadline_at=storage.deadline_at
            )
        await self._provisioner.create_repository(storage)
        await self.change_status(self.get(name), StorageStatus.ACTIVE, reached_at=self._clock.now())

    async def delete(self, name: str, users: Names) -> None:
        """Forget the storage; its repository's data, its claim and its password's Secret stay.

        `users` are the CronJobs whose policies use it. Waits DELETE_PATIENCE_SECONDS for work on the
        repository to end; after that the deletion continues without the caller. Raises StorageInUse where
        there are users, or a backup or restore that has not ended.
        """
        self.get(name)
        if users:
            raise StorageInUse(f"The storage {name} is used by {', '.join(users[:5])}.", cronjobs=users[:50])
        if self.is_busy(name):
            raise StorageInUse(
                f"A backup, restore or move of the storage {name} has not ended.",
                next_step="Wait for its end, or cancel it.",
            )
        await self._supervisor.stop(f"storage {name}")
        deleting = await self.change_status(
            self.get(name), StorageStatus.DELETING, deadline_at=self._deadline(DELETE_SECONDS)
        )
        await asyncio.wait([self._start_work(deleting)], timeout=DELETE_PATIENCE_SECONDS)

    def is_busy(self, name: str) -> bool:
        """Return whether a backup, copy, restore or move of the storage has not ended."""
        if self.get(name).is_moving:
            return True
        backups = self._history.backups.newest(limit=1000, storage_id=name).items
        restores = self._history.restores.newest(limit=1000, storage_id=name).items
        copies = self._history.copies.newest(limit=1000, storage_id=name).items
        if any(copy.status not in ENDED_COPIES for copy in copies):
            return True
        return any(not is_final(BACKUP_TRANSITIONS, backup.status) for backup in backups) or any(
            not is_final(RESTORE_TRANSITIONS, restore.status) for restore in restores
        )

    async def _delete(self, name: str) -> None:
        async with self._queues.hold_exclusively(name, "deletion"):
            storage = self.get(name)
            self._history.storages.remove(name)
            for table in TABLES_BY_STORAGE:
                self._history.table(table).remove(where("storage_id") == name)
            await self._history.commit()
        self._bus.publish(StorageChanged(storage, None))

    async def change_status(
        self, storage: BackupStorage, status: StorageStatus, **fields: Any
    ) -> BackupStorage:
        """Put the storage into another state; deadline and reasons are cleared unless `fields` has them.

        Raises NotAllowedNow where the state may not follow.
        """
        if not may_follow(STORAGE_TRANSITIONS, storage.status, status):
            raise NotAllowedNow(f"The storage {storage.id} is {storage.status}.")
        cleared: JsonObject = dict.fromkeys(("deadline_at", "reason", "message", "next_step"))
        changed = msgspec.structs.replace(storage, status=status, **(cleared | fields))
        return await self.save(storage, changed)

    async def password(self, storage: BackupStorage) -> bytes:
        """Return the password of the storage's repository, read from its Secret; raise StorageFailed."""
        return await self._secrets.own_password(Repository(storage=storage))

    async def save(self, old: BackupStorage | None, new: BackupStorage) -> BackupStorage:
        """Record a storage durably and publish the change; `old` is None for a new one."""
        self._history.storages.put(new)
        await self._history.commit()
        self._bus.publish(StorageChanged(old, new))
        return new


def require_unmoved(storage: BackupStorage) -> None:
    """Raise NotAllowedNow while the storage's backups are moved to another layout."""
    if storage.is_moving:
        raise NotAllowedNow(
            f"The backups of {storage.id} are being moved to another layout: nothing of them is "
            "removed meanwhile.",
            next_step=f"Wait for its end, or: kronkeep storage move {storage.id} --cancel.",
        )


def _change_namespaces(storage: BackupStorage, change: BackupStorageChange) -> tuple[str, ...]:
    """Return the namespaces that the storage serves after a change, each once."""
    before = storage.namespaces if change.namespaces is None else change.namespaces
    allowed = dict.fromkeys((*before, *change.allow_namespaces))
    return tuple(name for name in allowed if name not in change.deny_namespaces)


def _require_servable(namespaces: tuple[str, ...], own: str) -> None:
    """Raise InvalidRequest for what names no namespace, or one whose pods cannot mount a claim in `own`."""
    for name in namespaces:
        if name != EVERY_NAMESPACE and not is_namespace(name):
            raise InvalidRequest(
                f"{clean(repr(name), 80)} is no namespace.",
                next_step="Write a name such as shop, or * for all namespaces.",
                field="namespaces",
            )
    if own and any(name != own for name in namespaces):
        raise InvalidRequest(
            f"Only pods of the namespace {own} can mount the storage's claim.", field="namespaces"
        )


def _require_place_for_deleting(secret: str | None, namespace: str) -> None:
    """Raise InvalidRequest for a storage on a claim, whose Jobs run in a namespace of others.

    namespace: the only one that reaches the storage; empty where all do.
    """
    if secret is not None and namespace:
        raise InvalidRequest(
            f"Only pods in {namespace} reach the storage, and credentials for maintenance do not go there.",
            field="maintenance_credentials",
        )


def _require_bandwidth(text: str | None, zone: str | None) -> None:
    """Raise InvalidRequest, InvalidTimeZone for limits that cannot be read."""
    if text:
        bandwidth.parse_rule(text)
    if zone is not None:
        load_zone(zone)
    if zone is not None and not text:
        raise InvalidRequest("A time zone without limits has no meaning.", field="bandwidth_zone")
