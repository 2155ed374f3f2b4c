"""The queue before a repository, as API, command line and backups show it, with a real restic."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from tests.command_line import run_kronkeep
from tests.e2e.backup_site import DUMP_IMAGE, NEWER_RESTIC, BackupSite, backup_site, wait_for_end
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.models import DatabaseDump, Include, QueueEntry

pytestmark = pytest.mark.skipif(not NEWER_RESTIC.exists(), reason="no newer restic could be had")
ONE_AT_A_TIME: dict[str, Any] = {"parallel.repository": 1}
ENDLESS = Include(volumes=False, database=DatabaseDump(image=DUMP_IMAGE, command=("sleep", "3600")))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackupSite]:
    folder = tmp_path_factory.mktemp("queue")
    with backup_site(folder, str(NEWER_RESTIC), **ONE_AT_A_TIME) as running:
        yield running


async def test_who_waits_is_shown_with_place_and_reason_and_all_come_in_turn(
    site: BackupSite,
) -> None:
    async with site.client() as client:
        await site.create_storage("narrow")
        data = await site.create_claim("narrow")
        (data / "file").write_text("content")
        await site.create_cronjob(client, "endless", "", "narrow", include=ENDLESS)
        await site.create_cronjob(client, "low", "narrow", "narrow", priority="low", rpo_seconds=3600)
        await site.create_cronjob(client, "high", "narrow", "narrow", priority="high")
        endless = await client.cronjobs.back_up("default", "endless")
        await eventually(
            lambda: entries_of(client), lambda entries: shown(entries) == [("archive", "endless", None)]
        )
        low = await client.cronjobs.back_up("default", "low")
        await eventually(lambda: entries_of(client), lambda entries: len(entries) == 2)
        high = await client.cronjobs.back_up("default", "high")
        # A check that came before it would be next: a backup is in the queue a moment after its answer.
        await eventually(lambda: entries_of(client), lambda entries: len(entries) == 3)
        check = asyncio.ensure_future(client.storages.check("narrow"))
        waiting = [("archive", "high", 1), ("archive", "low", 2), ("check", None, 1)]
        entries = await eventually(lambda: entries_of(client), lambda entries: len(entries) == 4)
        assert shown(entries) == [("archive", "endless", None), *waiting]
        reasons = [entry.reason for entry in entries]
        assert reasons == [None, "RepositoryBusy", "RepositoryBusy", "RepositoryInUse"]
        assert [entry.priority for entry in entries] == ["normal", "high", "low", None]
        assert entries[2].good_until is not None
        explained = await eventually(lambda: client.backups.get(low.id), lambda b: b.reason is not None)
        assert (explained.status, explained.reason) == ("queued", "RepositoryBusy")
        table = await asyncio.to_thread(run_kronkeep, site.daemon, "get", "queue")
        assert table.stdout.count("RepositoryBusy") == 2, table
        await client.backups.cancel(endless.id)
        ended = [await wait_for_end(client, backup.id) for backup in (low, high)]
        assert [(backup.status, backup.reason) for backup in ended] == [("succeeded", None)] * 2, ended
        started = [backup.started_at for backup in ended if backup.started_at is not None]
        assert started == sorted(started, reverse=True)
        assert (await check).checked_at is not None
        await eventually(lambda: entries_of(client), lambda entries: not entries)


async def entries_of(client: Client) -> list[QueueEntry]:
    """Return the queue."""
    return list((await client.queue()).items)


def shown(entries: list[QueueEntry]) -> list[tuple[str, str | None, int | None]]:
    """Return what is to be seen of each entry."""
    return [(entry.task, entry.cronjob, entry.place) for entry in entries]
