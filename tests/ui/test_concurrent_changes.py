"""Somebody else changes the CronJob while its form is open: shown field by field, nothing typed is lost."""

import json
from typing import Any

import msgspec
import pytest
from tests.ui.driving import ClientWithStorage, app_of, fill_field, form, screen, until, wait_for_jobs
from textual.pilot import Pilot


async def open_first_in_form(pilot: Pilot[Any]) -> None:
    await wait_for_jobs(pilot)
    await pilot.press("e")
    await until(pilot, lambda: form(pilot).draft.get("schedule") == "0 3 * * *")


def change_meanwhile(client: ClientWithStorage, **changes: Any) -> None:
    client.spec = msgspec.structs.replace(client.spec, **changes)
    client.tag = '"2"'


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_change_by_somebody_else_is_shown_field_by_field_and_can_be_taken_or_not(
    size: tuple[int, int],
) -> None:
    client = ClientWithStorage()
    async with app_of(client).run_test(size=size) as pilot:
        await open_first_in_form(pilot)
        await fill_field(pilot, "image", "mine:1")
        change_meanwhile(client, image="theirs:1", schedule="0 5 * * *")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Somebody else changed CronJob image, CronJob schedule" in screen(pilot))
        assert client.asked == []
        assert (form(pilot).draft["image"], form(pilot).draft["schedule"]) == ("mine:1", "0 5 * * *")
        assert "CronJob schedule: 0 3 * * * → 0 5 * * *, as here" in screen(pilot)
        assert "ctrl+t takes theirs" in " ".join(screen(pilot).split())
        await pilot.press("ctrl+t")
        await until(pilot, lambda: form(pilot).draft["image"] == "theirs:1")
        assert "ctrl+t puts back mine:1" in screen(pilot)
        await pilot.press("ctrl+t", "ctrl+s")
        await until(pilot, lambda: client.asked)
        sent = json.loads(client.asked[0][1])
        assert (sent["image"], sent["schedule"]) == ("mine:1", "0 5 * * *")


async def test_a_form_that_was_left_still_knows_what_it_began_with() -> None:
    client = ClientWithStorage()
    async with app_of(client).run_test(size=(80, 24)) as pilot:
        await open_first_in_form(pilot)
        await fill_field(pilot, "image", "mine:1")
        await pilot.press("escape")
        change_meanwhile(client, image="theirs:1")
        await pilot.press("e")
        await until(pilot, lambda: "your earlier draft" in screen(pilot))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Somebody else changed CronJob image" in screen(pilot))
        assert form(pilot).draft["image"] == "mine:1"


async def test_a_change_that_was_saved_although_its_answer_got_lost_is_no_conflict() -> None:
    client = ClientWithStorage()
    async with app_of(client).run_test(size=(80, 24)) as pilot:
        await open_first_in_form(pilot)
        await fill_field(pilot, "image", "mine:1")
        change_meanwhile(client, image="mine:1")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "default/pg-main-nightly runs every day" in screen(pilot))


async def test_without_somebody_else_s_change_the_key_says_so() -> None:
    async with app_of(ClientWithStorage()).run_test(size=(80, 24)) as pilot:
        await open_first_in_form(pilot)
        await pilot.press("ctrl+t")
        await until(pilot, lambda: "Nobody else has changed this field" in screen(pilot))
