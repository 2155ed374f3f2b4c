"""Draw the README's picture of the terminal from canned records: python -m tests.ui.picture FILE."""

import asyncio
import sys
from pathlib import Path

from tests.ui.canned import CannedClient, FixedClock
from tests.ui.driving import until
from tests.ui.idleness import settle
from tests.ui.scenes import busy

from kronkeep_tui.app import KronkeepApp


async def draw() -> str:
    app = KronkeepApp(CannedClient(*busy(failing=True)), clock=FixedClock(), start="jobs")  # type: ignore[arg-type]
    async with app.run_test(size=(96, 26)) as pilot:
        await until(pilot, lambda: app.reader.has_read)
        await settle(app)
        return app.export_screenshot(title="kronkeep")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(asyncio.run(draw()))
