"""Support for tests and embedding programs: a clock that a test moves, the services without a socket."""

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kronkeep_common.clock import SystemClock
from kronkeep_daemon.composition import Composition, CurrentSettings, compose
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.settings import ClusterSettings, Settings
from kronkeep_daemon.supervisor import Supervisor


class FakeClock:
    """A Clock that stands still until `advance`; sleepers wake in the order of their times."""

    def __init__(self, now: datetime = datetime(2026, 1, 15, 10, 0, tzinfo=UTC)) -> None:
        self._now = now
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> datetime:
        """Return the time that the test set, plus what it advanced."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds advanced so far."""
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        """Return once the test has advanced by `seconds`."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self._elapsed + seconds, self._count, future))
        await future

    async def advance(self, seconds: float) -> None:
        """Advance the clock and let every sleeper that is due run, in order."""
        target = self._elapsed + seconds
        while self._sleepers and self._sleepers[0][0] <= target:
            due, _, future = heapq.heappop(self._sleepers)
            self._move(due)
            if not future.done():
                future.set_result(None)
            await settle()
        self._move(target)
        await settle()

    def jump(self, seconds: float) -> None:
        """Move wall time alone, as a wrong time server does; the monotonic clock and sleepers stay."""
        self._now += timedelta(seconds=seconds)

    def _move(self, elapsed: float) -> None:
        self._now += timedelta(seconds=elapsed - self._elapsed)
        self._elapsed = elapsed


async def settle(turns: int = 20) -> None:
    """Let ready callbacks run for some turns of the event loop."""
    for _ in range(turns):
        await asyncio.sleep(0)


@asynccontextmanager
async def open_composition(
    cluster: Cluster, folder: Path, supervisor: Supervisor, settings: Settings
) -> AsyncIterator[Composition]:
    """Run the services over one cluster without socket or signals; the history is kept in `folder`."""
    history = await History.open(folder, clock=SystemClock())
    try:
        composition = compose([(cluster, ClusterSettings())], history, CurrentSettings(settings), supervisor)
        composition.start()
        cronjobs = composition.services.cronjobs
        await cronjobs.wait_until_synced()
        try:
            yield composition
        finally:
            await cronjobs.release_leases()
    finally:
        await supervisor.close()
        await history.close()
