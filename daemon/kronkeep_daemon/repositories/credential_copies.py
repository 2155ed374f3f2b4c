"""Copies of a repository's password and credentials: a Secret for each Job, recorded, removed, swept.

A copy is recorded before it is created, and its record is removed after it. So a daemon that was killed in
between knows of it: `sweep` removes the copies whose Job has ended or is gone. This needs no right to list
Secrets.

A copy's name ends with random digits that are recorded before it is created. So nobody can create a Secret of
that name first, or a pod that waits for it, and one that exists already is ours.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime

from kronkeep_common.clock import Clock
from kronkeep_common.errors import ClusterNotFound, KronkeepError
from kronkeep_common.models.base import Record
from kronkeep_daemon.history import History, Records
from kronkeep_daemon.history.record_ids import new_id
from kronkeep_daemon.jobs.runner import JobRunners
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.errors import AlreadyExists
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.repositories import job_manifests
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_secrets import RepositorySecrets

log = logging.getLogger(__name__)


class CredentialCopy(Record, frozen=True, kw_only=True):
    """A copy for one Job.

    secret: the name of the Secret.
    holds: the id of the repository that the Job works on exclusively, or empty.
    """

    id: str
    secret: str
    cluster: str
    namespace: str
    job: str
    holds: str = ""
    created_at: datetime


class CredentialCopies:
    """The copies of this history; those in use by this process are never swept."""

    def __init__(
        self,
        *,
        clusters: Clusters,
        history: History,
        clock: Clock,
        secrets: RepositorySecrets,
        runners: JobRunners,
    ) -> None:
        self._clusters = clusters
        self._history = history
        self._clock = clock
        self._secrets = secrets
        self._runners = runners
        self._copies: Records[CredentialCopy] = Records(history.table("credential_copies"), CredentialCopy)
        self._in_use: set[str] = set()

    @asynccontextmanager
    async def provide(
        self,
        repository: Repository,
        cluster: Cluster,
        namespace: str,
        job: str,
        *,
        owner: JsonObject | None = None,
        holds: str = "",
    ) -> AsyncIterator[str]:
        """Create a Job's copy and give the name of its Secret; remove it at the end of the block.

        A block that is cancelled, or fails with a retryable error, leaves the copy: the Job may still run and
        need it. The next attempt removes it, or `sweep` once the Job has ended.
        """
        secret = await self.create(repository, cluster, namespace, job, owner=owner, holds=holds)
        try:
            yield secret
        except BaseException as fault:
            if isinstance(fault, asyncio.CancelledError) or getattr(fault, "retryable", False):
                self._in_use.discard(_copy_id(cluster, namespace, job))
            else:
                await self.remove(cluster, namespace, job)
            raise
        await self.remove(cluster, namespace, job)

    async def create(
        self,
        repository: Repository,
        cluster: Cluster,
        namespace: str,
        job: str,
        *,
        owner: JsonObject | None = None,
        holds: str = "",
    ) -> str:
        """Create a Job's copy and return the name of its Secret; an existing one stays as it is.

        `owner` is the owner reference of the Secret. Raises StorageFailed where a Secret or key is missing.
        """
        data = await self._secrets.job_data(repository)
        copy_id = _copy_id(cluster, namespace, job)
        earlier = self._copies.get(copy_id)
        random_name = f"{job}-{new_id()}-key"
        copy = CredentialCopy(
            id=copy_id,
            secret=earlier.secret if earlier is not None else random_name,
            cluster=cluster.id,
            namespace=namespace,
            job=job,
            holds=holds,
            created_at=self._clock.now(),
        )
        self._in_use.add(copy.id)
        self._copies.put(copy)
        await self._history.commit()
        secret = job_manifests.build_secret(copy.secret, namespace, data, owner)
        with suppress(AlreadyExists):
            await cluster.create(paths.secrets(namespace), secret)
        return copy.secret

    async def remove(self, cluster: Cluster, namespace: str, job: str) -> None:
        """Remove a Job's copy; where the cluster does not answer, a later sweep removes it."""
        copy_id = _copy_id(cluster, namespace, job)
        self._in_use.discard(copy_id)
        copy = self._copies.get(copy_id)
        if copy is None:
            return
        try:
            await cluster.delete(paths.secrets(namespace, copy.secret))
        except KronkeepError as fault:
            log.warning("the credentials of the Job %s are removed later: %s", copy_id, fault)
            return
        self._copies.remove(copy_id)
        await self._history.commit()

    def find_interrupted_work(self) -> list[CredentialCopy]:
        """Return the copies of Jobs that an earlier process started to work on a repository exclusively."""
        return [copy for copy in self._copies.all() if copy.holds and copy.id not in self._in_use]

    async def sweep(self) -> None:
        """Remove the copies that a killed daemon left and that no running Job needs."""
        for copy in list(self._copies.all()):
            if copy.id in self._in_use:
                continue
            try:
                cluster = self._clusters.of(copy.cluster)
                is_needed = await self._runners.on(cluster.id).is_running(copy.namespace, copy.job)
            except ClusterNotFound as fault:
                log.warning("the copy of credentials %s stays where it is: %s", copy.id, fault)
                self._copies.remove(copy.id)
                continue
            except KronkeepError as fault:
                log.warning("the copy of credentials %s is looked at later: %s", copy.id, fault)
                continue
            # A Job of the same name may have been given a new copy while the cluster was asked.
            if not is_needed and copy.id not in self._in_use:
                await self.remove(cluster, copy.namespace, copy.job)


def _copy_id(cluster: Cluster, namespace: str, job: str) -> str:
    return f"{cluster.id}/{namespace}/{job}"
