"""Retention in the terminal: what would go, what stays and why; an approval needs the CronJob's name."""

import json

import msgspec
from tests.ui.canned import CannedClient
from tests.ui.driving import app_of, fill_field, form, screen, until
from tests.ui.scenes import storage

from kronkeep_common.errors import PreconditionFailed
from kronkeep_common.models import BackupPolicySpec, VolumeMount


async def test_what_goes_is_shown_and_approved_with_the_typed_name() -> None:
    client = CannedClient()
    async with app_of(client, start="policies").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "pg-ledger" in screen(pilot))
        await pilot.press("R")
        await until(pilot, lambda: "TO REMOVE  4" in screen(pilot))
        text = screen(pilot)
        assert "4 snapshots would go at once." in text
        assert "keeps 7 daily" in text
        assert "TO KEEP  7" in text
        assert "than 7 days" in text, "why it stays is wrapped, not cut"
        await pilot.press("a", *"pg-led", "enter")
        await until(pilot, lambda: "nothing was done" in screen(pilot))
        assert client.asked == []
        name = next(n for n in ("pg-ledger", "pg-main-nightly") if f"retention of {n}" in text)
        letters = ["minus" if letter == "-" else letter for letter in name]
        await pilot.press(*letters, "enter")  # the question stays open, without the wrong text
        await until(pilot, lambda: "TO REMOVE  0" in screen(pilot))
        assert client.asked == [("approve", "p1", "t0ken")]
        await pilot.press("a")
        await until(pilot, lambda: "Nothing waits for an approval." in screen(pilot))


async def test_a_plan_that_is_not_that_of_now_is_read_again_by_itself() -> None:
    client = CannedClient()

    async def refuse(*_: object) -> None:
        client.removed = 6
        raise PreconditionFailed("The snapshots are others than you saw.", next_step="Look at it again.")

    client.policies.approve_retention = refuse  # type: ignore[assignment]
    async with app_of(client, start="policies").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "pg-ledger" in screen(pilot))
        await pilot.press("R")
        await until(pilot, lambda: "TO REMOVE  4" in screen(pilot))
        name = next(n for n in ("pg-ledger", "pg-main-nightly") if f"retention of {n}" in screen(pilot))
        await pilot.press("a", *("minus" if letter == "-" else letter for letter in name), "enter")
        await until(pilot, lambda: "TO REMOVE  6" in screen(pilot))
        assert "The snapshots are others than you saw." in screen(pilot)


async def test_what_nobody_need_approve_and_read_only_refuse_the_approval() -> None:
    client = CannedClient()
    client.removed = 1
    async with app_of(client, start="policies").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "pg-ledger" in screen(pilot))
        await pilot.press("R")
        await until(pilot, lambda: "removed after the next backup" in screen(pilot))
        await pilot.press("a")
        await until(pilot, lambda: "Nothing waits for an approval." in screen(pilot))
    client.removed = 4
    async with app_of(client, start="policies", read_only=True).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "pg-ledger" in screen(pilot))
        await pilot.press("R")
        await until(pilot, lambda: "TO REMOVE  4" in screen(pilot))
        await pilot.press("a")
        await until(pilot, lambda: "Read-only" in screen(pilot))
    assert client.asked == []


async def test_rules_are_tried_in_the_form_on_the_snapshots_that_there_are_before_they_are_saved() -> None:
    client = CannedClient()
    client.spec = msgspec.structs.replace(client.spec, volumes=(VolumeMount(claim="data", mount_path="/d"),))
    client.spec = msgspec.structs.replace(client.spec, policy=BackupPolicySpec(storage_id="s3-eu"))
    client.storages_given = [storage("s3-eu", 1, 2)]
    async with app_of(client, start="policies").run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "pg-ledger" in screen(pilot))
        await pilot.press("e")
        await until(pilot, lambda: "[Backup]" in screen(pilot) and "s3-eu" in screen(pilot))
        assert "With these rules" not in screen(pilot)
        form(pilot).refresh_fields(at="policy.retention.days")
        await until(pilot, lambda: "With these rules 0 of 11 snapshots would go, 11 stay." in screen(pilot))
        await fill_field(pilot, "policy.retention.days", "")
        await fill_field(pilot, "policy.retention.keep_last", "3")
        await until(pilot, lambda: "With these rules 8 of 11 snapshots would go, 3 stay." in screen(pilot))
        assert "GO  8" in screen(pilot)
        tried = [json.loads(asked[2]) for asked in client.asked if asked[0] == "try rules"]
        assert (tried[-1].get("days"), tried[-1]["keep_last"]) == (None, 3)
        assert {name for name, *_ in client.asked} == {"try rules"}, "nothing was saved"
        assert "What any" not in screen(pilot), "one rule has nothing to be added to"
        await fill_field(pilot, "policy.retention.days", "30")
        await until(pilot, lambda: "Kept together: all of 30 days, and 3 last." in screen(pilot))
        assert "What any" in screen(pilot), "what any of them keeps stays"
        await fill_field(pilot, "policy.retention.keep_last", "x")
        await until(pilot, lambda: "What the rules would do is said once" in screen(pilot))
        form(pilot).refresh_fields(at="policy.storage_id")
        await until(pilot, lambda: "when the run has ended" in screen(pilot))
