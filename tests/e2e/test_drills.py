"""Drills and verifications end to end: what passes, what fails and why, and what the API shows."""

import base64
from pathlib import Path

import pytest
from tests.daemon_process import Daemon
from tests.e2e.restore_site import back_up, fill_claim, wait_until_ended
from tests.restic_command import run_restic
from tests.waiting import eventually

from kronkeep_common import errors
from kronkeep_common.client import Client
from kronkeep_common.models import (
    BackupPolicySpec,
    CronJobCreate,
    Drill,
    DrillCheck,
    RestoreRequest,
    RestoreTarget,
    VolumeMount,
)
from kronkeep_daemon.kube import paths


def policy(*check: str) -> BackupPolicySpec:
    """Return a policy with a drill on 29 February and that check command."""
    drill_check = DrillCheck(image="busybox:1.36", command=check) if check else None
    return BackupPolicySpec(storage_id="vault", drill=Drill(schedule="0 3 29 2 *", check=drill_check))


@pytest.fixture
async def claim_with_drill(client: Client, storage: Path, claim: Path) -> Path:
    """Create the CronJob `job` with a drill in its policy; return its claim's folder."""
    spec = CronJobCreate(
        name="job",
        image="busybox:1.36",
        command=("true",),
        schedule="0 2 29 2 *",
        volumes=(VolumeMount(claim="data", mount_path="/data"),),
        policy=policy("test", "-s", "/restored/source/data/program"),
    )
    await client.cronjobs.create(spec)
    fill_claim(claim, "one")
    return claim


async def test_a_drill_compares_with_the_manifest_runs_the_check_and_is_shown(
    client: Client, claim_with_drill: Path
) -> None:
    backup = await back_up(client)
    regular = [p for p in claim_with_drill.rglob("*") if p.is_file() and not p.is_symlink()]
    made = await eventually(lambda: client.backups.get(backup.id), lambda b: b.checksummed_files is not None)
    assert (made.checksummed_files, made.warnings) == (len(regular), ())
    done = await wait_until_ended(client, await client.cronjobs.drill("default", "job"))
    assert (done.status, done.reason, done.purpose) == ("completed", None, "drill"), done
    assert (done.verified_against, done.files_verified) == ("checksums", len(regular))
    assert done.duration_seconds is not None
    assert done.restore_seconds is not None
    assert 0 < done.restore_seconds < done.duration_seconds
    assert done.expected_seconds is None  # nothing had been restored before
    expected = (await client.cronjobs.get("default", "job")).expected_restore_seconds
    assert expected == pytest.approx(max(0.5, done.restore_seconds), abs=0.1)
    shown = await eventually(lambda: client.backups.get(backup.id), lambda b: b.verified_at is not None)
    assert shown.verified_by == done.id
    assert (await client.cronjobs.get("default", "job")).last_verified_at == done.ended_at
    assert (await client.policies.list()).items[0].last_verified_at == done.ended_at
    await client.cronjobs.set_policy("default", "job", policy("sh", "-c", "echo the dump is broken; exit 3"))
    failed = await wait_until_ended(client, await client.cronjobs.drill("default", "job"))
    assert (failed.status, failed.reason) == ("failed", "CheckFailed")
    assert failed.expected_seconds == expected
    assert "the dump is broken" in (failed.message or "")
    assert (await client.cronjobs.get("default", "job")).last_verified_at == done.ended_at


async def test_a_flipped_byte_and_a_lost_password_are_told_apart_and_nothing_is_verified(
    daemon: Daemon, client: Client, storage: Path, claim_with_drill: Path
) -> None:
    (claim_with_drill / "large").write_bytes(bytes(range(256)) * 4096)
    backup = await back_up(client)
    good = await client.backups.verify(backup.id)
    assert good.verified_at is not None
    pack = max((storage / "data").rglob("*"), key=lambda p: p.stat().st_size if p.is_file() else 0)
    whole = pack.read_bytes()
    pack.chmod(0o600)
    pack.write_bytes(whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:])
    with pytest.raises(errors.VerificationFailed) as refusal:
        await client.backups.verify(backup.id)
    assert "damaged" in str(refusal.value)
    failed = await wait_until_ended(client, await client.cronjobs.drill("default", "job"))
    assert (failed.status, failed.reason) == ("failed", "RepositoryDamaged"), failed
    assert (await client.backups.get(backup.id)).verified_at == good.verified_at
    pack.write_bytes(whole)
    cluster = await daemon.cluster()
    wrong = {"data": {"password": base64.b64encode(b"wrong").decode()}}
    await cluster.patch(paths.secrets("kronkeep", "kronkeep-storage-vault"), wrong)
    await cluster.close()
    request = RestoreRequest(target=RestoreTarget(claim="new"))
    refused = await wait_until_ended(client, await client.backups.restore(backup.id, request))
    assert (refused.status, refused.reason) == ("failed", "WrongPassword"), refused
    assert refused.next_step


async def test_files_that_change_meanwhile_have_no_hash_and_a_drill_without_a_backup_fails(
    client: Client, daemon: Daemon, storage: Path, claim_with_drill: Path
) -> None:
    failed = await wait_until_ended(client, await client.cronjobs.drill("default", "job"))
    assert (failed.status, failed.reason) == ("failed", "NoBackup")
    (claim_with_drill / "busy").write_text("000000000")
    script = "while :; do date +%N | dd of=/data/busy conv=notrunc bs=9 count=1 status=none; sleep 0.02; done"
    await client.cronjobs.create(
        CronJobCreate(
            name="writer",
            image="busybox:1.36",
            command=("sh", "-c", script),
            schedule="0 2 29 2 *",
            volumes=(VolumeMount(claim="data", mount_path="/data"),),
        )
    )
    run = await client.cronjobs.trigger("default", "writer")
    await eventually(lambda: client.runs.get(run.id), lambda r: r.status == "running")
    backup = await back_up(client)
    made = await eventually(lambda: client.backups.get(backup.id), lambda b: b.checksummed_files is not None)
    await client.runs.cancel(run.id)
    regular = [p for p in claim_with_drill.rglob("*") if p.is_file() and not p.is_symlink()]
    assert made.checksummed_files == len(regular) - 1  # `busy` has none
    done = await wait_until_ended(client, await client.cronjobs.drill("default", "job"))
    assert (done.status, done.files_verified) == ("completed", len(regular) - 1), done
    assert await run_restic(daemon, storage, "check")
