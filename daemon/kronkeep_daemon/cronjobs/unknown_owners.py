"""The Jobs that wait until it is known in which namespace the CronJob is that they name as their owner."""

from collections.abc import Iterator


class UnknownOwners:
    """The uids of the Jobs, and of the CronJobs that they name: thousands of either at a first start."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}  # by the Job's uid
        self._jobs: dict[str, set[str]] = {}  # by the CronJob's uid

    def __contains__(self, job: str) -> bool:
        return job in self._owners

    def __iter__(self) -> Iterator[str]:
        return iter(self._owners)

    def add(self, job: str, owner: str) -> None:
        """Let a Job wait for its owner."""
        self.discard(job)
        self._owners[job] = owner
        self._jobs.setdefault(owner, set()).add(job)

    def discard(self, job: str) -> None:
        """Let a Job wait no more."""
        owner = self._owners.pop(job, None)
        if owner is None:
            return
        jobs = self._jobs[owner]
        jobs.discard(job)
        if not jobs:
            del self._jobs[owner]

    def jobs_of(self, owner: str) -> frozenset[str]:
        """Return the Jobs that wait for a CronJob."""
        return frozenset(self._jobs.get(owner, ()))
