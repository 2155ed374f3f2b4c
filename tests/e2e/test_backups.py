"""The main job, end to end: real socket, real cluster over HTTP, real restic."""

import json
from pathlib import Path

import msgspec
import pytest
from tests.daemon_process import Daemon
from tests.restic_command import run_restic
from tests.waiting import eventually

from kronkeep_common import errors
from kronkeep_common.client import Client
from kronkeep_common.models import BackupExecution, BackupPolicySpec, CronJobCreate, Retention, VolumeMount
from kronkeep_common.states import BACKUP_TRANSITIONS, is_final
from kronkeep_daemon.kube import paths

WRITE = (
    "printf 'first line\\nsecond' > /data/dump.sql; mkdir -p '/data/odd name'; echo x > '/data/odd name/ü'; "
    "echo the dump is written"
)


def cronjob(name: str, script: str, **policy: object) -> CronJobCreate:
    return CronJobCreate(
        name=name,
        image="busybox:1.36",
        command=("sh", "-c", script),
        schedule="0 2 29 2 *",
        volumes=(VolumeMount(claim="data", mount_path="/data"),),
        policy=BackupPolicySpec(storage_id="vault", **policy),  # type: ignore[arg-type]
    )


async def ended(client: Client, backup_id: str) -> BackupExecution:
    return await eventually(
        lambda: client.backups.get(backup_id), lambda b: is_final(BACKUP_TRANSITIONS, b.status)
    )


async def test_a_run_is_archived_linked_and_restored_byte_for_byte(
    daemon: Daemon, client: Client, storage: Path, claim: Path, tmp_path: Path
) -> None:
    created = await client.cronjobs.create(cronjob("dump", WRITE, compression="max"))
    assert created.policy is not None
    run = await client.cronjobs.trigger("default", "dump")
    assert run.backup_id is not None
    backup = await ended(client, run.backup_id)
    assert (backup.status, backup.reason) == ("succeeded", None)
    assert backup.cronjob_execution_id == run.id
    snapshots = json.loads(await run_restic(daemon, storage, "snapshots", "--json"))
    assert backup.result is not None
    assert [s["short_id"] for s in snapshots] == [backup.result.snapshot_id[:8]]
    assert set(snapshots[0]["tags"]) >= {
        f"run={run.id}",
        f"policy={created.policy.id}",
        f"backup={backup.id}",
    }
    await run_restic(daemon, storage, "restore", snapshots[0]["id"], "--target", str(tmp_path))
    restored = tmp_path / "source" / "data"
    for name in ("dump.sql", "odd name/ü"):
        assert (restored / name).read_bytes() == (claim / name).read_bytes()
    log = b"".join([chunk async for chunk in client.runs.log(run.id)])
    assert log.decode().split(" ", 1)[1] == "the dump is written\n"
    assert (await client.runs.get(run.id)).status == "succeeded"


async def test_a_failing_run_fails_its_backup_with_the_reason(
    daemon: Daemon, client: Client, storage: Path, claim: Path
) -> None:
    await client.cronjobs.create(cronjob("bad", "echo no >&2; exit 3"))
    run = await client.cronjobs.trigger("default", "bad")
    backup = await ended(client, run.backup_id or "")
    assert (backup.status, backup.reason) == ("failed", "CronJobFailed")
    found = await client.runs.get(run.id)
    assert (found.status, found.exit_code, found.reason) == ("failed", 3, "ExitCode")
    assert json.loads(await run_restic(daemon, storage, "snapshots", "--json")) in ([], None)


async def test_incremental_adds_only_the_change_and_retention_forgets(
    daemon: Daemon, client: Client, storage: Path, claim: Path
) -> None:
    rules = Retention(keep_last=1)
    await client.cronjobs.create(
        cronjob("grow", "date +%N >> /data/log; head -c 100000 /dev/zero > /data/big", retention=rules)
    )
    results = []
    for _ in range(2):
        run = await client.cronjobs.trigger("default", "grow")
        backup = await ended(client, run.backup_id or "")
        assert backup.result is not None
        results.append(backup.result)
    assert results[0].files_new == 2
    assert results[1].files_new == 0
    page = await eventually(
        lambda: client.backups.list(filter="name:grow"),
        lambda page: page.items[-1].snapshot_removed_at is not None,
    )
    assert len(page.items) == 2
    left = json.loads(await run_restic(daemon, storage, "snapshots", "--json"))
    assert [snapshot["short_id"] for snapshot in left] == [results[1].snapshot_id[:8]]


async def test_killed_during_an_archive_and_started_again_makes_exactly_one_snapshot(
    daemon: Daemon, client: Client, storage: Path, claim: Path
) -> None:
    await client.cronjobs.create(cronjob("big", "head -c 60000000 /dev/urandom > /data/random; sync"))
    run = await client.cronjobs.trigger("default", "big")
    await eventually(lambda: client.backups.get(run.backup_id or ""), lambda b: b.status == "running")
    await daemon.kill()
    await daemon.start()
    async with daemon.client() as again:
        backup = await ended(again, run.backup_id or "")
    assert backup.status == "succeeded", backup
    snapshots = json.loads(await run_restic(daemon, storage, "snapshots", "--json"))
    assert backup.result is not None
    assert [s["short_id"] for s in snapshots] == [backup.result.snapshot_id[:8]]


async def test_a_foreign_job_in_the_way_fails_the_backup_instead_of_leaving_it_running(
    daemon: Daemon, client: Client, storage: Path, claim: Path
) -> None:
    await client.cronjobs.create(cronjob("way", "sleep 2; echo x > /data/x"))
    run = await client.cronjobs.trigger("default", "way")
    cluster = await daemon.cluster()
    container = {"name": "c", "image": "busybox:1.36", "command": ["true"]}
    pod = {"restartPolicy": "Never", "containers": [container]}
    body = {"metadata": {"name": f"way-bk-{run.backup_id}-1"}, "spec": {"template": {"spec": pod}}}
    await cluster.create(paths.jobs("default"), body)
    await cluster.close()
    backup = await ended(client, run.backup_id or "")
    assert (backup.status, backup.reason) == ("failed", "NameTaken"), backup
    assert backup.message is not None
    assert "was not created by this kronkeep" in backup.message


REFUSALS: tuple[tuple[dict[str, object], type[errors.KronkeepError]], ...] = (
    ({"name": "Not_Valid"}, errors.InvalidName),
    ({"image": "no spaces allowed"}, errors.InvalidImage),
    ({"schedule": "61 * * * *"}, errors.InvalidSchedule),
    ({"time_zone": "Mars/Base"}, errors.InvalidTimeZone),
    ({"policy": BackupPolicySpec(storage_id="nowhere")}, errors.StorageNotFound),
    ({"policy": BackupPolicySpec(storage_id="vault", schedule="0 2 29 2 *")}, errors.ScheduleConflict),
    ({"policy": BackupPolicySpec(storage_id="vault", schedule="x")}, errors.InvalidSchedule),
    ({"namespace": "nowhere"}, errors.KronkeepError),
)


async def test_what_is_refused_leaves_nothing_behind(client: Client, storage: Path) -> None:
    for change, error in REFUSALS:
        request = msgspec.structs.replace(cronjob("fine", "true"), **change)
        with pytest.raises(error) as refusal:
            await client.cronjobs.create(request)
        assert refusal.value.next_step.endswith("."), change
        assert (await client.cronjobs.list()).items == [], change
        assert (await client.runs.list()).items == [], change


async def test_a_taken_name_suspend_resume_delete(client: Client, storage: Path, claim: Path) -> None:
    await client.cronjobs.create(cronjob("one", "true"))
    with pytest.raises(errors.NameTaken):
        await client.cronjobs.create(cronjob("one", "true"))
    assert (await client.cronjobs.suspend("default", "one")).suspended
    assert not (await client.cronjobs.resume("default", "one")).suspended
    with pytest.raises(errors.StorageInUse):
        await client.storages.delete("vault", "vault")
    with pytest.raises(errors.ConfirmationMissing):
        await client.cronjobs.delete("default", "one", "two")
    await client.cronjobs.delete("default", "one", "one")
    await eventually(client.cronjobs.list, lambda page: page.items == [])
    await client.storages.delete("vault", "vault")
