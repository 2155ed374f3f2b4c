"""Draw the README's pictures of the terminal from canned records: python -m tests.ui.picture FOLDER."""

import asyncio
import sys
from pathlib import Path
from typing import NamedTuple

from tests.ui.canned import CannedClient, FixedClock
from tests.ui.driving import until
from tests.ui.idleness import settle
from tests.ui.night_scene import night

from kronkeep_tui.app import KronkeepApp
from kronkeep_tui.navigation import Place
from kronkeep_tui.settings import TerminalSettings

FAILED = "pg-main-nightly"


class Picture(NamedTuple):
    """A picture's name, the tab that it shows, or the failed run, and its size in cells."""

    name: str
    start: str
    columns: int
    rows: int


PICTURES = (
    Picture(name="overview", start="overview", columns=170, rows=40),
    Picture(name="night", start="night", columns=140, rows=29),
    Picture(name="run", start="run", columns=104, rows=24),
)
LOG = b"""2026-11-24T03:00:05Z dumping payments, 412 tables
2026-11-24T03:04:31Z part 96/402 uploaded
2026-11-24T03:06:12Z part 188/402 uploaded
2026-11-24T03:08:01Z WARNING: sorting orders_2026 in memory
2026-11-24T03:08:24Z part 311/402 uploaded
2026-11-24T03:08:24Z killed
"""


async def draw(picture: Picture) -> str:
    """The picture as SVG."""
    client = CannedClient(*night())
    client.log_text = LOG
    tab = "runs" if picture.start == "run" else picture.start
    app = KronkeepApp(
        client,  # type: ignore[arg-type]
        TerminalSettings(theme="dark", zone="utc"),
        clock=FixedClock(),
        start=tab,
    )
    async with app.run_test(size=(picture.columns, picture.rows)) as pilot:
        await until(pilot, lambda: app.reader.has_read)
        await settle(app)
        if picture.start == "run":
            run = next(run for run in client.runs_given if run.cronjob == FAILED and run.status == "failed")
            app.frame.go((Place("runs"), Place("run", run.id)))
        if picture.start == "night":
            await pilot.press("G", "k", "k")
        await pilot.pause()
        await settle(app)
        app.frame.show()
        await settle(app)
        return app.export_screenshot(title="kronkeep")


if __name__ == "__main__":
    for each in PICTURES:
        (Path(sys.argv[1]) / f"{each.name}.svg").write_text(asyncio.run(draw(each)))
