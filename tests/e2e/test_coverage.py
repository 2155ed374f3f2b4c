"""The coverage of a cluster's claims, as API and command line show it, with a real restic."""

import asyncio
from pathlib import Path
from typing import Any

from tests.command_line import run_kronkeep
from tests.daemon_process import Daemon
from tests.e2e.restore_site import back_up
from tests.waiting import eventually

from kronkeep_common import object_keys
from kronkeep_common.client import Client
from kronkeep_common.models import BackupPolicySpec, CronJobCreate, VolumeMount
from kronkeep_common.models.coverage import ClaimCoverage
from kronkeep_daemon.kube import paths


async def create_claim(daemon: Daemon, name: str, **annotations: str) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}
    meta: dict[str, Any] = {"name": name, "annotations": annotations}
    cluster = await daemon.cluster()
    await cluster.create(paths.claims("default"), {"metadata": meta, "spec": spec})
    await cluster.close()


async def coverage_of(client: Client) -> dict[str, ClaimCoverage]:
    return {claim.name: claim for claim in (await client.coverage()).items}


async def test_a_claim_without_a_policy_is_seen_until_it_has_one(
    daemon: Daemon, client: Client, storage: Path, claim: Path
) -> None:
    await create_claim(daemon, "scratch", **{object_keys.EXEMPT: "made anew each night"})
    mount = (VolumeMount(claim="data", mount_path="/data"),)
    spec = CronJobCreate(
        name="job", image="busybox:1.36", command=("true",), schedule="0 2 29 2 *", volumes=mount
    )
    await client.cronjobs.create(spec)
    before = await eventually(
        lambda: coverage_of(client), lambda claims: {"data", "scratch"} <= claims.keys()
    )
    assert before["data"].status == "unprotected"
    assert before["data"].mounted_by == ("job",)
    assert (before["scratch"].status, before["scratch"].exemption) == ("exempt", "made anew each night")
    assert before["scratch"].size_bytes == 2 * 2**30
    check = await asyncio.to_thread(run_kronkeep, daemon, "coverage", "--check")
    assert check.returncode == 1
    assert "data" in check.stdout
    assert "scratch" not in check.stdout

    await client.cronjobs.set_policy("default", "job", BackupPolicySpec(storage_id="vault", retries=0))
    covered = (await coverage_of(client))["data"]
    assert (covered.status, covered.last_good_at) == ("covered", None)
    claim.mkdir(parents=True, exist_ok=True)
    (claim / "file").write_text("content")
    backup = await back_up(client)
    assert backup.claims == ("data",)
    covered = (await coverage_of(client))["data"]
    assert covered.last_good_at == backup.ended_at
    assert covered.policies[0].storage_id == "vault"
    check = await asyncio.to_thread(run_kronkeep, daemon, "coverage", "--check")
    assert (check.returncode, check.stdout) == (0, "")
    await client.cronjobs.suspend("default", "job")
    stopped = (await coverage_of(client))["data"]
    assert stopped.status == "stopped"
    assert "suspended" in stopped.message
    filtered = await client.coverage(filter="status:exempt")
    assert [each.name for each in filtered.items] == ["scratch"]
