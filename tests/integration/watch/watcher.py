"""A watch of Jobs in a test, with what it delivered."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from tests.integration.watch.world import Quick
from tests.waiting import LONGEST_WAIT

from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.objects import Job
from kronkeep_daemon.kube.watch import ListWatch, WholeList


class Watcher:
    """A ListWatch of Jobs and the objects and events that it delivered."""

    def __init__(self, cluster: Cluster, clock: Quick, **options: float | tuple[int, int]) -> None:
        self.there: dict[str, str] = {}
        self.told: list[tuple[str, str]] = []
        self.clock = clock
        self.watch = ListWatch(
            cluster,
            paths.jobs(),
            kind=Job,
            receiver=WholeList(self._sync),
            on_event=self._event,
            clock=clock,
            **options,  # type: ignore[arg-type]
        )
        self._task = asyncio.create_task(self.watch.run())

    def _sync(self, items: list[Job]) -> None:
        self.there = {item.metadata.uid: item.metadata.name for item in items}

    def _event(self, kind: str, item: Job) -> None:
        self.told.append((kind, item.metadata.uid))
        if kind == "DELETED":
            self.there.pop(item.metadata.uid, None)
        else:
            self.there[item.metadata.uid] = item.metadata.name

    async def until(self, done: Callable[[], bool], seconds: float = LONGEST_WAIT) -> None:
        end = asyncio.get_running_loop().time() + seconds
        while not done():
            assert asyncio.get_running_loop().time() < end, (self.watch.state, self.there)
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
