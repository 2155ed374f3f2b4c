"""The rights in systemd/kubernetes are enough for kronkeep's main job."""

from pathlib import Path

from tests.cluster_proxy import daemon_behind_proxy
from tests.e2e.daemon_account import create_account
from tests.external_cluster import is_of_platform
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.models import BackupPolicySpec, BackupStorageCreate, CronJobCreate, VolumeMount
from kronkeep_common.states import BACKUP_TRANSITIONS, is_final
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster


async def create_account_and_claim(kubeconfig: Path) -> str:
    """Create a claim, and return a token of the daemon's account."""
    cluster = await Cluster.connect(kubeconfig=kubeconfig)
    token = await create_account(cluster)
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await cluster.create(paths.claims("default"), {"metadata": {"name": "data"}, "spec": spec})
    await cluster.close()
    return token


async def test_the_main_job_needs_no_other_right(tmp_path: Path) -> None:
    async with (
        daemon_behind_proxy(tmp_path, create_account_and_claim) as (daemon, _, kubeconfig),
        daemon.client() as client,
    ):
        await do_main_job(client, tmp_path)
        cluster = await Cluster.connect(kubeconfig=kubeconfig)
        secrets, _ = await cluster.list(paths.secrets("default"))
        await cluster.close()
    assert [secret for secret in secrets if not is_of_platform(secret)] == []
    assert "is forbidden" not in (tmp_path / "kronkeepd.log").read_text()


async def do_main_job(client: Client, folder: Path) -> None:
    """Create a storage and a CronJob with a policy, run it, read its log, delete it."""
    await client.storages.create(
        BackupStorageCreate(
            id="vault", kind="local", settings={"path": str(folder / "v")}, namespaces=("default",)
        )
    )
    vault = await eventually(lambda: client.storages.get("vault"), lambda s: s.status in ("active", "failed"))
    assert vault.status == "active", vault
    spec = CronJobCreate(
        name="dump",
        image="busybox:1.36",
        command=("sh", "-c", "echo x | tee /data/x"),
        schedule="0 2 29 2 *",
        volumes=(VolumeMount(claim="data", mount_path="/data"),),
        policy=BackupPolicySpec(storage_id="vault"),
    )
    await client.cronjobs.create(spec)
    await client.cronjobs.suspend("default", "dump")
    run = await client.cronjobs.trigger("default", "dump")
    backup = await eventually(
        lambda: client.backups.get(run.backup_id or ""), lambda b: is_final(BACKUP_TRANSITIONS, b.status)
    )
    assert (backup.status, backup.reason) == ("succeeded", None)
    log = b"".join([chunk async for chunk in client.runs.log(run.id)])
    assert log.endswith(b"Z x\n"), log
    await client.cronjobs.delete("default", "dump", "dump")
