"""Locks that our own killed Jobs left in a repository: found, judged, removed; never anybody else's.

restic holds a lock to be stale after 30 minutes without a refresh, or when its process is gone on the same
host; in a cluster every pod is another host, so a killed Job blocks exclusive work for half an hour. A
lock's host is its pod's name, by which we know our own. It goes at once when our history knows the Job and
no such pod is alive; one that only looks like ours goes when it was not refreshed (every 5 minutes) in 6.
While one lock remains that is alive or not ours, only restic's own `unlock` runs, which takes stale ones.
"""

import re
import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from kronkeep_common import keys
from kronkeep_common.clock import Clock
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.repositories import jobs, restic
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs

Object = dict[str, Any]
UNREFRESHED = timedelta(minutes=6)
MOST = 50
SECONDS = 120.0
_ARCHIVE = re.compile(r"-bk-([0-9a-f]{12})-\d+")
_MAINTENANCE = re.compile(r"kronkeep-[a-z]+-")
_ID = re.compile(rb"[0-9a-f]{64}")


class Lock(msgspec.Struct, frozen=True):
    """restic's lock file."""

    time: datetime
    hostname: str = ""
    exclusive: bool = False


class Locks:
    """Removes what our dead Jobs left; `known` tells whether the history has a backup of that id."""

    def __init__(
        self, cluster: Cluster, known: Callable[[str], bool], repositories: RepositoryJobs, clock: Clock
    ) -> None:
        self._cluster = cluster
        self._known = known
        self._repositories = repositories
        self._clock = clock

    async def clear(self, repository: Repository) -> bool:
        """Removes the locks of our dead Jobs, while the caller holds the repository; whether all went."""
        found = await self._read(repository)
        if not found:
            return True
        alive = await self._alive()
        all_dead = all(dead(lock, alive, self._known, self._clock.now()) for lock in found)
        argv = ["restic", "unlock", "--remove-all"] if all_dead else ["restic", "unlock"]
        ended = await self._run(repository, [("unlock", argv)])
        return all_dead and ended.complete

    async def _read(self, repository: Repository) -> list[Lock]:
        listed = await self._run(repository, [("list", ["restic", "list", "locks", "--no-lock"])])
        step = listed.step("list")
        ids = _ID.findall(step.log) if step else []
        cats = [
            (f"lock-{n}", ["restic", "cat", "lock", i.decode(), "--no-lock"])
            for n, i in enumerate(ids[:MOST])
        ]
        if not cats:
            return []
        ended = await self._run(repository, cats)
        return [read(step.log) for step in ended.steps if step.exit_code == 0]

    async def _run(self, repository: Repository, steps: list[tuple[str, list[str]]]) -> jobs.Ended:
        name = f"kronkeep-locks-{repository.storage.id[:30]}-{secrets.token_hex(3)}"
        return await self._repositories.run(name, steps, repository, SECONDS)

    async def _alive(self) -> frozenset[str]:
        """The names of our pods that have not ended."""
        selector = f"{keys.MANAGED_BY_LABEL}={keys.MANAGED_BY}"
        pods, _ = await self._cluster.list(paths.pods(), labelSelector=selector)
        return frozenset(
            pod["metadata"]["name"]
            for pod in pods
            if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
        )


def read(log: bytes) -> Lock:
    """The lock in restic's answer, which is JSON over several lines; one that cannot be read is nobody's."""
    text = b"".join(restic.lines(log))
    try:
        return msgspec.json.decode(text[text.index(b"{") :], type=Lock)
    except ValueError:
        return Lock(time=datetime.max.replace(tzinfo=UTC))


def dead(lock: Lock, alive: Iterable[str], known: Callable[[str], bool], now: datetime) -> bool:
    """Whether the lock is of a Job of ours that runs no more; a host's name is a pod's, cut to 63."""
    if any(name[:63] == lock.hostname for name in alive):
        return False
    if (match := _ARCHIVE.search(lock.hostname)) and known(match[1]):
        return True
    ours = match is not None or _MAINTENANCE.match(lock.hostname) is not None
    return ours and now - lock.time > UNREFRESHED
