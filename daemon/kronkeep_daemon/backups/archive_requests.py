"""What a backup asks of the queue: where it runs, and how early it is to be; pure."""

from datetime import datetime, timedelta

from kronkeep_common.models import BackupExecution, BackupPolicy
from kronkeep_common.models.policy import Priority
from kronkeep_daemon.backups.archive_inputs import ArchiveInputs
from kronkeep_daemon.repositories.queue import ArchiveRequest
from kronkeep_daemon.repositories.queue_rules import NO_DEADLINE

_PRIORITIES: dict[Priority, int] = {"low": -1, "normal": 0, "high": 1}


def build_request(
    backup: BackupExecution,
    inputs: ArchiveInputs,
    *,
    node: str | None,
    last_good: datetime | None,
    is_resumed: bool,
) -> ArchiveRequest:
    """Return the request of a backup's archive.

    node: where it must run; None where any node will do.
    last_good: when the newest good backup of its CronJob ended.
    is_resumed: whether its Job was running when the daemon was killed.
    """
    return ArchiveRequest(
        backup_id=backup.id,
        repository=inputs.repository.id,
        cluster=backup.cluster,
        namespace=backup.namespace,
        node=node or "",
        priority=_PRIORITIES[inputs.policy.priority],
        good_until=good_until(inputs.policy, last_good or backup.created_at),
        is_resumed=is_resumed,
    )


def priority_number(priority: Priority) -> int:
    """Return the queue's priority for the word of a policy."""
    return _PRIORITIES[priority]


def priority_word(priority: int) -> Priority:
    """Return the word of a policy for a priority of the queue."""
    return next(word for word, number in _PRIORITIES.items() if number == priority)


def good_until(policy: BackupPolicy, since: datetime) -> float:
    """Return when the policy's recovery point ends, in seconds since 1970; never where it has none.

    since: when its newest good backup ended.
    """
    if policy.rpo_seconds is None:
        return NO_DEADLINE
    return (since + timedelta(seconds=policy.rpo_seconds)).timestamp()
