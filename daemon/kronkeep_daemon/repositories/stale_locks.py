"""Removal of the locks that our own killed Jobs left in a repository, and of nobody else's.

restic finds a lock stale after 30 minutes without a refresh, or when its process is gone on the same host;
in a cluster every pod is another host, so a killed Job blocks exclusive work for half an hour. The host of a
lock is the name of its pod, by which ours are recognised:

* A lock is removed at once when its Job is of this history (its name has the id of a backup or restore, or
  the mark of `job_names`) and no such pod is running.
* A lock that only looks like ours is removed after 6 minutes without a refresh; restic refreshes every 5.
* While any lock is of a running pod, of somebody else or unreadable, only restic's own `unlock` runs, which
  removes stale locks.

Several clusters may use one repository: while one of them does not answer, any lock may be of a running Job.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import partial

from kronkeep_common import object_keys
from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import BackupStorage
from kronkeep_daemon import storage_kinds
from kronkeep_daemon.history import History
from kronkeep_daemon.jobs.outcome import FinishedJob
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.repositories import job_names
from kronkeep_daemon.repositories.job_manifests import Steps
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs
from kronkeep_daemon.restic import locks
from kronkeep_daemon.restic.locks import RepositoryLock

log = logging.getLogger(__name__)
UNREFRESHED = timedelta(minutes=6)
STALE = timedelta(minutes=30)  # in restic itself, for a lock of anybody
MOST_LOCKS = 50  # that are read; a container each
TIMEOUT_SECONDS = 120.0
LONGEST_HOST_NAME = 63


class StaleLocks:
    """The locks that dead Jobs of ours hold; they are removed by Jobs in the storage's cluster."""

    def __init__(self, *, clusters: Clusters, history: History, jobs: RepositoryJobs, clock: Clock) -> None:
        self._clusters = clusters
        self._history = history
        self._jobs = jobs
        self._clock = clock

    async def remove(self, repository: Repository) -> bool:
        """Remove the locks of our dead Jobs while the caller holds the repository; return whether all went.

        A fault is logged, not raised: then not all went.
        """
        try:
            return await self._remove(repository)
        except KronkeepError as fault:
            log.warning("the locks of %s: %s", repository.id, fault)
            return False

    async def _remove(self, repository: Repository) -> bool:
        found_locks = await self._fetch_locks(repository)
        if not found_locks:
            return True
        running_pods = await self._fetch_running_pods(repository)
        now = self._clock.now()
        is_our_host = partial(is_ours, storage=repository.storage, has_record=self._has_record)
        remove_all = are_all_dead(found_locks, running_pods, is_our_host, now)
        if not remove_all and not any(is_stale(lock, now) for lock in found_locks):
            return False
        deleting = repository.for_deleting()
        unlock = await self._run(deleting, [("unlock", locks.unlock_argv(remove_all=remove_all))])
        return remove_all and unlock.complete

    def _has_record(self, record_id: str) -> bool:
        tables = (self._history.backups, self._history.restores, self._history.copies)
        return any(table.get(record_id) for table in tables)

    async def _fetch_locks(self, repository: Repository) -> list[RepositoryLock]:
        """Return all locks; those that could not be read, or are too many, as unreadable ones."""
        listing = (await self._run(repository, [("list", locks.list_argv())])).container("list")
        ids = locks.parse_list(listing.log) if listing else []
        if not ids:
            return []
        steps = [(f"lock-{n}", locks.cat_argv(lock_id)) for n, lock_id in enumerate(ids[:MOST_LOCKS])]
        job = await self._run(repository, steps)
        read = [locks.parse_lock(step.log) for step in job.containers if step.exit_code == 0]
        return [*read, *[locks.UNREADABLE_LOCK] * (len(ids) - len(read))]

    async def _run(self, repository: Repository, steps: Steps) -> FinishedJob:
        name = job_names.new_name("locks", repository.storage)
        return await self._jobs.run(name, steps, repository, TIMEOUT_SECONDS)

    async def _fetch_running_pods(self, repository: Repository) -> frozenset[str] | None:
        """Return the names of our pods that have not ended, in every cluster that reaches the repository.

        Returns None where one of the clusters does not answer.
        """
        selector = f"{object_keys.MANAGED_BY_LABEL}={object_keys.MANAGED_BY}"
        is_bound = storage_kinds.is_cluster_bound(repository.storage)
        pods = []
        for cluster in [self._jobs.cluster_of(repository.storage)] if is_bound else self._clusters:
            try:
                items, _ = await cluster.list(paths.pods(), labelSelector=selector)
            except KronkeepError as fault:
                log.warning("the locks of %s: the pods on %s: %s", repository.id, cluster.name, fault)
                return None
            pods += items
        return frozenset(
            pod["metadata"]["name"]
            for pod in pods
            if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
        )


def are_all_dead(
    repository_locks: Sequence[RepositoryLock],
    running_pods: Collection[str] | None,
    is_our_host: Callable[[str], bool],
    now: datetime,
) -> bool:
    """Whether every lock is of a dead Job of ours; `running_pods` is None while they are not known."""
    return running_pods is not None and all(
        is_dead(lock, running_pods, is_our_host, now) for lock in repository_locks
    )


def is_stale(lock: RepositoryLock, now: datetime) -> bool:
    """Whether restic's own `unlock` removes the lock."""
    return now - lock.time >= STALE


def is_ours(host: str, storage: BackupStorage, has_record: Callable[[str], bool]) -> bool:
    """Whether the pod is of a Job of this history: `has_record` knows an id in its name, or we named it."""
    ids = job_names.RECORD_ID.findall(host)
    return any(has_record(record_id) for record_id in ids) or job_names.is_ours(host, storage)


def is_dead(
    lock: RepositoryLock, running_pods: Collection[str], is_our_host: Callable[[str], bool], now: datetime
) -> bool:
    """Whether the lock is of a Job of ours that no longer runs; a host name is a pod's name, cut to 63."""
    if any(pod[:LONGEST_HOST_NAME] == lock.hostname for pod in running_pods):
        return False
    if is_our_host(lock.hostname):
        return True
    return job_names.LIKE_OURS.match(lock.hostname) is not None and now - lock.time > UNREFRESHED
