"""Silences and maintenances in the terminal: begun, seen and ended by keys."""

from tests.ui.canned import CannedClient
from tests.ui.driving import app_of, running_app, screen, until
from tests.unit.tui.page_records import ALERT, MAINTENANCE, SILENCE


async def test_they_are_begun_seen_and_ended() -> None:
    client = CannedClient(alerts=[ALERT])
    async with app_of(client, start="storages").run_test(size=(120, 24)) as pilot:
        await pilot.press("M")
        await until(pilot, lambda: "No alert is held back" in screen(pilot))
        client.silences_given = [SILENCE]
        client.maintenances_given = [MAINTENANCE]
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "database" in screen(pilot))
        assert "moving house" in screen(pilot)
        await pilot.press("x", "y")
        await until(pilot, lambda: "moving house" not in screen(pilot))
        await pilot.press("x", "y")
        await until(pilot, lambda: "No alert is held back" in screen(pilot))
        assert client.asked[-2:] == [("end maintenance", MAINTENANCE.id), ("end silence", SILENCE.id)]
        await pilot.press("m", *"ns:pay because x", "enter")
        await until(pilot, lambda: client.asked[-1][0] == "maintenance")
        assert client.asked[-1] == ("maintenance", "ns:pay", "None", "x")


async def test_an_alert_is_silenced_and_the_shown_cronjobs_are_suspended_from_their_views() -> None:
    client = CannedClient(alerts=[ALERT])
    client.silences_given = [SILENCE]
    async with app_of(client, start="alerts").run_test(size=(120, 24)) as pilot:
        await until(pilot, lambda: "shop/dump" in screen(pilot))
        await pilot.press("s", *"an upgrade", "enter")
        await until(pilot, lambda: "Holds back 2 open alerts" in screen(pilot))
        assert client.asked[-1] == ("silence", "ns:shop code:RunFailed", "14400", "an upgrade")
        await pilot.press("2")
        await until(pilot, lambda: "pg-ledger" in screen(pilot))
        await pilot.press("m", *"a move", "enter")
        await until(pilot, lambda: client.asked[-1][0] == "maintenance")
        assert client.asked[-1] == ("maintenance", "", "14400.0", "a move")


async def test_an_acknowledgement_and_a_silence_are_undone_and_each_has_its_line_for_a_shell() -> None:
    client = CannedClient(alerts=[ALERT])
    client.silences_given = [SILENCE]
    async with app_of(client, start="alerts").run_test(size=(120, 24)) as pilot:
        await until(pilot, lambda: "shop/dump" in screen(pilot))
        await pilot.press("a")
        await until(pilot, lambda: "u undoes it" in screen(pilot))
        await pilot.press("u")
        await until(pilot, lambda: "Undone:" in screen(pilot))
        assert client.asked == [("acknowledge", ALERT.id), ("unacknowledge", ALERT.id)]
        await pilot.press("s", *"an upgrade", "enter")
        await until(pilot, lambda: "M shows it.   u undoes it" in screen(pilot))
        await pilot.press("C")
        line = "kronkeep silence --filter 'ns:shop code:RunFailed' --for 240m --because 'an upgrade'"
        await until(pilot, lambda: line in [command.line for command in running_app(pilot).frame.last_change])
        await until(pilot, lambda: "the last change" in screen(pilot))
        await pilot.press("escape", "u")
        await until(pilot, lambda: client.asked[-1] == ("end silence", SILENCE.id))
        lines = [command.line for command in running_app(pilot).frame.last_change]
        assert lines[0] == f"kronkeep silence --end {SILENCE.id}"
