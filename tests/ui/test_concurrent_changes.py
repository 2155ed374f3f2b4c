"""Somebody else changes the CronJob while its form is open: told by field, nothing typed is lost."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ui.driving import ClientWithStorage, app_of, fill_field, form, screen, until, wait_for_jobs
from textual.pilot import Pilot

from kronkeep_common.client.cronjobs import TaggedSpec
from kronkeep_common.models import BackupPolicySpec, CronJobCreate, EnvVar
from kronkeep_tui.form.concurrent_changes import find_changes, merge_changes, replace_texts, texts_of
from kronkeep_tui.form.draft import draft_of
from kronkeep_tui.form.form_state import FormState

SPEC = CronJobCreate(name="x", image="a", schedule="0 2 * * *", env=(EnvVar(name="A", value="1"),))


async def edited(pilot: Pilot[Any]) -> None:
    await wait_for_jobs(pilot)
    await pilot.press("e")
    await until(pilot, lambda: form(pilot).draft.get("schedule") == "0 3 * * *")


def theirs(client: ClientWithStorage, **changes: Any) -> None:
    client.spec = msgspec.structs.replace(client.spec, **changes)
    client.tag = '"2"'


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_theirs_is_told_field_by_field_and_can_be_taken_or_not(size: tuple[int, int]) -> None:
    client = ClientWithStorage()
    async with app_of(client).run_test(size=size) as pilot:
        await edited(pilot)
        await fill_field(pilot, "image", "mine:1")
        theirs(client, image="theirs:1", schedule="0 5 * * *")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Somebody else changed CronJob image, CronJob schedule" in screen(pilot))
        assert client.asked == []
        assert (form(pilot).draft["image"], form(pilot).draft["schedule"]) == ("mine:1", "0 5 * * *")
        assert "CronJob schedule: 0 3 * * * → 0 5 * * *, as here" in screen(pilot)
        assert "ctrl+t takes what somebody else wrote: theirs:1" in screen(pilot)
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
        await edited(pilot)
        await fill_field(pilot, "image", "mine:1")
        await pilot.press("escape")
        theirs(client, image="theirs:1")
        await pilot.press("e")
        await until(pilot, lambda: "your earlier draft" in screen(pilot))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Somebody else changed CronJob image" in screen(pilot))
        assert form(pilot).draft["image"] == "mine:1"


async def test_a_change_that_was_saved_although_its_answer_got_lost_is_no_conflict() -> None:
    client = ClientWithStorage()
    async with app_of(client).run_test(size=(80, 24)) as pilot:
        await edited(pilot)
        await fill_field(pilot, "image", "mine:1")
        theirs(client, image="mine:1")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "default/pg-main-nightly runs every day" in screen(pilot))


async def test_without_somebody_else_s_change_the_key_says_so() -> None:
    async with app_of(ClientWithStorage()).run_test(size=(80, 24)) as pilot:
        await edited(pilot)
        await pilot.press("ctrl+t")
        await until(pilot, lambda: "Nobody else has changed this field" in screen(pilot))


# the pure parts


def meeting(mine: dict[str, str], now: CronJobCreate) -> FormState:
    filling = FormState("edit default/x")
    filling.load(TaggedSpec(SPEC, "1"))
    filling.draft |= mine
    filling.take_in_changes(TaggedSpec(now, "2"))
    return filling


def test_a_field_of_many_rows_is_one_field() -> None:
    now = msgspec.structs.replace(SPEC, env=(EnvVar(name="B", value="2"), EnvVar(name="A", value="1")))
    filling = meeting({"env.1": "C=3"}, now)
    assert texts_of(filling.draft, "env") == ("A=1", "C=3")
    filling.swap_change("env")
    assert texts_of(filling.draft, "env") == ("B=2", "A=1")
    filling.swap_change("env")
    assert texts_of(filling.draft, "env") == ("A=1", "C=3")


def test_a_policy_that_somebody_took_away_is_one_difference() -> None:
    policy = BackupPolicySpec(storage_id="vault", compression="max", retries=5)
    with_policy = draft_of(msgspec.structs.replace(SPEC, policy=policy))
    without = draft_of(SPEC)
    assert [one.path for one in find_changes(with_policy, with_policy, without)] == ["policy.storage_id"]
    added = find_changes(without, without, with_policy)
    assert {"policy.storage_id", "policy.compression", "policy.retries"} <= {one.path for one in added}


def test_what_is_typed_after_taking_theirs_is_not_lost_by_the_next_swap() -> None:
    filling = meeting({"image": "mine"}, msgspec.structs.replace(SPEC, image="theirs"))
    filling.swap_change("image")
    filling.type_text("image", "third")
    filling.swap_change("image")
    assert filling.draft["image"] == "theirs"
    filling.swap_change("image")
    assert filling.draft["image"] == "third"


IMAGES = st.sampled_from(["a", "b", "c"])


@given(IMAGES, IMAGES, IMAGES)
def test_nobody_s_change_is_lost(base: str, mine: str, now: str) -> None:
    """Three-way: theirs where mine is untouched, mine where both changed, and then both can be had."""
    drafts = [replace_texts(draft_of(SPEC), "image", (text,)) for text in (base, mine, now)]
    found = find_changes(*drafts)
    assert bool(found) == (base != now)
    here = merge_changes(drafts[1], found)["image"]
    assert here == (mine if mine != base else now)
    if found and mine not in (base, now):
        assert found[0].collides
