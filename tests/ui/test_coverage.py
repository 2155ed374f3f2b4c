"""The coverage of claims in the terminal."""

from tests.ui.canned import CannedClient
from tests.ui.driving import app_of, screen, until
from tests.unit.tui.page_records import claim_coverage

from kronkeep_common.api import CoverageList


async def test_the_coverage_opens_from_any_view_and_is_read_again() -> None:
    client = CannedClient()
    async with app_of(client, start="storages").run_test(size=(100, 24)) as pilot:
        await pilot.press("V")
        await until(pilot, lambda: "There is no claim" in screen(pilot))
        client.coverage_given = CoverageList(items=[claim_coverage("lost")])
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "shop/lost" in screen(pilot))
        assert "No CronJob mounts it." in screen(pilot)
