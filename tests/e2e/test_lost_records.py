"""Records that are lost with the state folder, and CronJobs that are deleted and made again; real restic."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.backup_site import DEBIAN_RESTIC, BackupSite, backup_site, wait_for_end
from tests.e2e.lost_state import lose_state, run_cli, wait_for_recovery
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.models import (
    BackupExecution,
    PolicyCopy,
    Restore,
    RestoreRequest,
    RestoreTarget,
    Retention,
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackupSite]:
    with backup_site(tmp_path_factory.mktemp("lost"), DEBIAN_RESTIC) as running:
        yield running


async def back_up_after_run(client: Client, name: str) -> BackupExecution:
    """Run the CronJob, and return the backup that followed."""
    run = await client.cronjobs.trigger("default", name)
    linked = await eventually(lambda: client.runs.get(run.id), lambda r: r.backup_id is not None)
    return await wait_for_end(client, linked.backup_id or "")


async def test_backups_come_back_after_the_state_folder_was_lost(site: BackupSite, tmp_path: Path) -> None:
    folder = await site.create_storage("vault")
    source = await site.create_claim("data")
    async with site.client() as client:
        await site.create_cronjob(client, "job", "data", "vault", retention=Retention(keep_last=9))
        (source / "file").write_text("first")
        first = await site.back_up(client, "job", backup_type="full")
        (source / "file").write_text("second")
        second = await back_up_after_run(client, "job")
        assert (first.status, second.status) == ("succeeded", "succeeded")
    (tmp_path / "mine").write_text("mine")
    password = await site.read_password("vault")
    site.run_restic(folder, password, "backup", "--host", "laptop", "--tag", "mine", str(tmp_path / "mine"))
    await lose_state(site)
    await site.create_storage("vault")
    async with site.client() as client:
        counts = await wait_for_recovery(client, "vault")
        assert (counts.recovered, counts.foreign, counts.unrecorded, counts.missing) == (2, 1, 0, 0)
        assert "laptop" in await run_cli(site, "storage", "rescan", "vault")
        found = await client.backups.get(first.id)
        assert (found.status, found.reason, found.sequence) == ("unknown", "Recovered", 0)
        assert (found.backup_type, found.trigger) == ("full", "manual")
        assert found.recovered_at is not None
        doctor = await run_cli(site, "doctor", "--all")
        assert "recovered backups" in doctor
        assert "kronkeep verify" in doctor
        # The Job of its run is still in the cluster, so the run is recorded again, and it was good.
        by_run = await eventually(lambda: client.backups.get(second.id), lambda b: b.status == "succeeded")
        assert (by_run.cronjob_execution_id, by_run.sequence) == (second.cronjob_execution_id, 0)
        assert len(await site.list_snapshots("vault", folder)) == 3, "no run was archived a second time"
        assert (await client.cronjobs.get("default", "job")).last_good_backup_at == by_run.ended_at
        await client.backups.verify(first.id)
        await eventually(lambda: client.backups.get(first.id), lambda b: b.status == "succeeded")
        target = RestoreTarget(claim="back")
        restore = await client.backups.restore(first.id, RestoreRequest(target=target))
        ended: Restore = await eventually(
            lambda: client.restores.get(restore.id), lambda r: r.status in ("completed", "failed")
        )
        assert (ended.status, ended.reason) == ("completed", None)
        restored = [path.read_text() for path in (source.parent / "back").rglob("file")]
        assert restored == ["first"]
        third = await site.back_up(client, "job")
        assert third.sequence > 0


async def test_backups_of_a_cronjob_that_was_made_again_are_orphans_until_they_are_adopted(
    site: BackupSite,
) -> None:
    folder = await site.create_storage("orphanage")
    source = await site.create_claim("again")
    async with site.client() as client:
        retention = Retention(keep_last=2)
        old_id = await site.create_cronjob(client, "again", "again", "orphanage", retention=retention)
        backups = []
        for number in range(3):
            (source / "file").write_text(str(number))
            backups.append(await site.back_up(client, "again"))
        # What is about to be forgotten when it is adopted is left to the new policy's rules.
        await eventually(
            lambda: client.backups.get(backups[0].id), lambda b: b.snapshot_removed_at is not None
        )
        assert (await client.storages.orphans("orphanage")).items == []
        await client.cronjobs.delete("default", "again", confirm="again")
        new_id = await site.create_cronjob(client, "again", "again", "orphanage", retention=retention)
        assert new_id != old_id
        (orphan,) = (await client.storages.orphans("orphanage")).items
        assert (orphan.policy_id, orphan.cronjob, orphan.good) == (old_id, "again", orphan.snapshots)
        assert (orphan.retention, orphan.adopters[0]) == (retention, "default/again")
        assert old_id in await run_cli(site, "storage", "orphans")
        # The old policy's rules can still be tried and applied; one of three goes only when approved.
        plan = await client.policies.retention(old_id[:8], "default")
        assert len(plan.keep) == 2
        adopt = ("adopt", "default/again", "--policy", old_id[:8], "--yes", "again")
        assert "would become" in await run_cli(site, *adopt, "--dry-run")
        adopted = await run_cli(site, *adopt)
        assert adopted.startswith(f"{orphan.snapshots} backups of {old_id}")
        assert "again" in await run_cli(site, *adopt, "--undo")
        assert (await client.storages.orphans("orphanage")).items == [orphan]
        assert await run_cli(site, *adopt) == adopted
        entries = [entry for entry in (await client.audit()).items if entry.route.endswith("/adopt")]
        assert [entry.object["undo"] for entry in entries] == ["false", "true", "false"]
        assert {entry.object["policy"] for entry in entries} == {old_id[:8]}
        assert (await client.storages.orphans("orphanage")).items == []
        newest = await client.backups.get(backups[-1].id)
        assert (newest.policy_id, newest.tagged_policy_id) == (new_id, old_id)
        assert (await client.cronjobs.get("default", "again")).last_good_backup_at == newest.ended_at
        await client.storages.check("orphanage")
        assert (await client.backups.get(newest.id)).snapshot_missing_at is None
        # The new policy's retention counts them with its own, and forgets them by their tags.
        (source / "file").write_text("new")
        own = await site.back_up(client, "again")
        await eventually(
            lambda: client.backups.get(backups[1].id), lambda b: b.snapshot_removed_at is not None
        )
        assert own.result is not None
        assert newest.result is not None
        kept = {own.result.snapshot_id[:8], newest.result.snapshot_id[:8]}
        assert {each["short_id"] for each in await site.list_snapshots("orphanage", folder)} == kept


async def test_copies_bring_the_backups_back_when_the_first_storage_is_lost_with_the_records(
    site: BackupSite,
) -> None:
    folder = await site.create_storage("gone")
    spare = await site.create_storage("spare")
    await site.write_copies_repository("spare", spare, "gone")
    source = await site.create_claim("copied")
    (source / "file").write_text("kept elsewhere")
    async with site.client() as client:
        copies = (PolicyCopy(storage_id="spare"),)
        await site.create_cronjob(client, "copied", "copied", "gone", copies=copies)
        backup = await site.back_up(client, "copied")
        page = await eventually(
            lambda: client.copies.of_backup(backup.id),
            lambda page: bool(page.items) and page.items[0].status == "succeeded",
        )
        made = page.items[0]
    shutil.rmtree(folder)
    await lose_state(site)
    await site.create_storage("spare")
    async with site.client() as client:
        counts = await wait_for_recovery(client, "spare")
        assert (counts.recovered, counts.unrecorded, counts.unusable) == (1, 0, 0)
        found = await client.backups.get(backup.id)
        assert (found.storage_id, found.snapshot_state, found.reason) == ("gone", "missing", "Recovered")
        assert found.result is not None
        assert backup.result is not None
        assert found.result.snapshot_id[:8] == backup.result.snapshot_id[:8]
        (copy,) = (await client.copies.of_backup(backup.id)).items
        assert (copy.id, copy.snapshot_id, copy.snapshot_state) == (made.id, made.snapshot_id, "present")
        request = RestoreRequest(target=RestoreTarget(claim="copied-back"))
        restore = await client.backups.restore(backup.id, request)
        ended: Restore = await eventually(
            lambda: client.restores.get(restore.id), lambda r: r.status in ("completed", "failed")
        )
        assert (ended.status, ended.reason, ended.storage_id) == ("completed", None, "spare")
    restored = [path.read_text() for path in (source.parent / "copied-back").rglob("file")]
    assert restored == ["kept elsewhere"]
