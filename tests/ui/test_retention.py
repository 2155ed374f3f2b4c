"""Retention in the terminal: what would go, what stays and why; an approval needs the CronJob's name."""

from tests.ui.canned import CannedClient
from tests.ui.driving import app_of, screen, until


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
        await pilot.press("a", *["minus" if letter == "-" else letter for letter in name], "enter")
        await until(pilot, lambda: "TO REMOVE  0" in screen(pilot))
        assert client.asked == [("approve", "p1", "t0ken")]
        await pilot.press("a")
        await until(pilot, lambda: "Nothing waits for an approval." in screen(pilot))


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
