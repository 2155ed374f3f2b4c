"""Which snapshots stay, computed here and not left to restic's grouping; pure.

Rules are ORed. `days` counts from now. `keep_hourly` to `keep_yearly` keep the newest backup of each of
the last N hours, days, ISO weeks, months or years that have one (UTC). The newest `min_good` good ones and
whatever is pinned stay. More than one removal that is more than a fifth of the snapshots waits for approval:
one goes with each new backup as a matter of course; many at once are a mistake until somebody says otherwise.
"""

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from kronkeep_common.models import (
    BackupExecution,
    Retention,
    RetentionPlan,
    SnapshotVerdict,
)
from kronkeep_common.states import BackupStatus

APPROVAL_SHARE = 0.2
_PERIODS: dict[str, Callable[[datetime], tuple[int, ...]]] = {
    "keep_hourly": lambda at: (at.year, at.month, at.day, at.hour),
    "keep_daily": lambda at: (at.year, at.month, at.day),
    "keep_weekly": lambda at: at.isocalendar()[:2],
    "keep_monthly": lambda at: (at.year, at.month),
    "keep_yearly": lambda at: (at.year,),
}
_WHY = {
    "pinned": "pinned by hand",
    "min_good": "one of the newest {} good ones",
    "keep_last": "one of the newest {}",
    "days": "younger than {} days",
    "keep_hourly": "the newest of one of the last {} hours with a backup",
    "keep_daily": "the newest of one of the last {} days with a backup",
    "keep_weekly": "the newest of one of the last {} weeks with a backup",
    "keep_monthly": "the newest of one of the last {} months with a backup",
    "keep_yearly": "the newest of one of the last {} years with a backup",
}


def plan(
    policy_id: str, backups: Sequence[BackupExecution], rules: Retention, now: datetime
) -> RetentionPlan:
    """What stays, why, and what goes; `backups` are those whose snapshot is still there."""
    staying = kept(backups, rules, now)
    ordered = sorted(backups, key=lambda b: b.created_at, reverse=True)
    verdicts = [_verdict(backup, tuple(staying.get(backup.id, ()))) for backup in ordered]
    remove = tuple(verdict for verdict in verdicts if not verdict.rules)
    return RetentionPlan(
        policy_id=policy_id,
        computed_at=now,
        retention=rules,
        keep=tuple(verdict for verdict in verdicts if verdict.rules),
        remove=remove,
        token=_token(policy_id, remove),
        blocked_by=_blocked(len(remove), len(verdicts)),
        sizes_unknown=sizes_unknown(backups),
    )


def sizes_unknown(backups: Sequence[BackupExecution]) -> str | None:
    """Why it is not known what some of the snapshots take in the repository; None where all of it is.

    restic 0.14 tells in its summary what was added, not what that became when it was compressed and stored.
    """
    silent = sum(b.result is not None and b.result.bytes_stored is None for b in backups)
    if not silent:
        return None
    return (
        f"What {silent} of {len(backups)} snapshots take in the repository is not known: "
        "restic tells it since 0.17, at the end of each archive."
    )


def kept(backups: Sequence[BackupExecution], rules: Retention, now: datetime) -> dict[str, list[str]]:
    """For each backup id that stays, the rules that keep it; the others may go."""
    ordered = sorted(backups, key=lambda b: b.created_at, reverse=True)
    reasons: dict[str, list[str]] = {}

    def keep(found: Sequence[BackupExecution], rule: str) -> None:
        for backup in found:
            reasons.setdefault(backup.id, []).append(rule)

    keep([b for b in ordered if b.pinned], "pinned")
    good = [b for b in ordered if b.status is BackupStatus.SUCCEEDED]
    keep(good[: rules.min_good], f"min_good {rules.min_good}")
    keep(ordered[: rules.keep_last], f"keep_last {rules.keep_last}")
    if rules.days is not None:
        youngest = now - timedelta(days=rules.days)
        keep([b for b in ordered if b.created_at > youngest], f"days {rules.days}")
    for rule, period in _PERIODS.items():
        number = getattr(rules, rule)
        keep(_newest_of_each(ordered, period, number), f"{rule} {number}")
    return reasons


def _newest_of_each(
    ordered: Sequence[BackupExecution], period: Callable[[datetime], tuple[int, ...]], number: int
) -> list[BackupExecution]:
    """The newest backup of each of the last `number` periods that have one."""
    found: dict[tuple[int, ...], BackupExecution] = {}
    for backup in ordered:
        key = period(backup.created_at.astimezone(UTC))
        if key not in found and len(found) == number:
            break
        found.setdefault(key, backup)
    return list(found.values())


def _verdict(backup: BackupExecution, rules: tuple[str, ...]) -> SnapshotVerdict:
    words = [_WHY[name].format(number) for name, _, number in (rule.partition(" ") for rule in rules)]
    return SnapshotVerdict(
        backup_id=backup.id,
        snapshot_id=backup.result.snapshot_id if backup.result else "",
        created_at=backup.created_at,
        status=backup.status,
        bytes_stored=backup.result.bytes_stored if backup.result else None,
        rules=rules,
        why=", ".join(words) or "no rule keeps it",
    )


def _token(policy_id: str, remove: Sequence[SnapshotVerdict]) -> str:
    parts = "/".join([policy_id, *sorted(verdict.backup_id for verdict in remove)])
    return hashlib.sha256(parts.encode()).hexdigest()[:16]


def _blocked(removed: int, snapshots: int) -> str | None:
    if removed <= 1 or removed <= APPROVAL_SHARE * snapshots:
        return None
    return (
        f"{removed} of {snapshots} snapshots would go at once, more than a fifth; somebody must approve it."
    )
