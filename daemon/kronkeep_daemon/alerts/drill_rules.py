"""The alert rules of drills, of the policy's own storage and of its copies; pure."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import BackupPolicy, Drill, Restore
from kronkeep_common.schedule import Schedule
from kronkeep_common.states import RESTORE_TRANSITIONS, RestoreStatus, is_final
from kronkeep_daemon.alerts.rule_results import CronJobFacts, RuleResult, format_minute


class _DrilledPlace(NamedTuple):
    """A drill, and the storage of the copy that it is of; None for the policy's own storage."""

    copy_storage_id: str | None
    drill: Drill


def _list_drilled_places(policy: BackupPolicy) -> list[_DrilledPlace]:
    own = [_DrilledPlace(None, policy.drill)] if policy.drill is not None else []
    copies = [_DrilledPlace(copy.storage_id, copy.drill) for copy in policy.copies if copy.drill is not None]
    return [*own, *copies]


def _drills_of(drills: Sequence[Restore], policy: BackupPolicy, place: _DrilledPlace) -> list[Restore]:
    """Return the drills of a place, the newest first."""
    if place.copy_storage_id is not None:
        return [drill for drill in drills if drill.storage_id == place.copy_storage_id]
    return [drill for drill in drills if policy.copy_in(drill.storage_id) is None]


def has_ended_drills(policy: BackupPolicy, drills: Sequence[Restore]) -> bool:
    """Return whether drills, the newest first, show how the last one of each place of a policy ended."""
    return all(
        any(is_final(RESTORE_TRANSITIONS, drill.status) for drill in _drills_of(drills, policy, place))
        for place in _list_drilled_places(policy)
    )


def _title_of(place: _DrilledPlace) -> str:
    return f" of the copy in {place.copy_storage_id}" if place.copy_storage_id is not None else ""


def drill_failed(facts: CronJobFacts) -> RuleResult | None:
    """The newest drill that ended, of the policy's own storage or of a copy, did not restore everything."""
    policy = facts.cronjob.policy
    for place in _list_drilled_places(policy) if policy is not None else ():
        assert policy is not None
        ended = [
            drill
            for drill in _drills_of(facts.drills, policy, place)
            if is_final(RESTORE_TRANSITIONS, drill.status)
        ]
        if ended and ended[0].status is RestoreStatus.FAILED:
            return _describe_failure(ended[0], place)
    return None


def _describe_failure(drill: Restore, place: _DrilledPlace) -> RuleResult:
    message = f"The newest drill{_title_of(place)} failed. {drill.message or drill.reason or ''}".strip()
    return RuleResult(
        code=AlertCode.DRILL_FAILED,
        severity="critical",
        message=message,
        next_step=drill.next_step or "Read the drill's log; perhaps the backup cannot be restored.",
        since=drill.ended_at or drill.created_at,
        record_id=drill.id,
    )


def drill_overdue(facts: CronJobFacts) -> RuleResult | None:
    """A drill's slot and its deadline have passed, and none was started for that slot or a later one."""
    policy = facts.cronjob.policy
    if policy is None or not policy.enabled:
        return None
    for place in _list_drilled_places(policy):
        result = _find_overdue(facts, policy, place)
        if result is not None:
            return result
    return None


def _find_overdue(facts: CronJobFacts, policy: BackupPolicy, place: _DrilledPlace) -> RuleResult | None:
    drill = place.drill
    try:
        schedule = Schedule.parse(drill.schedule, drill.time_zone, controller_zone=facts.controller_zone)
    except KronkeepError:
        return None
    slot = schedule.previous(facts.now - timedelta(seconds=drill.deadline_seconds))
    since = facts.drills_since.get(place.copy_storage_id)
    if slot is None or since is None or slot <= since:
        return None
    if any((past.due_at or past.created_at) >= slot for past in _drills_of(facts.drills, policy, place)):
        return None
    return RuleResult(
        code=AlertCode.DRILL_OVERDUE,
        severity="warning",
        message=f"The drill{_title_of(place)} of {format_minute(slot)} was not started.",
        next_step="Start a drill now, and find out why none was started.",
        since=slot,
    )
