"""Rules for the slots of a schedule that have no Job; pure.

The CronJob controller starts only the newest slot that is due, and it starts that one until
startingDeadlineSeconds have passed (without that field: at any time). So a slot is missed as soon as it
cannot start any more: a newer one is due, or its deadline has passed. Until then it is waiting; after a grace
it is late, or delayed where concurrencyPolicy Forbid holds it back behind the run before it. The grace also
covers the 75 s for which a watch can be silent before that is noticed.
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

LONGEST_DEADLINE = 100 * 365 * 86400  # seconds; Kubernetes takes any int64, a timedelta does not
MOST_SLOTS = 2000  # of one CronJob that are judged at once


class SlotPlan(NamedTuple):
    """What a CronJob's spec says about its slots; `schedule` is None where they cannot be predicted."""

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
    """Return the plan of a CronJob; without a time zone of its own its schedule is in `controller_zone`.

    `@every` has no slots that can be predicted: only the CronJob controller knows from when it counts.
    """
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
        deadline=None if seconds is None else timedelta(seconds=min(seconds, LONGEST_DEADLINE)),
    )


def due_slots(plan: SlotPlan, after: datetime, until: datetime) -> list[datetime]:
    """Return the slots later than `after`, up to and with `until`; of very many only the newest."""
    if plan.schedule is None or plan.suspended or after >= until:
        return []
    second = timedelta(seconds=1)
    slots: list[datetime] = []
    for slot in plan.schedule.between(after + second, until + second):
        slots.append(slot)
        if len(slots) > 2 * MOST_SLOTS:
            del slots[:MOST_SLOTS]
    return slots[-MOST_SLOTS:]


def judge_slots(
    plan: SlotPlan,
    slots: Sequence[datetime],
    ran: Collection[datetime],
    now: datetime,
    grace: timedelta,
    was_running_at: Callable[[datetime], bool],
) -> list[tuple[datetime, SlotOutcome]]:
    """Return what became of each due slot that is not in `ran`, in their order.

    was_running_at: whether a run that began before the slot was still running at it.
    """
    outcomes: list[tuple[datetime, SlotOutcome]] = []
    for index, slot in enumerate(slots):
        if slot in ran:
            continue
        outcome = _judge_slot(
            plan=plan,
            slot=slot,
            newer=slots[index + 1] if index + 1 < len(slots) else None,
            now=now,
            grace=grace,
            is_still_running=plan.forbid and was_running_at(slot),
        )
        outcomes.append((slot, outcome))
    return outcomes


def _judge_slot(
    plan: SlotPlan,
    slot: datetime,
    newer: datetime | None,
    now: datetime,
    grace: timedelta,
    is_still_running: bool,
) -> SlotOutcome:
    passed = plan.deadline is not None and now > slot + plan.deadline + grace
    if passed or (newer is not None and now >= newer + grace):
        if is_still_running:
            return SlotOutcome.STILL_RUNNING
        return SlotOutcome.DEADLINE_PASSED if passed else SlotOutcome.NOT_STARTED
    if is_still_running:
        return SlotOutcome.DELAYED
    return SlotOutcome.LATE if now >= slot + grace else SlotOutcome.WAITING


def was_running(runs: Sequence[CronJobExecution], slot: datetime) -> bool:
    """Whether one of the runs began before the slot and had not ended at it."""
    return any(
        run.created_at < slot and (run.ended_at is None or run.ended_at > slot)
        for run in runs
        if run.job is not None
    )
