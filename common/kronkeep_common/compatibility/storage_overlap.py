"""The finding StorageBusy: another policy's backup uses the storage when this one would start.

For much of its work restic locks a repository exclusively, and the daemon queues: a backup that meets another
one waits for it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from kronkeep_common.compatibility.findings import make_finding
from kronkeep_common.compatibility.fire_times import FireTimes
from kronkeep_common.models import Finding
from kronkeep_common.schedule import Schedule

MOST_COMPARISONS = 20_000  # of backups with policies; beyond it only the first backups are compared


class OtherPolicy(NamedTuple):
    """Another policy of the same storage: its backups start `delay` seconds after `schedule` fires."""

    name: str
    schedule: Schedule
    duration: float
    delay: float = 0.0

    def is_running(self, start: int, end: float) -> bool:
        """Whether one of its backups runs at any moment of [start, end), which are Unix seconds."""
        following = self.schedule.next(datetime.fromtimestamp(start - self.duration - self.delay, UTC))
        return following is not None and following.timestamp() + self.delay < end


def find_storage_busy(
    fires: FireTimes, others: Sequence[OtherPolicy], backup_seconds: float
) -> Finding | None:
    """Count the backups of `backup_seconds` each that overlap another policy's."""
    if not others:
        return None
    backups = fires.backups[: max(1, MOST_COMPARISONS // len(others))]
    hits: list[int] = []
    names: dict[str, None] = {}
    for backup in backups:
        holders = [other.name for other in others if other.is_running(backup, backup + backup_seconds)]
        if holders:
            hits.append(backup)
            names.update(dict.fromkeys(holders))
    if not hits:
        return None
    listed = ", ".join(list(names)[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    message = f"{len(hits)} of {len(backups)} backups meet those of {listed} on the same storage, and wait."
    return make_finding(
        code="StorageBusy",
        severity="warning",
        message=message,
        hits=hits,
        of=len(backups),
        zone=fires.cronjob,
    )
