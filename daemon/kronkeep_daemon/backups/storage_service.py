"""Storages: created with their repository, listed, checked, measured, deleted when nobody uses them."""

import base64
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import Denied, NameTaken, NotAllowedNow, StorageInUse, StorageNotFound
from kronkeep_common.models import BackupStorage, BackupStorageCreate, SecretKeyRef, StorageUsage
from kronkeep_common.states import StorageStatus
from kronkeep_common.text import clean
from kronkeep_daemon.backups import jobs, manifests, restic
from kronkeep_daemon.backups.queue import Queues
from kronkeep_daemon.cronjobs.manifests import check_name
from kronkeep_daemon.events import Bus, StorageChanged
from kronkeep_daemon.history import History
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import AlreadyExists
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.storages import kind_module
from kronkeep_daemon.supervisor import Supervisor

Object = dict[str, Any]
Steps = list[tuple[str, list[str]]]
Names = list[str]
CREATE_SECONDS = 600.0


class StorageService:
    """The storages of one cluster."""

    def __init__(
        self,
        cluster: Cluster,
        history: History,
        bus: Bus,
        clock: Clock,
        settings: Callable[[], Settings],
        queues: Queues,
        supervisor: Supervisor,
    ) -> None:
        self._cluster = cluster
        self._history = history
        self._bus = bus
        self._clock = clock
        self._settings = settings
        self._queues = queues
        self._supervisor = supervisor

    def list(self) -> list[BackupStorage]:
        """Every storage, by name."""
        return sorted(self._history.storages.all(), key=lambda storage: storage.id)

    def get(self, name: str) -> BackupStorage:
        """One storage; raises StorageNotFound."""
        found = self._history.storages.get(name)
        if found is None:
            raise StorageNotFound(f"There is no storage {clean(repr(name), 80)}.", field="storage_id")
        return found

    def check_new(self, wanted: BackupStorageCreate) -> None:
        """Raises NameTaken, InvalidName, InvalidRequest or Denied for what `create` would refuse."""
        check_name(wanted.id)
        kind_module(wanted.kind).validate(wanted.settings)
        if wanted.kind == "local" and not self._settings().allow.host_path:
            raise Denied(
                "Storages in folders of the nodes are not allowed here (allow.host_path).", field="kind"
            )
        if self._history.storages.get(wanted.id) is not None:
            raise NameTaken(f"There is a storage {wanted.id} already.", field="id")

    async def create(self, wanted: BackupStorageCreate) -> BackupStorage:
        """Records the storage and begins to make its repository; raises what `check_new` raises."""
        self.check_new(wanted)
        password = wanted.password or await self._new_password(wanted.id)
        now = self._clock.now()
        storage = BackupStorage(
            id=wanted.id,
            cluster=self._cluster.id,
            kind=wanted.kind,
            settings=wanted.settings,
            password=password,
            namespaces=wanted.namespaces,
            capacity_bytes=wanted.capacity_bytes,
            status=StorageStatus.CREATING,
            created_at=now,
            deadline_at=now + timedelta(seconds=CREATE_SECONDS),
            repository=kind_module(wanted.kind).repository(wanted.settings),
        )
        await self._put(None, storage)
        self._begin(storage)
        return storage

    def resume(self) -> None:
        """Goes on with what a stop of the daemon cut off."""
        for storage in self.list():
            if storage.status is StorageStatus.CREATING:
                self._begin(storage)

    def _begin(self, storage: BackupStorage) -> None:
        async def make() -> None:
            await self._make_repository(storage)

        self._supervisor.start(f"storage {storage.id}", make, death="quiet")

    async def _new_password(self, name: str) -> SecretKeyRef:
        """A Secret with a random password in kronkeep's namespace; one that is there is used."""
        ref = SecretKeyRef(secret=f"kronkeep-storage-{name}")
        body = manifests.secret(ref.secret, self._settings().namespace, secrets.token_urlsafe(32), None)
        try:
            await self._cluster.create(paths.secrets(self._settings().namespace), body)
        except AlreadyExists:
            return ref
        return ref

    async def password(self, storage: BackupStorage) -> str:
        """The repository's password, read from its Secret; raises NotFoundInCluster."""
        path = paths.secrets(self._settings().namespace, storage.password.secret)
        found = await self._cluster.get(path)
        return base64.b64decode(found["data"][storage.password.key]).decode()

    async def _make_repository(self, storage: BackupStorage) -> None:
        name = (
            f"kronkeep-init-{storage.id[:30]}-{manifests.short_hash(storage.id, str(storage.created_at))[:6]}"
        )
        ended = await self.run_job(name, [("probe", ["restic", "cat", "config"])], storage)
        if not ended.complete:
            probe = ended.step("probe")
            reason, _, _ = restic.fault(probe.exit_code if probe else None, probe.log if probe else b"")
            if reason == "RepositoryMissing":
                ended = await self.run_job(f"{name}-2", [("init", ["restic", "init"])], storage)
        current = self.get(storage.id)
        if ended.complete:
            new = msgspec.structs.replace(current, status=StorageStatus.ACTIVE, deadline_at=None)
        else:
            step = next((s for s in reversed(ended.steps) if s.exit_code), None)
            reason, words, then = restic.fault(step.exit_code if step else None, step.log if step else b"")
            new = msgspec.structs.replace(
                current,
                status=StorageStatus.FAILED,
                reason=reason,
                message=words,
                next_step=then,
                deadline_at=None,
            )
        await self._put(current, new)

    async def run_job(self, name: str, steps: Steps, storage: BackupStorage) -> jobs.Ended:
        """One maintenance Job on the repository, alone on it, from its creation to its end."""
        settings = self._settings()
        namespace = settings.namespace
        async with self._queues.alone(storage.id):
            await self.copy_password(storage, namespace, name, None)
            try:
                job = manifests.repository_job(name, namespace, steps, storage, settings.archive)
                await jobs.create_once(self._cluster, job)
                return await jobs.wait(self._cluster, self._clock, namespace, name)
            finally:
                await self.remove_password(namespace, name)

    async def copy_password(
        self, storage: BackupStorage, namespace: str, job: str, owner: Object | None
    ) -> None:
        """Puts the password where the Job can mount it; `remove_password` takes it away."""
        name = manifests.secret_name(job)
        body = manifests.secret(name, namespace, await self.password(storage), owner)
        try:
            await self._cluster.create(paths.secrets(namespace), body)
        except AlreadyExists:
            return

    async def remove_password(self, namespace: str, job: str) -> None:
        """Removes the copy of the password that belonged to a Job."""
        await self._cluster.delete(paths.secrets(namespace, manifests.secret_name(job)))

    async def check(self, name: str) -> BackupStorage:
        """Runs `restic check`; the record says when and how it ended."""
        storage = self._active(name)
        ended = await self.run_job(
            self._job_name("check", storage), [("check", ["restic", "check"])], storage
        )
        step = ended.step("check")
        words = (
            None
            if ended.complete
            else restic.fault(step.exit_code if step else None, step.log if step else b"")
        )
        new = msgspec.structs.replace(
            self.get(name),
            checked_at=self._clock.now(),
            check_ok=ended.complete,
            reason=words[0] if words else None,
            message=words[1] if words else None,
            next_step=words[2] if words else None,
        )
        return await self._put(storage, new)

    async def usage(self, name: str) -> BackupStorage:
        """Measures the repository with `restic stats --mode raw-data`."""
        storage = self._active(name)
        began = self._clock.monotonic()
        argv = ["restic", "stats", "--json", "--mode", "raw-data"]
        ended = await self.run_job(self._job_name("stats", storage), [("stats", argv)], storage)
        found = restic.objects(ended.steps[-1].log) if ended.steps else []
        if not ended.complete or not found:
            raise NotAllowedNow(
                f"The storage {name} could not be measured.", next_step="kronkeep storage check it."
            )
        usage = StorageUsage(
            measured_at=self._clock.now(),
            used_bytes=found[-1].get("total_size", 0),
            capacity_bytes=storage.capacity_bytes,
            snapshots=found[-1].get("snapshots_count", 0),
            duration_seconds=round(self._clock.monotonic() - began, 3),
        )
        return await self._put(storage, msgspec.structs.replace(self.get(name), usage=usage))

    def _active(self, name: str) -> BackupStorage:
        storage = self.get(name)
        if storage.status is not StorageStatus.ACTIVE:
            raise NotAllowedNow(f"The storage {name} is {storage.status}, not active.")
        return storage

    def _job_name(self, what: str, storage: BackupStorage) -> str:
        return f"kronkeep-{what}-{storage.id[:30]}-{secrets.token_hex(3)}"

    async def delete(self, name: str, users: Names) -> None:
        """Forgets the storage and its password; the repository's data stays where it is.

        Raises StorageInUse naming the CronJobs whose policies use it.
        """
        storage = self.get(name)
        if users:
            raise StorageInUse(f"The storage {name} is used by {', '.join(users[:5])}.", cronjobs=users[:50])
        self._history.storages.remove(name)
        await self._history.commit()
        self._bus.publish(StorageChanged(storage, None))

    async def _put(self, old: BackupStorage | None, new: BackupStorage) -> BackupStorage:
        self._history.storages.put(new)
        await self._history.commit()
        self._bus.publish(StorageChanged(old, new))
        return new
