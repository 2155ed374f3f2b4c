"""Which snapshots stay, computed here and not left to restic's grouping; pure.

Rules are ORed. `days` counts from now. `keep_hourly` to `keep_yearly` keep the newest backup of each of
the last N hours, days, ISO weeks, months or years that have one (UTC). The newest `min_good` good ones stay.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from kronkeep_common.models import BackupExecution, Retention
from kronkeep_common.states import BackupStatus

_PERIODS: dict[str, Callable[[datetime], tuple[int, ...]]] = {
    "keep_hourly": lambda at: (at.year, at.month, at.day, at.hour),
    "keep_daily": lambda at: (at.year, at.month, at.day),
    "keep_weekly": lambda at: at.isocalendar()[:2],
    "keep_monthly": lambda at: (at.year, at.month),
    "keep_yearly": lambda at: (at.year,),
}


def kept(backups: Sequence[BackupExecution], rules: Retention, now: datetime) -> dict[str, list[str]]:
    """For each backup id that stays, the rules that keep it; the others may go."""
    ordered = sorted(backups, key=lambda b: b.created_at, reverse=True)
    reasons: dict[str, list[str]] = {}

    def keep(backup: BackupExecution, rule: str) -> None:
        reasons.setdefault(backup.id, []).append(rule)

    good = [b for b in ordered if b.status is BackupStatus.SUCCEEDED]
    for backup in good[: rules.min_good]:
        keep(backup, f"min_good {rules.min_good}")
    for backup in ordered[: rules.keep_last]:
        keep(backup, f"keep_last {rules.keep_last}")
    if rules.days is not None:
        for backup in ordered:
            if now - backup.created_at < timedelta(days=rules.days):
                keep(backup, f"days {rules.days}")
    for rule, period in _PERIODS.items():
        seen: set[tuple[int, ...]] = set()
        for backup in ordered:
            key = period(backup.created_at.astimezone(UTC))
            if key not in seen and len(seen) < getattr(rules, rule):
                seen.add(key)
                keep(backup, f"{rule} {getattr(rules, rule)}")
    return reasons
