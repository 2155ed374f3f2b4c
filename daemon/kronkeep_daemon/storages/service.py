"""Storages: created with their repository, changed, listed, deleted when nobody uses them.

Their states are STORAGE_TRANSITIONS. What is pending, being created or being deleted has a deadline, after
which it is failed; a stop of the daemon cuts nothing off, for `resume` goes on from the record.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

import msgspec
from tinydb import where

from kronkeep_common.clock import Clock
from kronkeep_common.errors import (
    Denied,
    InvalidRequest,
    KronkeepError,
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
from kronkeep_common.name_rules import check_name
from kronkeep_common.reasons import Reason
from kronkeep_common.states import (
    BACKUP_TRANSITIONS,
    RESTORE_TRANSITIONS,
    STORAGE_TRANSITIONS,
    StorageStatus,
    is_final,
    may_follow,
)
from kronkeep_common.text import clean
from kronkeep_daemon import storage_kinds
from kronkeep_daemon.events import Bus, StorageChanged
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.storages import usage_growth
from kronkeep_daemon.storages.provisioner import StorageProvisioner
from kronkeep_daemon.supervisor import Supervisor

Names = list[str]
RETRY_SECONDS = 5.0
DELETE_SECONDS = 600.0
PATIENCE = 5.0  # how long a deletion's caller waits for its end
_NEXT = {StorageStatus.FAILED: "Correct what failed, then try again: kronkeep storage retry NAME."}
UNSETTLED = (StorageStatus.PENDING, StorageStatus.CREATING, StorageStatus.DELETING)


class StorageService:
    """The storages, each at home in one cluster."""

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
        self._provisioner = provisioner

    def list(self) -> list[BackupStorage]:
        """Every storage, by name."""
        return sorted(self._history.storages.all(), key=lambda storage: storage.id)

    def get(self, name: str) -> BackupStorage:
        """One storage; raises StorageNotFound."""
        found = self._history.storages.get(name)
        if found is None:
            raise StorageNotFound(f"There is no storage {clean(repr(name), 80)}.", field="storage_id")
        return found

    def active(self, name: str) -> BackupStorage:
        """One storage that is active; raises StorageNotFound, NotAllowedNow."""
        storage = self.get(name)
        if storage.status is not StorageStatus.ACTIVE:
            raise NotAllowedNow(
                f"The storage {name} is {storage.status}, not active"
                + (f": {storage.message}" if storage.message else "."),
                next_step=_NEXT.get(storage.status),
                field="storage_id",
            )
        return storage

    def usable(self, name: str, cluster: Cluster, namespace: str) -> BackupStorage:
        """One active storage that Jobs in that cluster and namespace may use.

        Raises StorageNotFound, NotAllowedNow, Denied.
        """
        storage = self.active(name)
        self.check_reach(storage, cluster)
        if storage.namespaces and namespace not in storage.namespaces:
            raise Denied(
                f"The storage {name} may not be used from {clean(namespace, 63)}.",
                next_step=f"It may be used from {', '.join(storage.namespaces[:10])}.",
                field="storage_id",
            )
        return storage

    def check_reach(self, storage: BackupStorage, cluster: Cluster) -> None:
        """Raises Denied for a storage that pods of that cluster cannot reach."""
        if storage_kinds.is_cluster_bound(storage) and not self._clusters.same(storage.cluster, cluster.id):
            home = self._clusters.title(storage.cluster, f"{storage.id} ({storage.kind})")
            raise Denied(
                f"Pods on {clean(cluster.name, 80)} cannot reach the storage {home}.",
                next_step="Create one there (--cluster), or one that is a server: s3, sftp, rest, nfs.",
                field="storage_id",
            )

    def check_new(self, wanted: BackupStorageCreate) -> Any:
        """The kind's typed settings; raises NameTaken, InvalidName, InvalidRequest or Denied."""
        check_name(wanted.id)
        if wanted.id == "kinds":  # GET /v1/storages/kinds is the table
            raise InvalidRequest("A storage cannot be named kinds.", field="id")
        typed = storage_kinds.parse_settings(wanted.kind, wanted.settings)
        if wanted.kind == "local" and not self._settings().allow.host_path:
            raise Denied(
                "Storages in folders of the nodes are not allowed here (allow.host_path).", field="kind"
            )
        if self._history.storages.get(wanted.id) is not None:
            raise NameTaken(f"There is a storage {wanted.id} already.", field="id")
        _reachable(wanted.namespaces, storage_kinds.kind_of(wanted.kind).namespace(typed))
        return typed

    async def create(
        self, wanted: BackupStorageCreate, cluster: Cluster, *, dry_run: bool = False
    ) -> BackupStorage:
        """Records the storage and begins to make its repository, or takes the one that is there.

        `cluster` is its home: its Secrets and Jobs are there.
        A dry run only answers what would be recorded. Raises what `check_new` raises, and InvalidRequest for
        a Secret or key that is not there.
        """
        typed = self.check_new(wanted)
        found = await self._jobs.check_keys(cluster, wanted.kind, typed, wanted.credentials)
        if wanted.password is not None and wanted.password.key not in await self._jobs.named(
            cluster, wanted.password.secret, "password"
        ):
            raise InvalidRequest(
                f"The Secret {clean(wanted.password.secret, 100)} has no such key.", field="password.key"
            )
        own = storage_kinds.kind_of(wanted.kind).namespace(typed)
        storage = BackupStorage(
            id=wanted.id,
            cluster=cluster.id,
            kind=wanted.kind,
            settings=msgspec.to_builtins(typed),
            password=wanted.password or SecretKeyRef(secret=f"kronkeep-storage-{wanted.id}"),
            credentials=wanted.credentials,
            credential_keys=found,
            namespaces=wanted.namespaces or ((own,) if own else ()),
            capacity_bytes=wanted.capacity_bytes,
            status=StorageStatus.PENDING,
            created_at=self._clock.now(),
            deadline_at=self._deadline(self._settings().storages.create_seconds),
        )
        if self._history.storages.get(wanted.id) is not None:  # two requests at once
            raise NameTaken(f"There is a storage {wanted.id} already.", field="id")
        storage = msgspec.structs.replace(storage, repository=storage_kinds.access_of(storage).address)
        if dry_run:
            return storage
        await self.put(None, storage)
        self._begin(storage)
        return storage

    def _deadline(self, seconds: float) -> Any:
        return self._clock.now() + timedelta(seconds=seconds)

    async def retry(self, name: str) -> BackupStorage:
        """Tries a failed storage again, with what its Secret holds now; raises NotAllowedNow."""
        storage = self.get(name)
        if storage.status is not StorageStatus.FAILED:
            raise NotAllowedNow(f"The storage {name} is {storage.status}; only a failed one is tried again.")
        typed = storage_kinds.parse_settings(storage.kind, storage.settings)
        home = self._jobs.cluster(storage)
        found = await self._jobs.check_keys(home, storage.kind, typed, storage.credentials)
        deadline = self._deadline(self._settings().storages.create_seconds)
        again = msgspec.structs.replace(storage, credential_keys=found)
        new = await self.move(again, StorageStatus.CREATING, deadline_at=deadline)
        self._begin(new)
        return new

    async def change(self, name: str, wanted: BackupStorageChange) -> BackupStorage:
        """Changes who may use the storage and what it may hold; raises InvalidRequest, NotAllowedNow."""
        storage = self.get(name)
        if storage.status is StorageStatus.DELETING:
            raise NotAllowedNow(f"The storage {name} is being deleted.")
        names = storage.namespaces if wanted.namespaces is None else wanted.namespaces
        own = storage_kinds.own_namespace(storage)
        _reachable(names, own)
        used = storage.usage.used_bytes if storage.usage else 0
        capacity = storage.capacity_bytes if wanted.capacity_bytes is None else wanted.capacity_bytes
        if wanted.capacity_bytes is not None and wanted.capacity_bytes < used:
            raise InvalidRequest(f"The storage holds {used} bytes already.", field="capacity_bytes")
        names = names or ((own,) if own else ())
        usage = usage_growth.with_limit(storage.usage, capacity) if storage.usage else None
        new = msgspec.structs.replace(storage, namespaces=names, capacity_bytes=capacity, usage=usage)
        return await self.put(storage, new)

    def resume(self) -> None:
        """Goes on with what a stop of the daemon cut off, behind the Jobs that run on."""
        for left in self._jobs.left():
            self._supervisor.start(f"the Job {left.id}", partial(self._jobs.outlast, left), death="quiet")
        for storage in self.list():
            if storage.status in UNSETTLED:
                self._begin(storage)

    def _begin(self, storage: BackupStorage) -> asyncio.Task[None]:
        work = self._delete if storage.status is StorageStatus.DELETING else self._create
        name = storage.id

        async def once() -> None:
            await self._within(name, work)

        return self._supervisor.start(f"storage {name}", once, death="quiet")

    async def _within(self, name: str, work: Callable[[str], Awaitable[None]]) -> None:
        """Runs `work` until the record's deadline; a cluster that is away is waited for until then."""
        storage = self.get(name)
        left = ((storage.deadline_at or self._clock.now()) - self._clock.now()).total_seconds()
        last: KronkeepError | None = None
        try:
            async with asyncio.timeout(left):
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
            words = "It did not end in time" + (f": {last.message}" if last else ".")
            await self._fail(name, StorageFailed(words, reason=Reason.DEADLINE_EXCEEDED))
        except KronkeepError as fault:
            await self._fail(name, fault)

    async def _fail(self, name: str, fault: KronkeepError) -> None:
        await self.move(
            self.get(name),
            StorageStatus.FAILED,
            reason=fault.details.get("reason", fault.code),
            message=fault.message,
            next_step=fault.next_step,
        )

    async def _create(self, name: str) -> None:
        """Password, claim, server, then the repository; each step may be taken again."""
        storage = self.get(name)
        await self._provisioner.create_secret_and_claim(storage)
        if storage.status is StorageStatus.PENDING:
            storage = await self.move(storage, StorageStatus.CREATING, deadline_at=storage.deadline_at)
        await self._provisioner.create_repository(storage)
        now = self._clock.now()
        await self.move(self.get(name), StorageStatus.ACTIVE, reached_at=now)

    async def password(self, storage: BackupStorage) -> bytes:
        """Return the password of the storage's repository, read from its Secret; raises StorageFailed."""
        return await self._jobs.password(storage)

    async def delete(self, name: str, users: Names) -> None:
        """Forgets the storage; its repository's data, its claim and its password's Secret stay.

        Waits a few seconds for work on the repository to end, after that it goes on without the caller.
        Raises StorageInUse naming the CronJobs whose policies use it, or for a backup that has not ended.
        """
        self.get(name)
        if users:
            raise StorageInUse(f"The storage {name} is used by {', '.join(users[:5])}.", cronjobs=users[:50])
        if self._busy(name):
            raise StorageInUse(
                f"A backup or restore of the storage {name} has not ended.",
                next_step="Wait for its end, or cancel it.",
            )
        await self._supervisor.stop(f"storage {name}")
        new = await self.move(
            self.get(name), StorageStatus.DELETING, deadline_at=self._deadline(DELETE_SECONDS)
        )
        await asyncio.wait([self._begin(new)], timeout=PATIENCE)

    def _busy(self, name: str) -> bool:
        backups = self._history.backups.newest(limit=1000, storage_id=name).items
        restores = self._history.restores.newest(limit=1000, storage_id=name).items
        return any(not is_final(BACKUP_TRANSITIONS, backup.status) for backup in backups) or any(
            not is_final(RESTORE_TRANSITIONS, restore.status) for restore in restores
        )

    async def _delete(self, name: str) -> None:
        async with self._queues.hold_exclusively(name):
            storage = self.get(name)
            self._history.storages.remove(name)
            for table in ("usages", "repositories"):
                self._history.table(table).remove(where("storage_id") == name)
            await self._history.commit()
        self._bus.publish(StorageChanged(storage, None))

    async def move(self, storage: BackupStorage, status: StorageStatus, **fields: Any) -> BackupStorage:
        """Puts the storage into another state, without deadline and reasons but those given."""
        if not may_follow(STORAGE_TRANSITIONS, storage.status, status):
            raise NotAllowedNow(f"The storage {storage.id} is {storage.status}.")
        cleared: JsonObject = dict.fromkeys(("deadline_at", "reason", "message", "next_step"))
        new = msgspec.structs.replace(storage, status=status, **(cleared | fields))
        return await self.put(storage, new)

    async def put(self, old: BackupStorage | None, new: BackupStorage) -> BackupStorage:
        """Keeps a storage durably and tells the bus."""
        self._history.storages.put(new)
        await self._history.commit()
        self._bus.publish(StorageChanged(old, new))
        return new


def _reachable(namespaces: tuple[str, ...], own: str) -> None:
    """Raises InvalidRequest for namespaces whose pods could never reach the storage's claim."""
    if own and any(name != own for name in namespaces):
        raise InvalidRequest(
            f"Only pods of the namespace {own} can mount the storage's claim.", field="namespaces"
        )
