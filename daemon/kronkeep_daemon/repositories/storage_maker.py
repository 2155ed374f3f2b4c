"""Makes what a storage needs: its password, its claim, its repository; each step may be taken again."""

import secrets
from collections.abc import Callable

from kronkeep_common.clock import Clock
from kronkeep_common.errors import StorageFailed
from kronkeep_common.models import BackupStorage
from kronkeep_daemon import storages
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import AlreadyExists, NotFoundInCluster
from kronkeep_daemon.repositories import manifests, restic
from kronkeep_daemon.repositories.repository_jobs import CUT_OFF, RepositoryJobs, Steps, failed
from kronkeep_daemon.settings import Settings

ATTEMPTS = 8  # of Jobs that were cut off, while a repository is made
_TO_BE_MADE = (restic.MISSING, "BucketMissing")  # restic init makes the bucket too, where the keys may
_INIT: Steps = [("init", ["restic", "init"])]


def opening(storage: BackupStorage) -> Steps:
    """Opens the repository, connecting first where only that tells why it cannot be done."""
    connect = storages.place(storage).connect
    return [*([("connect", list(connect))] if connect else []), ("repository", manifests.probe())]


class StorageMaker:
    """Makes storages in one cluster."""

    def __init__(
        self, cluster: Cluster, jobs: RepositoryJobs, clock: Clock, settings: Callable[[], Settings]
    ) -> None:
        self._cluster = cluster
        self._jobs = jobs
        self._clock = clock
        self._settings = settings

    async def prepare(self, storage: BackupStorage) -> None:
        """The password's Secret and the claim, and an answer of the server; raises StorageFailed."""
        await self._password(storage)
        await self._claim(storage)
        await self.ask_server(storage)

    async def _password(self, storage: BackupStorage) -> None:
        """A Secret with a random password in kronkeep's namespace; one that is there is used."""
        if storage.password.secret != f"kronkeep-storage-{storage.id}":
            return
        namespace = self._settings().namespace
        data = {storage.password.key: secrets.token_urlsafe(32).encode()}
        try:
            body = manifests.secret(storage.password.secret, namespace, data, None)
            await self._cluster.create(paths.secrets(namespace), body)
        except AlreadyExists:
            return

    async def _claim(self, storage: BackupStorage) -> None:
        """The claim that the kind makes; raises StorageFailed where a claim that should be there is not."""
        kind, typed = storages.kind_of(storage.kind), storages.parse(storage.kind, storage.settings)
        namespace, claim = kind.namespace(typed), kind.claim(storage.id, typed)
        if claim is not None:
            try:
                await self._cluster.create(paths.claims(namespace), claim)
            except AlreadyExists:
                return
        elif storage.kind == "pvc":
            try:
                await self._cluster.get(paths.claims(namespace, typed.claim))
            except NotFoundInCluster as fault:
                raise StorageFailed(
                    f"There is no claim {typed.claim} in the namespace {namespace}.",
                    next_step="Make it, or correct claim and namespace.",
                    reason="ClaimMissing",
                ) from fault

    async def ask_server(self, storage: BackupStorage) -> storages.Space | None:
        """What the storage's server says that it has, for kinds whose server tells; raises StorageFailed."""
        kind, typed = storages.kind_of(storage.kind), storages.parse(storage.kind, storage.settings)
        if kind.space is None:
            return None
        found = await self._jobs.credentials(storage)
        return await kind.space(typed, {key: value.decode().strip() for key, value in found.items()})

    async def repository(self, storage: BackupStorage) -> None:
        """Opens the repository, or makes it where there is none; what is there is never written over.

        A repository that was made is opened again by another pod, for one that only its maker's pod could see
        would keep nothing. What was cut off, as by the end of its node, begins again with a look.
        """
        assert storage.deadline_at is not None
        left = max(1.0, (storage.deadline_at - self._clock.now()).total_seconds() - 1)
        tried = manifests.short_hash(
            storage.id, storage.created_at.isoformat(), storage.deadline_at.isoformat()
        )
        name, made = f"kronkeep-init-{storage.id[:30]}-{tried[:6]}", False
        for attempt in range(ATTEMPTS):
            fault = await self._step(f"{name}-probe-{attempt}", opening(storage), storage, left)
            if fault is None:
                return
            reason = fault.details["reason"]
            if made and reason == restic.MISSING:
                raise StorageFailed(
                    "The repository that was made is not there for the next pod.",
                    next_step="Give the storage a place that outlasts a pod.",
                    reason="NotKept",
                )
            if reason in _TO_BE_MADE:
                fault = await self._step(f"{name}-init-{attempt}", _INIT, storage, left)
                made = fault is None
            if fault is not None and fault.details["reason"] != CUT_OFF:
                raise fault
        raise StorageFailed("The storage's Jobs were cut off again and again.", reason=CUT_OFF)

    async def _step(
        self, name: str, steps: Steps, storage: BackupStorage, seconds: float
    ) -> StorageFailed | None:
        """Why a Job failed, or None."""
        try:
            return failed(await self._jobs.alone(name, steps, storage, seconds))
        except StorageFailed as fault:
            return fault
