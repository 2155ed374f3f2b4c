"""How a form shares its space: hints are whole, and the manifest gets most of a small screen."""

import pytest
from tests.ui.canned import CannedClient
from tests.ui.driving import ClientWithStorage, app_of, form, screen, until, wait_for_jobs

from kronkeep_tui.widgets.hint_lines import HintLines


async def test_the_manifest_gets_most_of_a_small_screen_and_gives_it_back() -> None:
    async with app_of(CannedClient()).run_test(size=(80, 24)) as pilot:
        await wait_for_jobs(pilot)
        await pilot.press("e")
        await until(pilot, lambda: "[CronJob]" in screen(pilot) and "run     " in screen(pilot))
        small = form(pilot).panel.size.height
        await pilot.press("f3")
        await until(pilot, lambda: "kind: CronJob" in screen(pilot))
        await until(pilot, lambda: form(pilot).panel.size.height > small + 3)
        assert form(pilot).form_widget.size.height >= 5
        await pilot.press("f3")
        await until(pilot, lambda: form(pilot).panel.size.height == small)


@pytest.mark.parametrize("size", [(80, 24), (120, 30)], ids=str)
async def test_a_long_hint_is_whole(size: tuple[int, int]) -> None:
    async with app_of(ClientWithStorage(), start="storages").run_test(size=size) as pilot:
        await until(pilot, lambda: "vault" in screen(pilot))
        await pilot.press("e")
        await until(pilot, lambda: "[Use]" in screen(pilot))
        whole = "Whoever makes pods there can open the repository"
        await until(pilot, lambda: whole in " ".join(word for word in screen(pilot).split() if word != "│"))
        await pilot.press("down", "down", "down")
        await until(pilot, lambda: pilot.app.query_one(HintLines).size.height == 1)
