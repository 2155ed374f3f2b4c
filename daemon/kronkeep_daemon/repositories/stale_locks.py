"""Locks that our own killed Jobs left in a repository: found, judged, removed; never anybody else's.

restic holds a lock to be stale after 30 minutes without a refresh, or when its process is gone on the same
host; in a cluster every pod is another host, so a killed Job blocks exclusive work for half an hour. A
lock's host is its pod's name, by which we know our own. It goes at once when the Job is one of this history's
(by the id of a backup or restore in its name, or by the mark that `names` gave it) and no such pod is alive;
one that only looks like ours goes when it was not refreshed (every 5 minutes) in 6. While one lock remains
that is alive, not ours or could not be read, only restic's own `unlock` runs, which takes stale ones. Several
clusters may use one repository: while one of them does not answer, every lock may be of a live Job.
"""

import logging
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta

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
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs
from kronkeep_daemon.restic import locks
from kronkeep_daemon.restic.locks import RepositoryLock

log = logging.getLogger(__name__)
UNREFRESHED = timedelta(minutes=6)
STALE = timedelta(minutes=30)  # for restic itself, whosever it is
MOST = 50
SECONDS = 120.0
_ALIKE = re.compile(r"kronkeep-[a-z]+-|.*-bk-[0-9a-f]{12}-\d+")
_RECORD = re.compile(r"(?<=-)[0-9a-f]{12}(?=-)")


class StaleLocks:
    """Removes what our dead Jobs left."""

    def __init__(
        self, *, clusters: Clusters, history: History, repositories: RepositoryJobs, clock: Clock
    ) -> None:
        self._clusters = clusters
        self._history = history
        self._repositories = repositories
        self._clock = clock

    def _has_record(self, record_id: str) -> bool:
        return any(table.get(record_id) for table in (self._history.backups, self._history.restores))

    async def remove(self, repository: Repository) -> bool:
        """Removes the locks of our dead Jobs, while the caller holds the repository; whether all went.

        A fault is logged and no reason to stop: then not all went.
        """
        try:
            return await self._remove(repository)
        except KronkeepError as fault:
            log.warning("the locks of %s: %s", repository.id, fault)
            return False

    async def _remove(self, repository: Repository) -> bool:
        found = await self._fetch_locks(repository)
        if not found:
            return True
        alive = await self._running_pods(repository)
        now = self._clock.now()

        def mine(host: str) -> bool:
            return is_ours(host, repository.storage, self._has_record)

        remove_all = all_dead(found, alive, mine, now)
        if not remove_all and not any(is_stale(lock, now) for lock in found):
            return False
        ended = await self._run(repository, [("unlock", locks.unlock_argv(remove_all=remove_all))])
        return remove_all and ended.complete

    async def _fetch_locks(self, repository: Repository) -> list[RepositoryLock]:
        listed = await self._run(repository, [("list", locks.list_argv())])
        step = listed.container("list")
        ids = locks.parse_list(step.log) if step else []
        cats = [(f"lock-{n}", locks.cat_argv(lock_id)) for n, lock_id in enumerate(ids[:MOST])]
        if not cats:
            return []
        ended = await self._run(repository, cats)
        logs = [step.log for step in ended.containers if step.exit_code == 0]
        return [locks.parse_lock(log) for log in [*logs, *[b""] * (len(ids) - len(logs))]]

    async def _run(self, repository: Repository, steps: list[tuple[str, list[str]]]) -> FinishedJob:
        name = job_names.new_name("locks", repository.storage)
        return await self._repositories.run(name, steps, repository, SECONDS)

    async def _running_pods(self, repository: Repository) -> frozenset[str] | None:
        """The names of our pods that have not ended wherever they reach the repository; None if unknown."""
        selector = f"{object_keys.MANAGED_BY_LABEL}={object_keys.MANAGED_BY}"
        pods = []
        own = self._repositories.cluster(repository)
        for cluster in [own] if storage_kinds.is_cluster_bound(repository.storage) else self._clusters:
            try:
                pods += (await cluster.list(paths.pods(), labelSelector=selector))[0]
            except KronkeepError as fault:
                log.warning("the locks of %s: the pods on %s: %s", repository.id, cluster.name, fault)
                return None
        return frozenset(
            pod["metadata"]["name"]
            for pod in pods
            if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
        )


def all_dead(
    found: Sequence[RepositoryLock],
    alive: Collection[str] | None,
    mine: Callable[[str], bool],
    now: datetime,
) -> bool:
    """Return whether every lock is of a dead Job of ours; `alive` is None while nobody can tell."""
    return alive is not None and all(is_dead(lock, alive, mine, now) for lock in found)


def is_stale(lock: RepositoryLock, now: datetime) -> bool:
    """Return whether restic's own `unlock` would remove the lock."""
    return now - lock.time >= STALE


def is_ours(host: str, storage: BackupStorage, known: Callable[[str], bool]) -> bool:
    """Whether the pod is of a Job of this history: of a record whose id is `known`, or named by us."""
    return any(map(known, _RECORD.findall(host))) or job_names.is_ours(host, storage)


def is_dead(lock: RepositoryLock, alive: Iterable[str], ours: Callable[[str], bool], now: datetime) -> bool:
    """Whether the lock is of a Job of ours that runs no more; a host's name is a pod's, cut to 63."""
    if any(name[:63] == lock.hostname for name in alive):
        return False
    if ours(lock.hostname):
        return True
    return _ALIKE.match(lock.hostname) is not None and now - lock.time > UNREFRESHED
