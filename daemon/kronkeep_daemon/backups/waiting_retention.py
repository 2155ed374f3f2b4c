"""Retention that is due after a backup and could not be applied yet; pure bookkeeping.

The cluster may not answer just then, another Job may lock the repository, the Lease may not have been renewed
for some seconds, a clock may be at fault. What is due stays due until it is done.
"""

from typing import NamedTuple

from kronkeep_daemon.kube.objects import CronJobRef

RETRY_SECONDS = 60.0  # before the second try; each later pause is twice as long
LONGEST_PAUSE = 3600.0


class DueRetention(NamedTuple):
    """Retention of a CronJob's policy after the backup `just_made`, to be tried at `due_at` (monotonic)."""

    ref: CronJobRef
    just_made: str
    due_at: float
    pause: float = RETRY_SECONDS


class WaitingRetention:
    """The CronJobs whose policies' retention is due, one entry each."""

    def __init__(self) -> None:
        self._entries: dict[CronJobRef, DueRetention] = {}

    def add(self, ref: CronJobRef, just_made: str, now: float) -> None:
        """Add a CronJob whose backup has just succeeded; a later backup takes the place of an earlier one."""
        self._entries[ref] = DueRetention(ref=ref, just_made=just_made, due_at=now)

    def find(self, ref: CronJobRef) -> DueRetention | None:
        """Return what is due for a CronJob, or None."""
        return self._entries.get(ref)

    def postpone(self, entry: DueRetention, now: float) -> None:
        """Try again after a pause, unless a later backup has taken the entry's place."""
        if self._entries.get(entry.ref) == entry:
            pause = min(entry.pause * 2, LONGEST_PAUSE)
            self._entries[entry.ref] = entry._replace(due_at=now + entry.pause, pause=pause)

    def remove(self, entry: DueRetention) -> None:
        """Remove what was done, unless a later backup has taken the entry's place."""
        if self._entries.get(entry.ref) == entry:
            del self._entries[entry.ref]

    def due(self, now: float) -> list[DueRetention]:
        """Return what is to be tried now."""
        return [entry for entry in self._entries.values() if entry.due_at <= now]
