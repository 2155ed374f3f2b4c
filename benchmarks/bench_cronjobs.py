"""The terminal with TERMINAL_CRONJOBS CronJobs (20,000): listed, filtered, moved in; CPU milliseconds."""

import asyncio
import os
from functools import partial
from typing import Any

import msgspec
from tests.ui.canned import CannedClient, FixedClock
from tests.ui.scenes import busy

from benchmarks.bench_ui import SIZE, cpu_ms, frame_ms
from kronkeep_common.models import CronJob
from kronkeep_tui.app import KronkeepApp
from kronkeep_tui.views.jobs import JobsView

COUNT = int(os.environ.get("TERMINAL_CRONJOBS", "20000"))


def _make_cronjobs() -> list[CronJob]:
    patterns = busy().cronjobs
    return [
        msgspec.structs.replace(
            patterns[number % len(patterns)],
            id=f"{number:08d}-0000-4000-8000-000000000000",
            name=f"dump-{number}",
            namespace=f"team-{number % 200}",
        )
        for number in range(COUNT)
    ]


async def _measure() -> dict[str, float]:
    client: Any = CannedClient(cronjobs=_make_cronjobs(), runs=[], backups=[], storages=[])
    app = KronkeepApp(client, clock=FixedClock(), start="jobs")
    async with app.run_test(size=SIZE) as pilot:
        while not app.reader.has_read:
            await pilot.pause(0.05)
        await pilot.pause(0.5)
        view = app.frame.view
        assert isinstance(view, JobsView)
        return {
            "cronjobs.list_ms": round(await frame_ms(pilot, view.update), 1),
            "cronjobs.filter_ms": round(cpu_ms(partial(view.set_filter, "ns:team-7"), 1), 1),
            "cronjobs.all_again_ms": round(cpu_ms(partial(_filter_and_reset, view), 1), 1),
            "cronjobs.cursor_ms": round(await frame_ms(pilot, partial(view.table.move, 1)), 2),
        }


def _filter_and_reset(view: JobsView) -> None:
    view.set_filter("status:failed")
    view.set_filter("")


def run() -> dict[str, float]:
    """Return the CPU milliseconds of each step."""
    return asyncio.run(_measure())
