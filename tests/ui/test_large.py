"""A screen of 300 by 100: every view draws on all of it, no row is longer, nothing raises."""

from rich.cells import cell_len
from tests.ui.canned import CannedClient
from tests.ui.driving import a_way_to_every_view, app_of, screen, until
from tests.ui.idleness import settle
from tests.ui.scenes import busy

WIDE = 300
HIGH = 100


async def test_every_view_draws_at_300_by_100() -> None:
    app = app_of(CannedClient(*busy(failing=True)))
    async with app.run_test(size=(WIDE, HIGH)) as pilot:
        await until(pilot, lambda: app.reader.has_read)
        for way in a_way_to_every_view(app.reader.store):
            app.frame.go(way)
            await until(pilot, lambda: app.frame.view.ready)
            await settle(pilot.app)
            lines = screen(pilot).split("\n")
            crumb = app.frame.view.crumb(app.reader.store)
            assert len(lines) == HIGH, way
            assert {cell_len(line) for line in lines} == {WIDE}, way
            assert crumb in lines[2], way
            assert sum(1 for line in lines if line.strip()) > 3, way
            assert "fault of kronkeep" not in "\n".join(lines), way
