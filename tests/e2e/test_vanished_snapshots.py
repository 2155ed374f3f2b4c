"""Snapshots that go behind kronkeep's back, with real restic: nothing good is forgotten for them."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.backup_site import DEBIAN_RESTIC, BackupSite, backup_site
from tests.quick_repository import make_key_quick
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import (
    BackupExecution,
    BackupPolicySpec,
    ClaimSource,
    RestoreRequest,
    RestoreTarget,
    Retention,
    Source,
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackupSite]:
    with backup_site(tmp_path_factory.mktemp("vanished"), DEBIAN_RESTIC) as running:
        yield running


async def make_backups(site: BackupSite, client: Client, name: str, count: int) -> list[BackupExecution]:
    """Make good backups of a claim, storage and CronJob of that name."""
    source = await site.create_claim(name)
    await site.create_cronjob(client, name, name, name, retention=Retention(keep_last=5))
    backups = []
    for number in range(count):
        (source / "file").write_text(str(number))
        backups.append(await site.back_up(client, name))
    assert [backup.status for backup in backups] == ["succeeded"] * count
    return backups


async def forget(site: BackupSite, name: str, folder: Path, backup: BackupExecution) -> None:
    """Remove the backup's snapshot as another tool would."""
    assert backup.result is not None
    password = await site.read_password(name)
    await asyncio.to_thread(site.run_restic, folder, password, "forget", backup.result.snapshot_id)


async def keep_one(client: Client, name: str) -> str:
    """Let the policy keep one backup; return its id."""
    policy = BackupPolicySpec(
        storage_id=name,
        source=Source(claims=(ClaimSource(claim=name),)),
        retention=Retention(keep_last=1, min_good=1),
    )
    cronjob = await client.cronjobs.set_policy("default", name, policy)
    assert cronjob.policy is not None
    return cronjob.policy.id


async def open_alerts(client: Client) -> set[tuple[str, str]]:
    page = await client.alerts.list()
    return {(alert.code, alert.cronjob or "") for alert in page.items if alert.status != "resolved"}


async def wait_for_snapshot(client: Client, backup_id: str, *, is_missing: bool) -> None:
    """Wait until the snapshot of a backup is recorded as missing, or as there again."""
    await eventually(
        lambda: client.backups.get(backup_id), lambda b: (b.snapshot_missing_at is not None) == is_missing
    )


async def test_the_last_real_snapshot_stays_when_the_newest_was_removed_by_another_tool(
    site: BackupSite,
) -> None:
    folder = await site.create_storage("heavy")
    async with site.client() as client:
        oldest, newest = await make_backups(site, client, "heavy", 2)
        await forget(site, "heavy", folder, newest)
        policy_id = await keep_one(client, "heavy")
        plan = await client.policies.retention(policy_id)
        assert [verdict.backup_id for verdict in plan.keep] == [newest.id]
        with pytest.raises(KronkeepError, match=newest.id):
            await client.policies.apply_retention(policy_id)
        assert oldest.result is not None
        (left,) = await site.list_snapshots("heavy", folder)
        assert left["short_id"] == oldest.result.snapshot_id[:8]
        assert (await client.backups.get(newest.id)).snapshot_missing_at is not None
        assert (await client.backups.get(oldest.id)).snapshot_removed_at is None
        # From now on the rules see what is there.
        plan = await client.policies.retention(policy_id)
        assert ([v.backup_id for v in plan.keep], plan.remove) == ([oldest.id], ())
        cronjob = await client.cronjobs.get("default", "heavy")
        assert cronjob.last_good_backup_at == oldest.ended_at
        await eventually(lambda: open_alerts(client), lambda alerts: ("SnapshotMissing", "heavy") in alerts)


async def test_a_rolled_back_repository_is_noticed_by_a_measurement_and_so_is_its_return(
    site: BackupSite, tmp_path: Path
) -> None:
    folder = await site.create_storage("rolled")
    async with site.client() as client:
        first, second = await make_backups(site, client, "rolled", 2)
        await client.backups.files(first.id)
        await asyncio.to_thread(shutil.copytree, folder, tmp_path / "copy")
        await forget(site, "rolled", folder, first)
        await forget(site, "rolled", folder, second)
        await client.storages.measure("rolled")
        for backup in (first, second):
            await wait_for_snapshot(client, backup.id, is_missing=True)
        assert (await client.cronjobs.get("default", "rolled")).last_good_backup_at is None
        elsewhere = RestoreRequest(target=RestoreTarget(kind="new-claim", claim="rolled-copy"))
        plan = await client.backups.plan_restore(first.id, elsewhere)  # its listing is there
        assert "The repository lacked the snapshot at" in " ".join(plan.warnings)
        await asyncio.to_thread(shutil.rmtree, folder)
        await asyncio.to_thread(shutil.copytree, tmp_path / "copy", folder)
        await client.storages.check("rolled")
        for backup in (first, second):
            await wait_for_snapshot(client, backup.id, is_missing=False)
        assert (await client.cronjobs.get("default", "rolled")).last_good_backup_at == second.ended_at


async def test_a_snapshot_that_got_a_tag_of_somebody_else_has_another_id_and_is_still_there(
    site: BackupSite,
) -> None:
    """`restic tag` writes the snapshot again and removes the old one; retention follows it."""
    folder = await site.create_storage("tagged")
    async with site.client() as client:
        oldest, newest = await make_backups(site, client, "tagged", 2)
        policy_id = await keep_one(client, "tagged")
        password = await site.read_password("tagged")
        await asyncio.to_thread(site.run_restic, folder, password, "tag", "--add", "keep")
        await client.policies.apply_retention(policy_id)
        (left,) = await site.list_snapshots("tagged", folder)
        assert "keep" in left["tags"]
        kept = await client.backups.get(newest.id)
        assert kept.result is not None
        assert newest.result is not None
        assert (kept.snapshot_missing_at, kept.result.snapshot_id) == (None, left["id"])
        assert not left["id"].startswith(newest.result.snapshot_id)
        gone = await client.backups.get(oldest.id)
        assert (gone.snapshot_missing_at, gone.snapshot_removed_at is None) == (None, False)
        await client.backups.files(newest.id, "/source/tagged")


@pytest.mark.parametrize("way", ["verify", "browse"])
async def test_a_verify_or_a_look_into_a_vanished_snapshot_records_that_at_once(
    site: BackupSite, way: str
) -> None:
    folder = await site.create_storage(way)
    async with site.client() as client:
        (backup,) = await make_backups(site, client, way, 1)
        await forget(site, way, folder, backup)
        with pytest.raises(KronkeepError):
            await (client.backups.verify(backup.id) if way == "verify" else client.backups.files(backup.id))
        assert (await client.backups.get(backup.id)).snapshot_missing_at is not None


async def test_an_archive_whose_parent_vanished_is_made_without_it_and_says_so(site: BackupSite) -> None:
    folder = await site.create_storage("orphan")
    async with site.client() as client:
        older, parent = await make_backups(site, client, "orphan", 2)
        await forget(site, "orphan", folder, parent)
        backup = await site.back_up(client, "orphan")
        assert (backup.status, backup.attempt) == ("succeeded", 2)
        assert backup.result is not None
        assert (await client.backups.get(parent.id)).snapshot_missing_at is not None
        assert (await client.backups.get(older.id)).snapshot_missing_at is None


async def test_another_repository_with_the_same_password_is_neither_written_nor_forgotten_from(
    site: BackupSite, tmp_path: Path
) -> None:
    folder = await site.create_storage("other")
    async with site.client() as client:
        (first,) = await make_backups(site, client, "other", 1)
        await asyncio.to_thread(shutil.move, folder, tmp_path / "right")
        password = await site.read_password("other")
        await asyncio.to_thread(site.run_restic, folder, password, "init")
        await asyncio.to_thread(make_key_quick, folder, password)
        backup = await site.back_up(client, "other")
        assert (backup.status, backup.reason, backup.attempt) == ("failed", "WrongRepository", 1)
        storages = client.storages
        for work in (storages.test, storages.prune, storages.check, storages.measure):
            with pytest.raises(KronkeepError, match="Another repository"):
                await work("other")
        for look in (client.backups.files, client.backups.verify):
            with pytest.raises(KronkeepError, match="Another repository"):
                await look(first.id)
        assert (await client.backups.get(first.id)).snapshot_missing_at is None
        assert await site.list_snapshots("other", folder) == []
        await asyncio.to_thread(shutil.rmtree, folder)
        await asyncio.to_thread(shutil.move, tmp_path / "right", folder)
        assert (await client.storages.test("other")).reason is None
        assert (await site.back_up(client, "other")).status == "succeeded"


async def test_nothing_is_pruned_while_snapshots_are_missing_until_somebody_acknowledges_that(
    site: BackupSite, tmp_path: Path
) -> None:
    folder = await site.create_storage("held")
    async with site.client() as client:
        first, second = await make_backups(site, client, "held", 2)
        await asyncio.to_thread(shutil.copytree, folder, tmp_path / "copy")
        await forget(site, "held", folder, first)
        with pytest.raises(KronkeepError, match=f"{first.id}") as held:
            await client.storages.prune("held")
        assert "kronkeep storage acknowledge held" in held.value.next_step
        waits = (await client.storages.get("held")).prune_waits
        assert first.id in (waits or "")
        # What an older copy of the volume brings back is whole.
        await asyncio.to_thread(shutil.copytree, tmp_path / "copy", folder, dirs_exist_ok=True)
        await client.storages.prune("held")
        assert (await client.storages.get("held")).prune_waits is None
        assert (await client.backups.get(first.id)).snapshot_missing_at is None
        await forget(site, "held", folder, second)
        with pytest.raises(KronkeepError, match=f"{second.id}"):
            await client.storages.prune("held")
        await client.storages.acknowledge_missing("held")
        await client.storages.prune("held")
        assert (await client.backups.get(second.id)).snapshot_missing_at is not None
        counts = (await client.storages.get("held")).snapshots
        assert counts is not None
        assert counts.missing == 0
