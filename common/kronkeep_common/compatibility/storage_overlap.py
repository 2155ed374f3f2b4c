"""StorageBusy: other policies' backups that hold the storage when this one would start.

restic works exclusively on a repository for much of what kronkeep does, and the daemon queues: a backup that
meets another one waits for it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from kronkeep_common.compatibility.findings import finding
from kronkeep_common.compatibility.fire_times import Fires
from kronkeep_common.models import Finding
from kronkeep_common.schedule import Schedule

PAIRS = 20_000  # fires held against policies; above it only the first backups are looked at


class Busy(NamedTuple):
    """Another policy of the same storage: its backups start `delay` seconds after `schedule` fires."""

    name: str
    schedule: Schedule
    duration: float
    delay: float = 0.0

    def held(self, start: int, end: float) -> bool:
        """Whether one of its backups runs at some moment in [start, end)."""
        following = self.schedule.next(datetime.fromtimestamp(start - self.duration - self.delay, UTC))
        return following is not None and following.timestamp() + self.delay < end


def busy(fires: Fires, others: Sequence[Busy], lasting: float) -> Finding | None:
    """StorageBusy: counts backups, each `lasting` seconds, that overlap another policy's."""
    if not others:
        return None
    looked = fires.backups[: max(1, PAIRS // len(others))]
    hits: list[int] = []
    names: dict[str, None] = {}
    for backup in looked:
        holders = [other.name for other in others if other.held(backup, backup + lasting)]
        if holders:
            hits.append(backup)
            names.update(dict.fromkeys(holders))
    if not hits:
        return None
    listed = ", ".join(list(names)[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    words = f"{len(hits)} of {len(looked)} backups meet those of {listed} on the same storage, and wait."
    return finding(
        code="StorageBusy", severity="warning", message=words, hits=hits, of=len(looked), zone=fires.cronjob
    )
