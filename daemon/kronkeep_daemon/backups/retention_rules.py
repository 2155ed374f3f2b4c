"""The retention rules: which snapshots of a policy stay, which go, and why; pure.

kronkeep decides this itself and does not use restic's grouping. A snapshot stays when any rule keeps it.
Good backups come first: each place of a rule is filled by a good one, and by a bad one (partial, empty, its
end unknown) only where there is no good one, so adding bad backups never removes a good one.

`days` counts from now and keeps bad backups only of days without a good one. `keep_hourly` to `keep_yearly`
keep the newest good backup of each of the last N hours, days, ISO weeks, months or years that have one (UTC);
places that are left are filled from periods with only bad ones. The newest `min_good` good ones, all pinned
ones and the newest bad ones since the last good one stay. "Newest" is the order in which the backups were
recorded (`sequence`), not the time of a clock.

While an unusual backup (`unusual_rules`) has not been acknowledged nothing goes: the old snapshots may be the
only ones with the data. A plan with more than one removal that is more than a fifth of the snapshots needs
approval: usually one goes when one comes, so many at once are probably a mistake. `retention_service` carries
plans out.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from operator import attrgetter

from kronkeep_common.errors import NotAllowedNow, PreconditionFailed
from kronkeep_common.models import (
    BackupExecution,
    Retention,
    RetentionPlan,
    SnapshotVerdict,
)
from kronkeep_common.reasons import Reason
from kronkeep_common.schedule import Schedule
from kronkeep_common.states import BackupStatus
from kronkeep_daemon.history.record_ids import derive_id
from kronkeep_daemon.kube.cluster_clock import CLOCK_NEXT_STEP
from kronkeep_daemon.settings import Settings

APPROVAL_SHARE = 0.2
BAD_SINCE_GOOD = 3  # bad backups newer than the newest good one that stay whatever the rules say
_Period = tuple[int, ...]


def _hour(at: datetime) -> _Period:
    return (at.year, at.month, at.day, at.hour)


def _day(at: datetime) -> _Period:
    return (at.year, at.month, at.day)


def _week(at: datetime) -> _Period:
    return at.isocalendar()[:2]


def _month(at: datetime) -> _Period:
    return (at.year, at.month)


def _year(at: datetime) -> _Period:
    return (at.year,)


_PERIODS: dict[str, Callable[[datetime], _Period]] = {
    "keep_hourly": _hour,
    "keep_daily": _day,
    "keep_weekly": _week,
    "keep_monthly": _month,
    "keep_yearly": _year,
}
_EXPLANATIONS = {
    "pinned": "pinned by hand",
    "just_made": "just made",
    "min_good": "one of the newest {} good ones",
    "bad_since_good": "one of the newest {} since the last good one",
    "keep_last": "one of the newest {}",
    "days": "younger than {} days",
    "keep_hourly": "the newest of one of the last {} hours with a backup",
    "keep_daily": "the newest of one of the last {} days with a backup",
    "keep_weekly": "the newest of one of the last {} weeks with a backup",
    "keep_monthly": "the newest of one of the last {} months with a backup",
    "keep_yearly": "the newest of one of the last {} years with a backup",
}
_EXPLANATIONS_OF_ONE = {
    "min_good": "the newest good one",
    "bad_since_good": "the newest since the last good one",
    "keep_last": "the newest",
    "days": "younger than a day",
    "keep_hourly": "the newest of the last hour with a backup",
    "keep_daily": "the newest of the last day with a backup",
    "keep_weekly": "the newest of the last week with a backup",
    "keep_monthly": "the newest of the last month with a backup",
    "keep_yearly": "the newest of the last year with a backup",
}


def plan_retention(
    policy_id: str,
    backups: Sequence[BackupExecution],
    rules: Retention,
    now: datetime,
    *,
    just_made: str | None = None,
    unusual: Sequence[BackupExecution] | None = None,
) -> RetentionPlan:
    """Return which snapshots stay and why, and which go.

    backups: those whose snapshot still exists.
    just_made: the id of the backup that this follows, which always stays.
    unusual: the policy's backups by which nothing goes where they are unusual; None for `backups`.
    """
    rules_by_backup = keeping_rules(backups, rules, now, just_made=just_made)
    verdicts = [
        _verdict(backup, tuple(rules_by_backup.get(backup.id, ()))) for backup in newest_first(backups)
    ]
    remove = tuple(verdict for verdict in verdicts if not verdict.rules)
    held_by = _why_held(backups if unusual is None else unusual) if remove else None
    return RetentionPlan(
        policy_id=policy_id,
        computed_at=now,
        retention=rules,
        keep=tuple(verdict for verdict in verdicts if verdict.rules),
        remove=remove,
        token=_token(policy_id, remove),
        blocked_by=held_by or _why_blocked(len(remove), len(verdicts)),
        held_by=held_by,
        sizes_unknown=explain_unknown_sizes(backups),
    )


def explain_unknown_sizes(backups: Sequence[BackupExecution]) -> str | None:
    """Return why the stored size of some snapshots is unknown; None where all sizes are known.

    restic before 0.17 reports in its summary what it read, not what was stored after compression.
    """
    unknown = sum(b.result is not None and b.result.bytes_stored is None for b in backups)
    if not unknown:
        return None
    return (
        f"What {unknown} of {len(backups)} snapshots take in the repository is not known: "
        "restic reports it since 0.17, at the end of each archive."
    )


def is_good(backup: BackupExecution) -> bool:
    """Return whether the backup holds all that its policy archives."""
    return backup.status is BackupStatus.SUCCEEDED


def keeping_rules(
    backups: Sequence[BackupExecution], rules: Retention, now: datetime, *, just_made: str | None = None
) -> dict[str, list[str]]:
    """Return for each backup id that stays the rules that keep it, each as its name and number."""
    ordered = newest_first(backups)
    good = [backup for backup in ordered if is_good(backup)]
    bad = [backup for backup in ordered if not is_good(backup)]
    bad_since_good = list(takewhile(_is_bad, ordered))[:BAD_SINCE_GOOD]
    rules_by_backup: dict[str, list[str]] = {}

    def keep(keepers: Sequence[BackupExecution], rule: str) -> None:
        for backup in keepers:
            rules_by_backup.setdefault(backup.id, []).append(rule)

    keep([b for b in ordered if b.pinned], "pinned")
    keep([b for b in ordered if b.id == just_made], "just_made")
    keep(good[: rules.min_good], f"min_good {rules.min_good}")
    keep(bad_since_good, f"bad_since_good {BAD_SINCE_GOOD}")
    keep([*good, *bad][: rules.keep_last], f"keep_last {rules.keep_last}")
    if rules.days:
        keep(_younger_than(now - timedelta(days=rules.days), good, bad), f"days {rules.days}")
    for rule, period in _PERIODS.items():
        count = getattr(rules, rule)
        keep(_newest_of_each(period, count, good, bad), f"{rule} {count}")
    return rules_by_backup


def newest_first(backups: Sequence[BackupExecution]) -> list[BackupExecution]:
    """Return the backups in the opposite of the order in which they were recorded."""
    return sorted(backups, key=attrgetter("recording_order"), reverse=True)


def _is_bad(backup: BackupExecution) -> bool:
    return not is_good(backup)


def _period_of(backup: BackupExecution, period: Callable[[datetime], _Period]) -> _Period:
    return period(backup.created_at.astimezone(UTC))


def _younger_than(
    oldest: datetime, good: Sequence[BackupExecution], bad: Sequence[BackupExecution]
) -> list[BackupExecution]:
    """Return the good backups created after `oldest`, and the bad ones of days without a good one."""
    good_days = {_period_of(backup, _day) for backup in good}
    lone = [backup for backup in bad if _period_of(backup, _day) not in good_days]
    return [backup for backup in (*good, *lone) if backup.created_at > oldest]


def _newest_of_each(
    period: Callable[[datetime], _Period],
    count: int,
    good: Sequence[BackupExecution],
    bad: Sequence[BackupExecution],
) -> list[BackupExecution]:
    """Return the newest good backup of each of the last `count` periods that have one.

    Places that are left over are filled by the newest bad backups of the last periods without a good one.
    Both lists are given newest first.
    """
    newest: dict[_Period, BackupExecution] = {}
    for backup in (*good, *bad):
        key = _period_of(backup, period)
        if key not in newest and len(newest) < count:
            newest[key] = backup
    return list(newest.values())


def _verdict(backup: BackupExecution, rules: tuple[str, ...]) -> SnapshotVerdict:
    return SnapshotVerdict(
        backup_id=backup.id,
        snapshot_id=backup.result.snapshot_id if backup.result else "",
        created_at=backup.created_at,
        status=backup.status,
        bytes_stored=backup.result.bytes_stored if backup.result else None,
        rules=rules,
        why=", ".join(map(_explain, rules)) or _explain_removal(backup),
    )


def _explain(rule: str) -> str:
    name, _, number = rule.partition(" ")
    return _EXPLANATIONS_OF_ONE[name] if number == "1" else _EXPLANATIONS[name].format(number)


def _explain_removal(backup: BackupExecution) -> str:
    if is_good(backup):
        return "no rule keeps it"
    return f"not good ({backup.status}), and no rule keeps it"


def _token(policy_id: str, remove: Sequence[SnapshotVerdict]) -> str:
    """Return a hash of the removals: an approval is for exactly these."""
    return derive_id("removals", policy_id, *sorted(verdict.backup_id for verdict in remove))


def _why_held(backups: Sequence[BackupExecution]) -> str | None:
    """Return why nothing may go: an unusual backup may mean that good data is only in the old ones."""
    present = [backup for backup in newest_first(backups) if backup.snapshot_state == "present"]
    unusual = [backup for backup in present if backup.is_unusual]
    if not unusual:
        return None
    return (
        f"The backup of {unusual[0].created_at:%Y-%m-%d %H:%M} UTC is unusual: {unusual[0].unusual[0]} "
        "Nothing is removed until somebody acknowledges the alert BackupUnusual."
    )


def require_not_held(plan: RetentionPlan) -> None:
    """Raise NotAllowedNow for a plan that waits for the acknowledgement of an unusual backup."""
    if plan.held_by is not None:
        raise NotAllowedNow(plan.held_by, next_step=Reason.UNUSUAL.next_step)


def require_applicable(plan: RetentionPlan) -> None:
    """Raise NotAllowedNow for a plan that waits for an acknowledgement, or that needs approval."""
    require_not_held(plan)
    if plan.blocked_by is not None:
        raise NotAllowedNow(plan.blocked_by, next_step="Look at the preview, then approve it with its token.")


def require_approved(plan: RetentionPlan, token: str) -> None:
    """Raise NotAllowedNow for a plan that waits, PreconditionFailed for one that the token does not name."""
    require_not_held(plan)
    if plan.token != token:
        raise PreconditionFailed(
            "The snapshots to remove have changed since the preview.",
            next_step="Look at the preview again.",
        )


def require_trusted_time(fault: str | None) -> None:
    """Raise NotAllowedNow while a cluster's clock is at fault, as ages cannot be trusted then.

    fault: what is wrong with the clock, None where nothing is.
    """
    if fault is not None:
        raise NotAllowedNow(f"Nothing is forgotten now. {fault}", next_step=CLOCK_NEXT_STEP)


def newest_prune_slot(settings: Settings, now: datetime) -> datetime | None:
    """Return the newest slot of the schedule by which retention is applied and space is freed."""
    schedule = Schedule.parse(settings.archive.prune_schedule, controller_zone=settings.controller_zone)
    return schedule.previous(now + timedelta(seconds=1))


def _why_blocked(removals: int, snapshots: int) -> str | None:
    if removals <= 1 or removals <= APPROVAL_SHARE * snapshots:
        return None
    return (
        f"{removals} of {snapshots} snapshots would go at once, more than a fifth; somebody must approve it."
    )
