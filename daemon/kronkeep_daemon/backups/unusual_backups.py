"""Unusual backups: judged when they end, remembered by CronJob until somebody acknowledges them."""

import asyncio
from datetime import datetime, timedelta, tzinfo
from itertools import chain
from zoneinfo import ZoneInfo

from kronkeep_common.models import BackupExecution
from kronkeep_common.states import BackupStatus
from kronkeep_daemon.backups.unusual_rules import ArchiveFigures, explain_unusual
from kronkeep_daemon.history import History
from kronkeep_daemon.history.facts import unusual_backups_key

NEWEST_READ = 40  # more than the 30 that are compared: some of them are of another type
WEEKS_READ = 30
OF_EACH_WEEK = 2
SAME_TIME = timedelta(hours=6)  # by which a backup a week before may be later in the day
MOST_REMEMBERED = 100  # of one CronJob


async def judge(history: History, backup: BackupExecution) -> tuple[str, ...]:
    """Return in a sentence each what is unusual about a backup that has succeeded."""
    if backup.status is not BackupStatus.SUCCEEDED or backup.result is None:
        return ()
    past = [other for other in await _read_past(history, backup) if _is_comparable(backup, other)]
    zone = ZoneInfo((backup.policy and backup.policy.time_zone) or "UTC")
    return explain_unusual(
        figures_of(backup, zone),
        [figures_of(other, zone) for other in past],
        [figures_of(other, zone) for other in past if other.unusual],
    )


async def _read_past(history: History, backup: BackupExecution) -> list[BackupExecution]:
    """Return the newest good backups of a CronJob before one, and some of each week before."""
    untils = [backup.created_at - timedelta(weeks=week) + SAME_TIME for week in range(1, WEEKS_READ + 1)]
    past: dict[str, BackupExecution] = {}
    for until, limit in chain([(backup.created_at, NEWEST_READ)], ((each, OF_EACH_WEEK) for each in untils)):
        read = history.backups.newest(
            limit=limit, until=until, cronjob_id=backup.cronjob_id, status=BackupStatus.SUCCEEDED
        )
        past |= {other.id: other for other in read.items}
        await asyncio.sleep(0)
    past.pop(backup.id, None)
    return sorted(past.values(), key=_creation_time, reverse=True)


def _creation_time(backup: BackupExecution) -> datetime:
    return backup.created_at


def _is_comparable(backup: BackupExecution, other: BackupExecution) -> bool:
    """Whether another backup is of the same data, in the same storage, and was usual or accepted."""
    if other.result is None or other.recovered_at is not None or other.is_unusual:
        return False
    return _subject(backup) == _subject(other)


def _subject(backup: BackupExecution) -> tuple[object, ...]:
    policy = backup.policy
    what = (policy.source, policy.include) if policy is not None else ()
    return backup.policy_id, backup.storage_id, backup.backup_type, backup.claims, *what


def figures_of(backup: BackupExecution, zone: tzinfo) -> ArchiveFigures:
    """Return the figures of a backup with a result."""
    result = backup.result
    assert result is not None
    return ArchiveFigures(
        at=backup.created_at.astimezone(zone),
        seconds=result.duration_seconds,
        files=result.files_total,
        bytes_read=result.bytes_read,
        bytes_new=result.bytes_added,
        changed=(result.files_new + result.files_changed) / max(1, result.files_total),
    )


def remember(history: History, backup: BackupExecution) -> None:
    """Remember an unusual backup with its CronJob; the next commit includes it."""
    ids = _read_remembered_ids(history, backup.cronjob_id)
    if backup.id not in ids and len(ids) < MOST_REMEMBERED:
        _set_ids(history, backup, (*ids, backup.id))


def list_unacknowledged(history: History, cronjob_id: str) -> list[BackupExecution]:
    """Return the unusual backups of a CronJob with a snapshot that nobody has acknowledged."""
    backups = (history.backups.get(backup_id) for backup_id in _read_remembered_ids(history, cronjob_id))
    return [
        each for each in backups if each is not None and each.is_unusual and each.snapshot_state == "present"
    ]


def forget_acknowledged(history: History, backup: BackupExecution) -> None:
    """Forget those of the CronJob of a backup that need no acknowledgement any more."""
    left = [each.id for each in list_unacknowledged(history, backup.cronjob_id)]
    _set_ids(history, backup, tuple(left))


def _read_remembered_ids(history: History, cronjob_id: str) -> tuple[str, ...]:
    fact = history.facts.get(unusual_backups_key(cronjob_id))
    return tuple((fact.name or "").split()) if fact is not None else ()


def _set_ids(history: History, backup: BackupExecution, ids: tuple[str, ...]) -> None:
    history.facts.set(unusual_backups_key(backup.cronjob_id), backup.created_at, name=" ".join(ids))
