"""Retention that is due after a backup or a copy, tried until it was applied.

The cluster may not answer just then, another Job may lock the repository, the Lease may not have been renewed
for some seconds, a clock may be at fault. What is due stays due until it is done.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from kronkeep_common.clock import Clock
from kronkeep_common.errors import CronJobNotFound, KronkeepError
from kronkeep_daemon.backups import policy_annotations
from kronkeep_daemon.backups.policy_annotations import PolicyCarrier
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.kube.objects import CronJobRef

log = logging.getLogger(__name__)
RETRY_SECONDS = 60.0  # before the second try; each later pause is twice as long
LONGEST_PAUSE = 3600.0


class RetentionSubject(NamedTuple):
    """What retention is applied to: a CronJob's policy, or its copy in a storage."""

    ref: CronJobRef
    copy_storage_id: str = ""


class DueRetention(NamedTuple):
    """Retention of a policy after the backup `just_made`, to be tried at `due_at` (monotonic)."""

    subject: RetentionSubject
    just_made: str
    due_at: float
    pause: float = RETRY_SECONDS


ApplyRetention = Callable[[PolicyCarrier, DueRetention], Awaitable[bool]]  # False: try again later


class WaitingRetention:
    """The policies and copies whose retention is due, one entry each; pure bookkeeping."""

    def __init__(self) -> None:
        self._entries: dict[RetentionSubject, DueRetention] = {}

    def add(self, subject: RetentionSubject, just_made: str, now: float) -> None:
        """Add what has just got a backup; a later backup takes the place of an earlier one."""
        self._entries[subject] = DueRetention(subject=subject, just_made=just_made, due_at=now)

    def find(self, subject: RetentionSubject) -> DueRetention | None:
        """Return what is due, or None."""
        return self._entries.get(subject)

    def postpone(self, entry: DueRetention, now: float) -> None:
        """Try again after a pause, unless a later backup has taken the entry's place."""
        if self._entries.get(entry.subject) == entry:
            pause = min(entry.pause * 2, LONGEST_PAUSE)
            self._entries[entry.subject] = entry._replace(due_at=now + entry.pause, pause=pause)

    def remove(self, entry: DueRetention) -> None:
        """Remove what was done, unless a later backup has taken the entry's place."""
        if self._entries.get(entry.subject) == entry:
            del self._entries[entry.subject]

    def due(self, now: float) -> list[DueRetention]:
        """Return what is to be tried now."""
        return [entry for entry in self._entries.values() if entry.due_at <= now]


class RetentionRetries:
    """Retention after a backup or a copy, tried again after pauses until it was applied."""

    def __init__(self, cronjobs: CronJobService, clock: Clock, apply: ApplyRetention) -> None:
        self._cronjobs = cronjobs
        self._clock = clock
        self._apply = apply
        self._waiting = WaitingRetention()

    async def apply_after(self, subject: RetentionSubject, just_made: str) -> None:
        """Apply retention to what has just got a backup or a copy of the backup `just_made`."""
        self._waiting.add(subject, just_made, self._clock.monotonic())
        await self._apply_due(subject)

    async def apply_waiting(self) -> None:
        """Apply retention again where a pause is over."""
        for entry in self._waiting.due(self._clock.monotonic()):
            await self._apply_due(entry.subject)

    async def _apply_due(self, subject: RetentionSubject) -> None:
        """Apply what is due to a subject; where that fails it stays due."""
        entry = self._waiting.find(subject)
        if entry is None:
            return
        if await self._is_settled(entry):
            self._waiting.remove(entry)
        else:
            self._waiting.postpone(entry, self._clock.monotonic())

    async def _is_settled(self, entry: DueRetention) -> bool:
        """Apply what is due by the policy that the CronJob carries now; return False to try it again."""
        try:
            carrier = policy_annotations.carrier_of(self._cronjobs.find_subject(entry.subject.ref))
        except CronJobNotFound:
            return True  # deleted meanwhile
        except KronkeepError as fault:
            log.warning("retention of %s: %s", entry.subject, fault)
            return False
        return carrier is None or await self._apply(carrier, entry)
