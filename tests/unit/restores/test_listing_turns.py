"""Listings of snapshots by many readers: one Job each, in turns of each user."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from tests.records import make_backup
from tests.waiting import eventually

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import KronkeepError, TooMany
from kronkeep_common.models import BackupExecution, BackupResult
from kronkeep_daemon.restores import snapshot_listing
from kronkeep_daemon.restores.listing_queue import AT_ONCE, MOST_WAITING
from kronkeep_daemon.restores.snapshot_listing import ListingWriter, SnapshotListings
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.supervisor import Supervisor
from kronkeep_daemon.testing import settle


class Listings(SnapshotListings):
    """Listings whose Jobs are events of the test: `started` in order, each ends with `end`."""

    def __init__(self, folder: Path) -> None:
        self.started: list[str] = []
        self.gate = asyncio.Semaphore(0)
        records: Any = SimpleNamespace(get=self._backup)
        places: Any = SimpleNamespace(list_places=lambda backup_id, _: [self._backup(backup_id)])
        nothing: Any = None
        super().__init__(
            jobs=nothing,
            backups=records,
            places=places,
            storages=nothing,
            queues=nothing,
            reconciliation=nothing,
            settings=lambda: msgspec.structs.replace(Settings(), state=str(folder)),
            supervisor=Supervisor(SystemClock()),
        )

    def _backup(self, backup_id: str) -> BackupExecution:
        return make_backup(id=backup_id, result=BackupResult(snapshot_id="s" * 64))

    async def _read(self, backup: BackupExecution) -> None:
        self.started.append(backup.id)
        await self.gate.acquire()
        path = self._path(backup.id)
        path.parent.mkdir(exist_ok=True)
        with ListingWriter(path) as writer:
            writer.publish()


@pytest.fixture
def listings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Listings:
    monkeypatch.setattr(snapshot_listing, "WAIT_SECONDS", 30)
    return Listings(tmp_path)


async def settle_threads() -> None:
    for _ in range(10):
        await asyncio.to_thread(int)
        await settle()


async def wait_for_jobs(listings: Listings, count: int) -> None:
    async def count_started() -> int:
        return len(listings.started)

    assert await eventually(count_started, lambda started: started >= count) == count


async def test_a_hundred_readers_of_one_snapshot_start_one_job(listings: Listings) -> None:
    readers = [
        asyncio.ensure_future(listings.fetch_folder("b", "/", 10, None, uid)) for uid in list(range(50)) * 2
    ]
    await wait_for_jobs(listings, 1)
    await settle_threads()
    assert listings.started == ["b"]
    assert not await listings.needs_job("b")
    listings.gate.release()
    assert {page.total for page in await asyncio.gather(*readers)} == {0}
    await listings.fetch_folder("b", "/", 10, None, 1)
    assert listings.started == ["b"]


async def test_each_user_waits_for_their_own_and_for_nobody_elses(listings: Listings) -> None:
    greedy = [
        asyncio.ensure_future(listings.fetch_folder(f"greedy-{number}", "/", 10, None, 1))
        for number in range(MOST_WAITING + 5)
    ]

    async def count_refused() -> int:
        return sum(reader.done() for reader in greedy)

    await wait_for_jobs(listings, AT_ONCE)
    await eventually(count_refused, lambda count: count == 5)
    modest = asyncio.ensure_future(listings.fetch_folder("modest", "/", 10, None, 2))
    daemons_own = asyncio.ensure_future(
        listings.wait_until_ready(make_backup(id="own", result=BackupResult(snapshot_id="s" * 64)), None)
    )
    await wait_for_jobs(listings, AT_ONCE + 2)
    assert sorted(listings.started[-2:]) == ["modest", "own"]  # in which order, the threads decide
    for _ in range(MOST_WAITING + 2):
        listings.gate.release()
    answers = await asyncio.gather(*greedy, return_exceptions=True)
    refusals = [answer for answer in answers if isinstance(answer, KronkeepError)]
    assert len(refusals) == 5
    assert all(isinstance(refusal, TooMany) for refusal in refusals)
    assert (await modest).total == 0
    await daemons_own
    later = asyncio.ensure_future(listings.fetch_folder("later", "/", 10, None, 1))
    listings.gate.release()
    assert (await later).total == 0
