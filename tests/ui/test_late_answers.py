"""Answers that come late to the form: of checks that run, and of texts that were changed since."""

import asyncio

from tests.ui.driving import ClientWithStorage, app_of, fill_field, form, open_form, screen, until

from kronkeep_common.errors import ScheduleConflict
from kronkeep_common.models import CronJob, CronJobCreate, ScheduleCheckRequest, ScheduleVerdict


async def test_a_key_that_fixes_a_conflict_waits_for_the_check() -> None:
    client = ClientWithStorage()
    check_schedule = client.policies.check_schedule
    answers = asyncio.Event()

    async def check_late(request: ScheduleCheckRequest) -> ScheduleVerdict:
        await answers.wait()
        return await check_schedule(request)

    client.policies.check_schedule = check_late  # type: ignore[method-assign]
    async with app_of(client).run_test(size=(80, 24)) as pilot:
        await open_form(pilot)
        await fill_field(pilot, "policy.schedule", "0 2 * * *")
        await pilot.press("f6")
        await until(pilot, lambda: "still checked how the schedules fit" in screen(pilot))
        answers.set()
        await until(pilot, lambda: "conflict  SameTime" in screen(pilot))
        await until(pilot, lambda: "still checked" not in screen(pilot))
        await pilot.press("f6")
        await until(pilot, lambda: form(pilot).draft["policy.schedule"] == "10 2 * * *")


async def test_a_refusal_of_what_was_changed_since_marks_no_field() -> None:
    client = ClientWithStorage()
    create = client.cronjobs.create
    answers = asyncio.Event()

    async def refuse_late(spec: CronJobCreate, *, dry_run: bool = False) -> CronJob:
        if dry_run:
            return await create(spec, dry_run=True)
        await answers.wait()
        raise ScheduleConflict("They are due together.", field="policy.schedule")

    client.cronjobs.create = refuse_late  # type: ignore[method-assign]
    async with app_of(client).run_test(size=(120, 50)) as pilot:
        await open_form(pilot)
        await pilot.press(*"x", "tab", *"busybox")
        await fill_field(pilot, "volumes.0", "data /data")
        await fill_field(pilot, "policy.schedule", "0 5 * * *")
        await pilot.press("ctrl+s", "ctrl+u")  # the text is changed before the answer comes
        answers.set()
        await until(pilot, lambda: "due together" in screen(pilot))
        assert "Backup!" not in screen(pilot)
        await fill_field(pilot, "policy.schedule", "0 5 * * *")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Backup!" in screen(pilot))  # of what it says now
        await pilot.press("f2")
        await until(pilot, lambda: "Backup!" not in screen(pilot))
