"""Whose backups are searched for a CronJob's name: its own, and those of one that was deleted."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.http.many import CLUSTER, many
from tests.records import make_backup

from kronkeep_common.errors import CronJobNotFound
from kronkeep_daemon.http.routes_file_changes import find_owners
from kronkeep_daemon.http.services import Services


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with many(tmp_path / "h", 2, 0) as services:
        for recorder in services.cronjobs.recorders.values():
            recorder.synced.set()
        yield services


async def put(services: Services, cronjob: str, cronjob_id: str, cluster: str = CLUSTER) -> None:
    """Record a backup of a CronJob in the namespace ns-1."""
    fields = {"namespace": "ns-1", "cronjob": cronjob, "cronjob_id": cronjob_id, "cluster": cluster}
    services.history.backups.put(make_backup(id=f"b-{cronjob_id}", **fields))
    await services.history.commit()


async def test_a_deleted_cronjob_has_its_backups(services: Services) -> None:
    await put(services, "gone", "uid-1")
    await put(services, "gone", "uid-2")
    await put(services, "gone-2", "uid-3")
    assert await find_owners(services, "ns-1", "gone") == ["uid-1", "uid-2"]
    with pytest.raises(CronJobNotFound):
        await find_owners(services, "ns-1", "never")
    with pytest.raises(CronJobNotFound):
        await find_owners(services, "ns-2", "gone")


async def test_one_that_was_made_again_has_those_of_before_too(services: Services) -> None:
    assert await find_owners(services, "ns-1", "job-1") == ["cronjob-1"]
    await put(services, "job-1", "before")
    assert await find_owners(services, "ns-1", "job-1") == ["before", "cronjob-1"]
