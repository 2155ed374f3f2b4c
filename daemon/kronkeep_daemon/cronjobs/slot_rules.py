"""What became of each slot of a schedule that has no Job; pure.

The CronJob controller starts only the newest slot that is due, and that as late as startingDeadlineSeconds
allows (without it: at any time). So a slot is missed as soon as it cannot start any more: a newer one is
due, or its deadline has passed. Until then it is waiting, late after a grace, or, where Forbid holds it back
behind the run before it, delayed. The grace also covers what a silent watch may hide (75 s).
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import CronJobExecution
from kronkeep_common.reasons import Reason
from kronkeep_common.schedule import Schedule
from kronkeep_daemon.kube.objects import CronJobObject

LONGEST = 100 * 365 * 86400  # seconds; Kubernetes takes an int64 as a deadline, and no calendar does
MOST = 2000  # slots of one CronJob that are looked at in one go


class SlotPlan(NamedTuple):
    """When a CronJob is due, as far as its spec says; `schedule` is None where nothing can be foretold."""

    schedule: Schedule | None
    suspended: bool
    forbid: bool
    deadline: timedelta | None


class SlotOutcome(StrEnum):
    """What became of a slot without a Job."""

    WAITING = "waiting"
    LATE = "late"
    DELAYED = "delayed"
    STILL_RUNNING = Reason.STILL_RUNNING
    DEADLINE_PASSED = Reason.DEADLINE_PASSED
    NOT_STARTED = Reason.NOT_STARTED


MISSED = frozenset({SlotOutcome.STILL_RUNNING, SlotOutcome.DEADLINE_PASSED, SlotOutcome.NOT_STARTED})


def plan_slots(cronjob: CronJobObject, controller_zone: str) -> SlotPlan:
    """The plan of a CronJob's Kubernetes object; `@every` counts from an instant that nobody is told."""
    spec = cronjob.spec
    try:
        schedule = Schedule.parse(spec.schedule, spec.time_zone, controller_zone=controller_zone)
    except KronkeepError:
        schedule = None
    seconds = spec.starting_deadline_seconds
    return SlotPlan(
        schedule=None if schedule is None or schedule.every is not None else schedule,
        suspended=bool(spec.suspend),
        forbid=spec.concurrency_policy == "Forbid",
        deadline=None if seconds is None else timedelta(seconds=min(seconds, LONGEST)),
    )


def due_slots(plan: SlotPlan, after: datetime, until: datetime) -> list[datetime]:
    """The slots later than `after`, up to `until`; the newest where there are very many."""
    if plan.schedule is None or plan.suspended or after >= until:
        return []
    second = timedelta(seconds=1)
    found: list[datetime] = []
    for slot in plan.schedule.between(after + second, until + second):
        found.append(slot)
        if len(found) > 2 * MOST:
            del found[:MOST]
    return found[-MOST:]


def judge_slots(
    plan: SlotPlan,
    slots: Sequence[datetime],
    ran: Collection[datetime],
    now: datetime,
    grace: timedelta,
    held: Callable[[datetime], bool],
) -> list[tuple[datetime, SlotOutcome]]:
    """What became of each of the slots, in order, that no run belongs to.

    `held` says whether a run that began before the slot went on over it.
    """
    found: list[tuple[datetime, SlotOutcome]] = []
    for place, slot in enumerate(slots):
        if slot not in ran:
            newer = slots[place + 1] if place + 1 < len(slots) else None
            found.append(
                (
                    slot,
                    _one(
                        plan=plan,
                        slot=slot,
                        newer=newer,
                        now=now,
                        grace=grace,
                        held=plan.forbid and held(slot),
                    ),
                )
            )
    return found


def _one(
    plan: SlotPlan, slot: datetime, newer: datetime | None, now: datetime, grace: timedelta, held: bool
) -> SlotOutcome:
    passed = plan.deadline is not None and now > slot + plan.deadline + grace
    if passed or (newer is not None and now >= newer + grace):
        if held:
            return SlotOutcome.STILL_RUNNING
        return SlotOutcome.DEADLINE_PASSED if passed else SlotOutcome.NOT_STARTED
    if held:
        return SlotOutcome.DELAYED
    return SlotOutcome.LATE if now >= slot + grace else SlotOutcome.WAITING


def held_by(runs: Sequence[CronJobExecution]) -> Callable[[datetime], bool]:
    """Whether one of the runs was going on at a slot."""
    spans = [(run.created_at, run.ended_at) for run in runs if run.job is not None]

    def held(slot: datetime) -> bool:
        return any(began < slot and (ended is None or ended > slot) for began, ended in spans)

    return held
