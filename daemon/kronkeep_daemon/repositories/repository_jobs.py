"""Jobs on repositories, each with its own copy of the password and credentials."""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import NamedTuple

from kronkeep_common.errors import Denied, JobNotStarted, NamespaceNotServed, NameTaken, StorageFailed
from kronkeep_common.models import BackupStorage
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean
from kronkeep_daemon import storage_kinds
from kronkeep_daemon.jobs.logs import LONG_LOG, SHORT_LOG, LogLimit, OnLine
from kronkeep_daemon.jobs.outcome import FinishedJob
from kronkeep_daemon.jobs.owned_objects import OwnedObjects
from kronkeep_daemon.jobs.runner import WITHOUT_LIMITS, JobLimits, JobRunners, OnPod
from kronkeep_daemon.jobs.start_watch import OnWaiting
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject, Pod
from kronkeep_daemon.repositories import job_manifests
from kronkeep_daemon.repositories.credential_copies import CredentialCopies, CredentialCopy
from kronkeep_daemon.repositories.job_manifests import Steps
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.restic import faults
from kronkeep_daemon.restic.faults import Fault
from kronkeep_daemon.settings import Settings

KILLED = 137  # 128 + SIGKILL: the node was lost, or the memory limit was reached
END_SECONDS = 60  # after our own deadline Kubernetes ends a Job, in case the daemon is not there to do it


class JobPlace(NamedTuple):
    """The cluster and the namespace of a Job."""

    cluster: Cluster
    namespace: str


class RepositoryJobs:
    """A runner of Jobs on repositories, by default in the storage's own cluster."""

    def __init__(
        self,
        *,
        clusters: Clusters,
        settings: Callable[[], Settings],
        queues: RepositoryQueues,
        copies: CredentialCopies,
        runners: JobRunners,
    ) -> None:
        self._clusters = clusters
        self._settings = settings
        self._queues = queues
        self._copies = copies
        self._runners = runners

    def cluster_of(self, storage: BackupStorage) -> Cluster:
        """Return the cluster of a storage's Jobs; raise ClusterNotFound where it is no longer configured."""
        return self._clusters.of(storage.cluster)

    def cluster_with(self, cluster_id: str) -> Cluster:
        """Return the cluster of that id; raise ClusterNotFound where it is no longer configured."""
        return self._clusters.of(cluster_id)

    def namespace_of(self, storage: BackupStorage) -> str:
        """Return the namespace of a storage's Jobs: kronkeep's own, unless only another reaches it."""
        return storage_kinds.own_namespace(storage) or self._settings().namespace

    def place_of(self, repository: Repository) -> JobPlace:
        """Return where the Jobs of a repository run: where its storage is reached, and that of its source.

        Raises ClusterNotFound, and StorageFailed where no pod reaches both.
        """
        storage = repository.storage
        if repository.source is None:
            return JobPlace(self.cluster_of(storage), self.namespace_of(storage))
        first = repository.source.storage
        bound = [one for one in (storage, first) if storage_kinds.is_cluster_bound(one)]
        namespaces = {name for one in bound if (name := storage_kinds.own_namespace(one))}
        clusters = {self.cluster_of(one).id for one in bound}
        if len(namespaces) > 1 or len(clusters) > 1:
            apart = Reason.STORAGES_APART
            raise StorageFailed(apart.meaning, next_step=apart.next_step, reason=apart)
        place = JobPlace(
            self.cluster_of(bound[0] if bound else first), next(iter(namespaces), self._settings().namespace)
        )
        for one in (storage, first):
            self._require_served(one, place.namespace)
        return place

    async def run(
        self,
        name: str,
        steps: Steps,
        repository: Repository,
        seconds: float,
        *,
        on_line: OnLine | None = None,
        apart: Collection[str] = (),
    ) -> FinishedJob:
        """Run steps in a Job in the storage's cluster; the caller holds the repository.

        apart: the names of steps that share nothing with those before them but the volumes.
        on_line: takes each line of its logs, of which little is kept then.

        Raises StorageFailed: DeadlineExceeded, with what the pod waits for, after `seconds`, and Interrupted
        where the Job was deleted.
        """
        cluster, namespace = self.place_of(repository)
        self._require_own_namespace(repository, namespace)
        manifest = job_manifests.build_repository_job(
            name=name,
            namespace=namespace,
            steps=steps,
            repository=repository,
            settings=self._settings().archive,
            deadline_seconds=seconds + END_SECONDS,
            apart=apart,
        )
        copy = self._copies.provide(repository, cluster, namespace, name, holds=repository.id)
        async with copy as secret:
            try:
                async with asyncio.timeout(seconds):
                    return await self._runners.on(cluster.id).run(
                        _settle(manifest, secret, repository, cluster),
                        on_line=on_line,
                        log_limit=LONG_LOG if on_line is None else SHORT_LOG,
                    )
            except NotFoundInCluster as fault:
                raise StorageFailed("The storage's Job was deleted.", reason=Reason.INTERRUPTED) from fault
            except JobNotStarted as fault:
                reason = Reason.DEADLINE_EXCEEDED
                raise StorageFailed(fault.message, next_step=fault.next_step, reason=reason) from fault
            except TimeoutError as fault:
                raise await self._end_late_job(cluster, namespace, name, seconds) from fault

    def _require_own_namespace(self, repository: Repository, namespace: str) -> None:
        """Raise Denied for credentials that delete in another namespace than kronkeep's own."""
        is_lent = repository.deletes and repository.storage.maintenance_credentials is not None
        if is_lent and namespace != self._settings().namespace:
            raise Denied(
                f"The maintenance credentials of {repository.storage.id} do not leave kronkeep's namespace."
            )

    def _require_served(self, storage: BackupStorage, namespace: str) -> None:
        """Raise NamespaceNotServed for a namespace to which the storage's keys are not lent.

        Whoever may create pods there could read them. The storage's own Jobs run where its keys are anyway.
        """
        if namespace != self.namespace_of(storage):
            require_serving(storage, namespace)

    async def _end_late_job(
        self, cluster: Cluster, namespace: str, name: str, seconds: float
    ) -> StorageFailed:
        """Delete a Job that did not end in time; return the error that says why."""
        runner = self._runners.on(cluster.id)
        why = await runner.explain_waiting(namespace, name)
        await runner.remove(namespace, name)
        return StorageFailed(
            f"The storage's Job did not end within {seconds:.0f} s" + (f": {why}" if why else "."),
            next_step="Correct what the message names, then try again.",
            reason=Reason.DEADLINE_EXCEEDED,
        )

    async def run_job(
        self,
        manifest: JsonObject,
        repository: Repository,
        cluster: Cluster,
        *,
        owner: JsonObject | None = None,
        on_line: OnLine | None = None,
        on_waiting: OnWaiting | None = None,
        on_pod: OnPod | None = None,
        limits: JobLimits = WITHOUT_LIMITS,
        log_limit: LogLimit = LONG_LOG,
    ) -> FinishedJob:
        """Run a Job with access to the repository in any cluster; raise what JobRunner.run raises.

        owner: the owner reference of the copied Secret.
        """
        meta = manifest["metadata"]
        self._require_own_namespace(repository, meta["namespace"])
        self._require_served(repository.storage, meta["namespace"])
        copy = self._copies.provide(repository, cluster, meta["namespace"], meta["name"], owner=owner)
        async with copy as secret:
            return await self._runners.on(cluster.id).run(
                _settle(manifest, secret, repository, cluster),
                on_line=on_line,
                on_waiting=on_waiting,
                on_pod=on_pod,
                limits=limits,
                log_limit=log_limit,
            )

    async def run_until_started(
        self,
        manifest: JsonObject,
        repository: Repository,
        cluster: Cluster,
        container: str,
        *,
        is_abandoned: Callable[[], bool],
    ) -> Pod | FinishedJob:
        """Run such a Job until a container has started; return its pod, or how the Job ended before.

        The caller removes the Job with `remove`. Raises what JobRunner.run_until_started raises.
        """
        meta = manifest["metadata"]
        self._require_own_namespace(repository, meta["namespace"])
        self._require_served(repository.storage, meta["namespace"])
        secret = await self._copies.create(repository, cluster, meta["namespace"], meta["name"])
        runner = self._runners.on(cluster.id)
        body = _settle(manifest, secret, repository, cluster)
        return await runner.run_until_started(body, container, is_abandoned=is_abandoned)

    async def remove(self, cluster_id: str, namespace: str, name: str) -> None:
        """Delete a Job with its pods and its copy of the credentials."""
        runner = self._runners.on(cluster_id)
        await runner.remove(namespace, name)
        await self._copies.remove(runner.cluster, namespace, name)

    def objects_on(self, cluster_id: str) -> OwnedObjects:
        """Return what creates and removes other objects for Jobs in a cluster; raise ClusterNotFound."""
        return self._runners.on(cluster_id).objects

    async def exists(self, cluster_id: str, namespace: str, name: str) -> bool:
        """Whether the cluster has a Job of ours of that name; raise ClusterNotFound."""
        return await self._runners.on(cluster_id).exists(namespace, name)

    def find_interrupted_work(self) -> list[CredentialCopy]:
        """Return the Jobs that an earlier process of the daemon started and may still run exclusively."""
        return self._copies.find_interrupted_work()

    async def finish_interrupted_work(self, copy: CredentialCopy) -> None:
        """Hold the repository of such a Job until it has ended; raise ClusterNotFound."""
        cluster = self._clusters.of(copy.cluster)
        async with self._queues.hold_exclusively(copy.holds, "interrupted work"):
            with suppress(NotFoundInCluster, NameTaken, JobNotStarted):  # it works no more, or is not ours
                await self._runners.on(cluster.id).wait(copy.namespace, copy.job)
            await self._copies.remove(cluster, copy.namespace, copy.job)


def _settle(manifest: JsonObject, secret: str, repository: Repository, cluster: Cluster) -> JsonObject:
    """Return a Job with its Secret, and with the limit of the network now, by the cluster's clock."""
    job = job_manifests.with_secret(manifest, secret)
    if not repository.has_bandwidth:
        return job
    return job_manifests.with_limit(job, repository.limit_at(cluster.clock.now()))


def require_serving(storage: BackupStorage, namespace: str, *, field: str = "storage_id") -> None:
    """Raise NamespaceNotServed, with the field at fault, unless the storage serves the namespace."""
    if not storage.serves(namespace):
        name = clean(namespace, 63)
        raise NamespaceNotServed(
            f"The storage {storage.id} does not serve the namespace {name}.",
            next_step=f"Let it (kronkeep storage change {storage.id} --allow-namespace {name}), "
            "or choose another storage.",
            field=field,
        )


def storage_failure(job: FinishedJob) -> StorageFailed | None:
    """Return why a Job on a repository failed, from its first step that did; None where it completed."""
    if job.complete:
        return None
    step = job.first_failure
    if step is None or step.exit_code == KILLED:
        message = clean(f"The storage's Job was interrupted: {job.message or job.reason}", 300)
        return StorageFailed(message, next_step="Try again.", reason=Reason.INTERRUPTED)
    return storage_error(faults.explain(step.exit_code, step.log))


def storage_error(fault: Fault) -> StorageFailed:
    """Return a fault of restic as an error of the storage."""
    return StorageFailed(fault.message, next_step=fault.next_step, reason=fault.reason)
