"""Jobs that read a snapshot or a restore's target: run near their claims, every line of their logs read."""

from collections.abc import AsyncIterator, Callable

from kronkeep_common.errors import StorageFailed
from kronkeep_daemon.jobs import node_placement
from kronkeep_daemon.jobs.logs import SHORT_LOG, OnLine
from kronkeep_daemon.jobs.outcome import FinishedJob
from kronkeep_daemon.jobs.owned_objects import OwnedObjects
from kronkeep_daemon.jobs.runner import JobRunners
from kronkeep_daemon.jobs.start_watch import OnWaiting
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.objects import JsonObject, Pod
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs
from kronkeep_daemon.restores import restore_outcome


class SnapshotJobs:
    """The Jobs of restores, by the id of a record's cluster; every method may raise ClusterNotFound."""

    def __init__(self, *, runners: JobRunners, repository_jobs: RepositoryJobs) -> None:
        self._runners = runners
        self._repository_jobs = repository_jobs

    def cluster(self, cluster_id: str) -> Cluster:
        """Return the cluster in which the Jobs of a record run."""
        return self._runners.on(cluster_id).cluster

    def objects_on(self, cluster_id: str) -> OwnedObjects:
        """Return the objects of this daemon in that cluster."""
        return self._repository_jobs.objects_on(cluster_id)

    def place_of(self, repository: Repository) -> tuple[str, str]:
        """Return (cluster id, namespace) of the Jobs that only read a repository: those of its storage."""
        return repository.storage.cluster, self._repository_jobs.namespace_of(repository.storage)

    async def run(
        self,
        cluster_id: str,
        manifest: JsonObject,
        on_line: OnLine | None,
        *,
        repository: Repository | None = None,
        on_waiting: OnWaiting | None = None,
    ) -> FinishedJob:
        """Run a Job to its end, with the repository's password where one is given.

        on_waiting: called with the reason while the Job waits.

        Raises NotFoundInCluster when the Job is deleted before its end, and what `on_line` raises. Where
        lines of a Job that completed could not be read, `on_line` lacks them, and the reason is raised.
        """
        runner = self._runners.on(cluster_id)
        await node_placement.place_near_claims(runner.cluster, manifest)
        if repository is None:
            finished = await runner.run(manifest, on_line=on_line, on_waiting=on_waiting, log_limit=SHORT_LOG)
        else:
            finished = await self._repository_jobs.run_job(
                manifest,
                repository,
                runner.cluster,
                on_line=on_line,
                on_waiting=on_waiting,
                log_limit=SHORT_LOG,
            )
        if finished.complete and on_line is not None:
            finished.require_whole_logs()
        return finished

    async def run_until_started(
        self,
        cluster_id: str,
        manifest: JsonObject,
        container: str,
        *,
        repository: Repository,
        is_abandoned: Callable[[], bool],
    ) -> Pod:
        """Run a Job until a container has started; return its pod.

        The caller removes the Job with `remove`. Raises NotFoundInCluster when the Job is deleted, and when
        `is_abandoned` says that nobody waits for it; StorageFailed when it ended before.
        """
        cluster = self.cluster(cluster_id)
        await node_placement.place_near_claims(cluster, manifest)
        result = await self._repository_jobs.run_until_started(
            manifest, repository, cluster, container, is_abandoned=is_abandoned
        )
        if not isinstance(result, FinishedJob):
            return result
        fault = restore_outcome.explain_failure(result) or restore_outcome.INTERRUPTED
        raise StorageFailed(fault.message, next_step=fault.next_step, reason=fault.reason)

    def container_chunks(self, cluster_id: str, pod: Pod, container: str) -> AsyncIterator[bytes]:
        """Yield the log of a container that has started, to its end, with the time before each line."""
        return self._runners.on(cluster_id).container_chunks(pod, container)

    async def exists(self, cluster_id: str, namespace: str, name: str) -> bool:
        """Whether the cluster has a Job of that name."""
        return await self._runners.on(cluster_id).exists(namespace, name)

    async def remove(self, cluster_id: str, namespace: str, name: str) -> None:
        """Delete a Job with its pods and its copy of the password."""
        await self._repository_jobs.remove(cluster_id, namespace, name)

    async def remove_with_pods(self, cluster_id: str, namespace: str, name: str) -> None:
        """Delete a Job as `remove` does, once its pods are gone."""
        await self._runners.on(cluster_id).remove_with_pods(namespace, name)
        await self.remove(cluster_id, namespace, name)
