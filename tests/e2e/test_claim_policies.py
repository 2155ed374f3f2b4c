"""Claims with a policy of their own, as of a StatefulSet, end to end with a real restic."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.command_line import run_kronkeep
from tests.e2e.backup_site import DEBIAN_RESTIC, BackupSite, backup_site
from tests.e2e.lost_state import lose_state, run_cli, wait_for_recovery
from tests.e2e.restore_site import wait_until_ended
from tests.waiting import eventually

from kronkeep_common import errors, object_keys
from kronkeep_common.client import Client
from kronkeep_common.models import BackupExecution, BackupPolicySpec, CronJob, RestoreRequest, RestoreTarget
from kronkeep_daemon.kube import paths

TEMPLATE = {"storage_id": "vault", "schedule": "0 3 29 2 *", "retention": {"keep_last": 2}, "retries": 0}
FIRST = "pvc/data-db-0"
SECOND = "pvc/data-db-1"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackupSite]:
    with backup_site(tmp_path_factory.mktemp("claims"), DEBIAN_RESTIC) as running:
        yield running


async def create_claim(site: BackupSite, name: str, policy: dict[str, Any], **fields: Any) -> Path:
    """Create a claim as a StatefulSet makes it from its template; return its folder."""
    resources = {"requests": {"storage": "1Gi"}}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": resources, **fields}
    meta = {"name": name, "annotations": {object_keys.POLICY: json.dumps(policy)}}
    await site.create_object(paths.claims("default"), {"metadata": meta, "spec": spec})
    folder = site.daemon.claims / "default" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


async def wait_for(client: Client, name: str) -> CronJob:
    """Return a claim with a policy once the watch has shown it."""

    async def look() -> CronJob | None:
        return next((each for each in (await client.cronjobs.list()).items if each.name == name), None)

    found = await eventually(look, lambda one: one is not None)
    assert found is not None
    return found


async def test_each_claim_of_a_statefulset_is_a_subject_of_its_own(site: BackupSite) -> None:
    await site.create_storage("vault")
    folders = [await create_claim(site, f"data-db-{number}", TEMPLATE) for number in range(2)]
    await create_claim(site, "raw", TEMPLATE, volumeMode="Block")
    await create_claim(site, "no-slot", TEMPLATE | {"schedule": None})
    await create_claim(site, "others", TEMPLATE | {"source": {"claims": [{"claim": "data-db-0"}]}})
    for number, folder in enumerate(folders):
        (folder / "file").write_text(f"content of {number}")
    async with site.client() as client:
        shown = [await wait_for(client, name) for name in (FIRST, SECOND)]
        assert all(each.policy is not None and each.next_backup_at is not None for each in shown)
        assert shown[0].policy_fault is None
        faults = {name: (await wait_for(client, f"pvc/{name}")).policy_fault for name in ("raw", "no-slot")}
        assert "block volume" in (faults["raw"] or "")
        assert "needs a schedule" in (faults["no-slot"] or "")
        assert "and not data-db-0" in ((await wait_for(client, "pvc/others")).policy_fault or "")
        backups = [await site.back_up(client, name) for name in (FIRST, SECOND)]
        assert [backup.status for backup in backups] == ["succeeded", "succeeded"], backups
        assert [backup.claims for backup in backups] == [("data-db-0",), ("data-db-1",)]
        assert backups[0].policy_id != backups[1].policy_id
        assert backups[0].cronjob_execution_id is None
        fresh = await client.cronjobs.get("default", FIRST)
        assert (fresh.kind, fresh.last_good_backup_at) == ("PersistentVolumeClaim", backups[0].ended_at)
        policies = {view.cronjob: view for view in (await client.policies.list()).items}
        assert policies[SECOND].snapshots == 1
        coverage = {each.name: each for each in (await client.coverage()).items}
        assert (coverage["data-db-0"].status, coverage["raw"].status) == ("covered", "stopped")
        assert coverage["data-db-0"].last_good_at == backups[0].ended_at
        assert FIRST in await run_cli(site, "get", "policies")
        assert "PersistentVolumeClaim" in await run_cli(site, "describe", "cronjob", f"default/{FIRST}")
        for verb in ("trigger", "suspend"):
            refused = await asyncio.to_thread(run_kronkeep, site.daemon, verb, f"default/{FIRST}")
            assert refused.returncode != 0
            assert "is a claim: it has no runs" in refused.stderr
        await restore_both_ways(client, backups[0], folders[0])
        await drill_and_forget(site, client, folders[1])
    await come_back_after_a_loss(site, backups[0])


async def test_a_job_that_nothing_owns_is_recorded_under_its_own_name(site: BackupSite) -> None:
    container = {"name": "main", "image": "busybox:1.36", "command": ["sh", "-c", "echo migrated"]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    meta = {"name": "migrate", "annotations": {object_keys.HELM_HOOK: "pre-upgrade"}}
    await site.create_object(paths.jobs("default"), {"metadata": meta, "spec": {"template": template}})
    async with site.client() as client:
        answer = await eventually(
            lambda: client.runs.list(filter="job:migrate"),
            lambda page: (
                bool(page.items) and page.items[0].status == "succeeded" and bool(page.items[0].logs)
            ),
        )
        (run,) = answer.items
        assert (run.cronjob, run.helm_hook, run.backup_id) == ("job/migrate", "pre-upgrade", None)
        log = await asyncio.to_thread(run_kronkeep, site.daemon, "logs", run.id)
        assert "migrated" in log.stdout
        assert "job/migrate" in await run_cli(site, "get", "runs", "--filter", "job:*")
        body = msgspec.json.decode(msgspec.json.encode({"metadata": meta, "spec": {"template": template}}))
        body["metadata"]["name"] = "upgrade"
        body["spec"] |= {"backoffLimit": 0}
        body["spec"]["template"]["spec"]["containers"][0]["command"] = ["sh", "-c", "echo no space; exit 3"]
        await site.create_object(paths.jobs("default"), body)
        page = await eventually(lambda: client.alerts.list(filter="job:*"), lambda page: bool(page.items))
        (alert,) = page.items
        assert (alert.code, alert.cronjob, alert.severity) == ("RunFailed", "job/upgrade", "warning")
        assert "job/upgrade" in await run_cli(site, "get", "alerts", "--filter", "job:upgrade")
        everything = (await client.runs.list()).items
        assert not any(
            each.cronjob.startswith("job/")
            for each in everything
            if each.cronjob != "job/upgrade" and each.id != run.id
        )


async def restore_both_ways(client: Client, backup: BackupExecution, folder: Path) -> None:
    """Restore into a new claim, whose name is made from the claim's, and in place."""
    restore = await client.backups.restore(backup.id, RestoreRequest(target=RestoreTarget()))
    done = await wait_until_ended(client, restore)
    assert done.status == "completed", done
    assert done.target is not None
    assert (done.target.claim or "").startswith("data-db-0-restored-")
    (folder / "file").write_text("lost")
    in_place = RestoreRequest(target=RestoreTarget(kind="in-place"), overwrite=True, confirm=FIRST)
    suspending = RestoreRequest(target=in_place.target, overwrite=True, confirm=FIRST, suspend=True)
    with pytest.raises(errors.InvalidRequest, match="no runs to suspend"):
        await client.backups.restore(backup.id, suspending)
    plan = await client.backups.plan_restore(backup.id, in_place)
    assert any("scale them down" in warning for warning in plan.warnings)
    done = await wait_until_ended(client, await client.backups.restore(backup.id, in_place))
    assert done.status == "completed", done
    assert (folder / "file").read_text() == "content of 0"


async def drill_and_forget(site: BackupSite, client: Client, folder: Path) -> None:
    """Drill the claim's policy, and let its retention forget what is over."""
    drill = await wait_until_ended(client, await client.cronjobs.drill("default", SECOND))
    assert (drill.status, drill.cronjob) == ("completed", SECOND), drill
    for number in range(2):
        (folder / "file").write_text(f"later {number}")
        await site.back_up(client, SECOND)
    backups = [each for each in (await client.backups.list()).items if each.cronjob == SECOND]
    oldest = backups[-1]
    removed = await eventually(
        lambda: client.backups.get(oldest.id), lambda backup: backup.snapshot_removed_at is not None
    )
    assert removed.snapshot_state == "removed"


async def come_back_after_a_loss(site: BackupSite, backup: BackupExecution) -> None:
    """Lose the state folder: tags say which claim a snapshot is of; without its policy it is an orphan."""
    await lose_state(site)
    await site.create_storage("vault")
    async with site.client() as client:
        counts = await wait_for_recovery(client, "vault")
        assert (counts.recovered, counts.unrecorded) == (3, 0)
        found = await client.backups.get(backup.id)
        assert (found.cronjob, found.policy_id) == (FIRST, backup.policy_id)
        assert found.policy is not None
        assert FIRST not in await run_cli(site, "storage", "orphans")
        await client.policies.remove_from_claim("default", "data-db-0")
        assert FIRST in await run_cli(site, "storage", "orphans")
        with pytest.raises(errors.CronJobNotFound, match="no claim default/data-db-0 with a policy"):
            await client.cronjobs.get("default", FIRST)
        manifest = site.daemon.state.parent / "policy.yaml"
        manifest.write_text(
            "kind: ClaimPolicy\nclaim: data-db-0\npolicy: {storage_id: vault, schedule: '0 4 29 2 *'}\n"
        )
        assert "would be created" in await run_cli(site, "apply", "--dry-run", "-f", str(manifest))
        assert "created" in await run_cli(site, "apply", "-f", str(manifest))
        assert "unchanged" in await run_cli(site, "apply", "-f", str(manifest))
        again = await client.cronjobs.get("default", FIRST)
        assert again.policy is not None
        assert again.policy.id == backup.policy_id
        assert FIRST not in await run_cli(site, "storage", "orphans")
        with pytest.raises(errors.StorageInUse, match=FIRST):
            await client.storages.delete("vault", "vault")
        with pytest.raises(errors.PolicyNotFound, match="no PersistentVolumeClaim default/none"):
            await client.policies.set_for_claim(
                "default", "none", BackupPolicySpec(storage_id="vault", schedule="0 4 * * *")
            )
