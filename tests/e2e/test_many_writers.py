"""Eight writers on one repository with a real restic, with forget, prune and SIGKILL beside them.

The short run takes 20 seconds, as real archives and a prune must meet; `make torture` has ten minutes, or
WRITERS_SECONDS.
"""

import asyncio
import os
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from tests.e2e.backup_site import DEBIAN_RESTIC, BackupSite, backup_site, wait_for_end
from tests.e2e.restic_processes import kill_restic
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import Retention

WRITERS = 8
# In seconds, until a backup has ended: each of its attempts waits for the forgets of all others.
LONGEST_TURNS = 900.0
LONG = float(os.environ.get("WRITERS_SECONDS", "600"))
PARALLEL: dict[str, Any] = {"parallel.repository": WRITERS, "parallel.node": WRITERS}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackupSite]:
    with backup_site(tmp_path_factory.mktemp("writers"), DEBIAN_RESTIC, **PARALLEL) as running:
        yield running


class Writers:
    """What works on one storage at once, until `until` (seconds of the monotonic clock) has come."""

    def __init__(self, site: BackupSite, storage: str, until: float, seed: int) -> None:
        self.site = site
        self.storage = storage
        self.until = until
        self.chance = random.Random(seed)
        self.running: set[str] = set()
        self.most_at_once = 0
        self.finished_writers = 0
        self.ended: dict[str, int] = {}
        self.prunes = 0

    def is_over(self) -> bool:
        """Whether nothing new is to begin."""
        return time.monotonic() >= self.until

    async def write(self, client: Client, name: str) -> None:
        """Back up a claim again and again, at least twice, each time with other data."""
        data = await self.site.create_claim(name)
        await self.site.create_cronjob(
            client, name, name, self.storage, retries=3, retention=Retention(keep_last=1)
        )
        rounds = 0
        while rounds < 2 or not self.is_over():
            rounds += 1
            await asyncio.to_thread((data / "file").write_bytes, self.chance.randbytes(400_000))
            begun = await client.cronjobs.back_up("default", name)
            self.running.add(begun.id)
            ended = await wait_for_end(client, begun.id, LONGEST_TURNS)
            self.running.discard(begun.id)
            self.ended[ended.status] = self.ended.get(ended.status, 0) + 1
        self.finished_writers += 1

    async def kill(self) -> None:
        """Kill the restic of a random archive now and then."""
        while not self.is_over():
            await asyncio.sleep(self.chance.uniform(0.2, 2.0))
            if self.running:
                await asyncio.to_thread(kill_restic, self.chance.choice(sorted(self.running)))

    async def prune(self, client: Client) -> None:
        """Prune again and again, at least once while archives work."""
        while self.prunes == 0 or not self.is_over():
            with suppress(KronkeepError):  # as where a killed Job was in the way: the next one comes
                await client.storages.prune(self.storage)
                self.prunes += 1

    async def watch(self, client: Client) -> None:
        """Note how many archives work at once, and that exclusive work is alone."""
        while self.finished_writers < WRITERS:
            entries = [entry for entry in (await client.queue()).items if entry.status == "working"]
            kinds = [entry.kind for entry in entries]
            assert "exclusive" not in kinds or kinds == ["exclusive"], entries
            self.most_at_once = max(self.most_at_once, kinds.count("archive"))
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("seconds", [4.0, pytest.param(LONG, marks=pytest.mark.torture)])
@pytest.mark.timeout(1800)
async def test_the_repository_stays_whole_and_the_prune_comes(site: BackupSite, seconds: float) -> None:
    storage = f"writers-{seconds:.0f}"
    folder = await site.create_storage(storage)
    writers = Writers(site, storage, time.monotonic() + seconds, seed=int(seconds))
    async with site.client() as client:
        names = [f"{storage}-{number}" for number in range(WRITERS)]
        watching = asyncio.ensure_future(writers.watch(client))
        await asyncio.gather(
            *(writers.write(client, name) for name in names), writers.kill(), writers.prune(client)
        )
        await watching
        await client.storages.prune(storage)
        idle = await eventually(client.queue, lambda queue: not queue.items)
        assert not idle.items
    assert writers.prunes >= 1
    assert 2 <= writers.most_at_once <= WRITERS
    assert set(writers.ended) <= {"succeeded", "failed", "unknown"}, writers.ended
    assert writers.ended["succeeded"] >= WRITERS, writers.ended
    password = await site.read_password(storage)
    await site.check_repository(folder, password)
    assert site.run_restic(folder, password, "list", "locks", "--no-lock").strip() == ""
    # Each writer's newest good archive is there; retention has removed all good ones before it.
    assert len(await site.list_snapshots(storage, folder)) >= WRITERS
