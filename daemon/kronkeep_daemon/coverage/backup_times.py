"""When the claims of a CronJob were last backed up, and when such a backup was verified; pure."""

from collections.abc import Iterable
from datetime import datetime

from kronkeep_common.models import BackupExecution
from kronkeep_common.states import BackupStatus
from kronkeep_daemon.coverage.rules import BackupTimes


def collect_backup_times(backups: Iterable[BackupExecution]) -> dict[str, BackupTimes]:
    """Return for each claim when its newest good backup ended and was verified.

    backups: of one CronJob, newest first; only good ones count whose snapshot is there.
    """
    times: dict[str, BackupTimes] = {}
    for backup in backups:
        if backup.status is not BackupStatus.SUCCEEDED or backup.snapshot_state != "present":
            continue
        for claim, is_whole in _claims_of(backup).items():
            times[claim] = _add_backup(times.get(claim, BackupTimes()), backup, is_whole=is_whole)
    return times


def _claims_of(backup: BackupExecution) -> dict[str, bool]:
    """Return the claims of a backup, each with whether it holds all of the claim."""
    sources = backup.policy.source.claims if backup.policy is not None else ()
    parts = {source.claim for source in sources if source.paths}
    whole = {source.claim for source in sources if not source.paths}
    return {claim: claim in whole or claim not in parts for claim in backup.claims}


def _add_backup(times: BackupTimes, backup: BackupExecution, *, is_whole: bool) -> BackupTimes:
    """Return the times with those of an older backup."""
    ended_at = backup.ended_at or backup.created_at
    times = times._replace(
        some_at=times.some_at or ended_at,
        some_verified_at=_later(times.some_verified_at, backup.verified_at),
    )
    if not is_whole:
        return times
    return times._replace(
        whole_at=times.whole_at or ended_at,
        whole_verified_at=_later(times.whole_verified_at, backup.verified_at),
    )


def _later(first: datetime | None, second: datetime | None) -> datetime | None:
    return max((moment for moment in (first, second) if moment is not None), default=None)
