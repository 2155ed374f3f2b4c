"""The rule about a slot without a Job, at its very edges."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from kronkeep_common.models import CronJobExecution
from kronkeep_common.schedule import Schedule
from kronkeep_common.states import ExecutionStatus, Trigger
from kronkeep_daemon.cronjobs import slot_rules
from kronkeep_daemon.cronjobs.slot_rules import SlotOutcome, SlotPlan

NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
GRACE = timedelta(seconds=120)
PLAN = SlotPlan(schedule=Schedule.parse("*/10 * * * *"), suspended=False, forbid=True, deadline=None)


def seconds(number: float) -> datetime:
    return NOON + timedelta(seconds=number)


@pytest.mark.parametrize(
    ("deadline", "held", "now", "became"),
    [
        (None, False, 119, SlotOutcome.WAITING),
        (None, False, 120, SlotOutcome.LATE),
        (None, True, 120, SlotOutcome.DELAYED),
        (None, False, 719, SlotOutcome.LATE),
        (None, False, 720, SlotOutcome.NOT_STARTED),  # the next slot's grace has passed
        (None, True, 720, SlotOutcome.STILL_RUNNING),
        (200, False, 320, SlotOutcome.LATE),
        (200, False, 321, SlotOutcome.DEADLINE_PASSED),  # the deadline, and the grace after it
        (200, True, 321, SlotOutcome.STILL_RUNNING),
    ],
)
def test_what_a_slot_became(deadline: int | None, held: bool, now: int, became: SlotOutcome) -> None:
    limit = None if deadline is None else timedelta(seconds=deadline)
    plan = PLAN._replace(deadline=limit)
    outcomes = slot_rules.judge_slots(
        plan=plan,
        slots=[NOON, seconds(600)],
        ran={seconds(600)},
        now=seconds(now),
        grace=GRACE,
        was_running_at=lambda _: held,
    )
    assert outcomes == [(NOON, became)]


def test_a_run_before_holds_only_where_runs_are_forbidden_to_overlap() -> None:
    plan = PLAN._replace(forbid=False)
    outcomes = slot_rules.judge_slots(
        plan=plan, slots=[NOON], ran=(), now=seconds(120), grace=GRACE, was_running_at=lambda _: True
    )
    assert outcomes == [(NOON, SlotOutcome.LATE)]


def run(began: float, ended: float | None, job: str | None = "j") -> CronJobExecution:
    return CronJobExecution(
        id="r",
        cluster="c",
        namespace="n",
        cronjob="j",
        cronjob_id="u",
        job=job,
        status=ExecutionStatus.RUNNING,
        trigger=Trigger.SCHEDULED,
        created_at=seconds(began),
        ended_at=None if ended is None else seconds(ended),
    )


@pytest.mark.parametrize(
    ("began", "ended", "holds"),
    [(-60, None, True), (-60, 1, True), (-60, 0, False), (0, 60, False), (60, None, False)],
)
def test_a_run_holds_a_slot_that_it_went_on_over(began: float, ended: float | None, holds: bool) -> None:
    others = [run(-900, -800), run(900, None)]
    assert slot_rules.was_running([*others, run(began, ended)], NOON) is holds


def test_a_record_without_a_job_holds_nothing() -> None:
    missed = msgspec.structs.replace(run(-60, None), job=None)
    assert not slot_rules.was_running([missed], NOON)


def test_slots_later_than_the_one_and_up_to_the_other() -> None:
    assert slot_rules.due_slots(PLAN, NOON, seconds(1200)) == [seconds(600), seconds(1200)]
    assert slot_rules.due_slots(PLAN, NOON, NOON) == []
    assert slot_rules.due_slots(PLAN._replace(suspended=True), NOON, seconds(1200)) == []
    assert slot_rules.due_slots(PLAN._replace(schedule=None), NOON, seconds(1200)) == []


def test_of_very_many_slots_only_the_newest_are_looked_at() -> None:
    plan = PLAN._replace(schedule=Schedule.parse("* * * * *"))
    slots = slot_rules.due_slots(plan, NOON, NOON + timedelta(days=10))
    assert len(slots) == slot_rules.MOST_SLOTS
    assert slots[-1] == NOON + timedelta(days=10)
    assert slots[0] == slots[-1] - timedelta(minutes=slot_rules.MOST_SLOTS - 1)
