"""Many keys in quick succession, as a key that is held or a slow link sends them: each view survives them."""

import random

import pytest
from tests.ui.canned import CannedClient
from tests.ui.driving import app_of, screen, until
from tests.ui.idleness import settle
from tests.ui.scenes import busy
from textual import events

TABS = "12345678"
NAMES = (
    "enter",
    "escape",
    "tab",
    "space",
    "up",
    "down",
    "left",
    "right",
    "pageup",
    "pagedown",
    "home",
    "end",
)
CONTROL = ("ctrl+p", "ctrl+r", "ctrl+s", "ctrl+u", "ctrl+t", "f1", "f2", "f3", "f5", "f9")
LETTERS = "abcdfghijklmnoprstuvwxyzABCDFGHIJKLMNOPRSTUVWXYZ/:[]-=+_?0"  # not E, the editor, nor q, quit
AT_ONCE = 20


@pytest.mark.parametrize("size", [(80, 24), (40, 10)], ids=str)
async def test_keys_in_quick_succession_end_nothing_and_the_screen_tells_the_truth(
    size: tuple[int, int],
) -> None:
    chosen = random.Random(f"{size}")
    app = app_of(CannedClient(*busy(failing=True)))
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.reader.has_read)
        for tab in TABS:
            keys = ["escape", "escape", tab, *chosen.choices([*LETTERS, *NAMES * 2, *CONTROL], k=AT_ONCE)]
            for key in keys:
                app.post_message(events.Key(key, key if len(key) == 1 else None))
            await settle(app)
            assert "fault of kronkeep" not in screen(pilot), (tab, keys)
        for _ in range(8):
            await pilot.press("escape")
        await pilot.press("0", "2", "escape", "escape")
        await until(pilot, lambda: app.frame.place.kind == "jobs" and len(app.frame.navigation.path) == 1)
        await settle(app)
        await until(pilot, lambda: " pg-" in screen(pilot))
        assert "None of " not in screen(pilot)
