"""What can be restored now, of a real history: the newest good backup however many failed ones came after."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.integration.http.many import CLUSTER, many
from tests.records import make_backup

from kronkeep_common.models import BackupResult
from kronkeep_common.models.restorable import RestorableBackup
from kronkeep_common.states import BackupStatus
from kronkeep_daemon.http.services import Services

NOW = datetime.now(UTC).replace(microsecond=0)
CRONJOBS = 12
FAILED = 150  # more than any page of the lists


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with many(tmp_path / "h", CRONJOBS, 0) as services:
        yield services


async def put(services: Services, number: int, hours: int, **fields: Any) -> str:
    """Record a backup of a CronJob of so many hours ago, and return its id."""
    begun = NOW - timedelta(hours=hours)
    base = {
        "id": f"b-{number}-{hours}",
        "cluster": CLUSTER,
        "namespace": f"ns-{number}",
        "cronjob": f"job-{number}",
        "cronjob_id": f"cronjob-{number}",
        "storage_id": "s",
        "created_at": begun,
        "ended_at": begun + timedelta(minutes=1),
        "result": BackupResult(snapshot_id="5" * 64),
    }
    backup = make_backup(**{**base, **fields})
    services.history.backups.put(backup)
    await services.history.commit()
    return backup.id


async def read(services: Services) -> dict[str, RestorableBackup]:
    each = services.restorable.iter(services.extended.iter_cronjobs())
    return {backup.cronjob: backup async for backup in each}


async def test_a_good_backup_is_found_below_any_number_of_failed_ones(services: Services) -> None:
    good = await put(services, 1, FAILED + 1)
    for hours in range(FAILED):
        await put(services, 1, hours, status=BackupStatus.FAILED, result=None, reason="StorageFull")
    assert (await read(services))["job-1"].id == good


async def test_what_was_removed_or_is_missing_is_passed_over(services: Services) -> None:
    good = await put(services, 1, 3)
    await put(services, 1, 2, snapshot_removed_at=NOW)
    await put(services, 1, 1, snapshot_missing_at=NOW)
    found = (await read(services))["job-1"]
    assert (found.id, found.is_there, found.is_confirmed) == (good, True, True)


async def test_a_policy_of_which_nothing_can_be_restored_is_named(services: Services) -> None:
    await put(services, 1, 1, snapshot_missing_at=NOW)
    found = await read(services)
    assert found["job-1"].id is None
    assert "job-0" not in found  # it has no policy


async def test_backups_of_a_deleted_cronjob_are_listed(services: Services) -> None:
    good = await put(services, CRONJOBS + 1, 1)
    found = (await read(services))[f"job-{CRONJOBS + 1}"]
    assert (found.id, found.is_there) == (good, False)


async def test_a_cronjob_made_again_with_its_policy_has_the_backups_of_before(services: Services) -> None:
    (again,) = [each async for each in services.extended.iter_cronjobs() if each.name == "job-1"]
    assert again.policy is not None
    good = await put(services, 1, 1, cronjob_id="before", policy_id=again.policy.id)
    each = services.restorable.iter(services.extended.iter_cronjobs())
    found = [backup async for backup in each if backup.cronjob == "job-1"]
    assert [(backup.id, backup.is_there) for backup in found] == [(good, True)]
    other = await put(services, 1, 2, cronjob_id="long-before", policy_id="other")
    each = services.restorable.iter(services.extended.iter_cronjobs())
    found = [backup async for backup in each if backup.cronjob == "job-1"]
    assert [(backup.id, backup.is_there) for backup in found] == [(good, True), (other, False)]


async def test_one_that_was_found_in_a_repository_is_offered_where_nothing_else_is(
    services: Services,
) -> None:
    """After the history was lost every backup is such a one; a run whose end is not known is none."""
    recovered = await put(services, 3, 5, status=BackupStatus.UNKNOWN, recovered_at=NOW)
    await put(services, 3, 1, status=BackupStatus.UNKNOWN, result=None)
    found = (await read(services))["job-3"]
    assert (found.id, found.is_confirmed) == (recovered, False)
    good = await put(services, 3, 9)
    assert (await read(services))["job-3"].id == good


async def test_a_storage_that_cannot_be_used_is_said(services: Services) -> None:
    await put(services, 1, 1, storage_id="removed")
    assert (await read(services))["job-1"].storage_reason == "StorageUnknown"


async def test_the_newest_good_backup_after_another_is_found(services: Services) -> None:
    old = services.history.backups.get(await put(services, 1, 9))
    assert old is not None
    assert await services.restorable.find_newer(old) is None
    newer = await put(services, 1, 3)
    await put(services, 1, 2, status=BackupStatus.FAILED, result=None, reason="StorageFull")
    await put(services, 1, 1, snapshot_removed_at=NOW)
    found = await services.restorable.find_newer(old)
    assert found is not None
    assert found.id == newer
    assert await services.restorable.find_newer(found) is None
    again = await put(services, 1, 0, cronjob_id="made-again")
    renewed = await services.restorable.find_newer(old)
    assert (renewed.id if renewed is not None else None) == again
