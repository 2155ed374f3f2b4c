"""The rights in systemd/kubernetes are enough for kronkeep's main job."""

import contextlib
from pathlib import Path
from typing import Any

import yaml
from tests.cluster_proxy import daemon_behind_proxy
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.models import BackupPolicySpec, BackupStorageCreate, CronJobCreate, VolumeMount
from kronkeep_common.states import BACKUP_TRANSITIONS, is_final
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import AlreadyExists

RIGHTS = Path(__file__).parents[2] / "systemd" / "kubernetes" / "rights.yaml"
ACCOUNT = "/api/v1/namespaces/kronkeep/serviceaccounts"


async def create_account(kubeconfig: Path) -> str:
    """Apply the rights as an admin would; return a token of the account that has them."""
    cluster = await Cluster.connect(kubeconfig=kubeconfig)
    for body in yaml.safe_load_all(RIGHTS.read_text()):
        with contextlib.suppress(AlreadyExists):  # the namespace
            await cluster.create(collection_path(body), body)
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await cluster.create(paths.claims("default"), {"metadata": {"name": "data"}, "spec": spec})
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = await cluster.create(f"{ACCOUNT}/kronkeepd/token", request)
    await cluster.close()
    return str(token["status"]["token"])


def collection_path(body: dict[str, Any]) -> str:
    base = "/api/v1" if body["apiVersion"] == "v1" else f"/apis/{body['apiVersion']}"
    namespace = body["metadata"].get("namespace")
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"{base}{scope}/{body['kind'].lower()}s"


async def test_the_main_job_needs_no_other_right(tmp_path: Path) -> None:
    async with (
        daemon_behind_proxy(tmp_path, create_account) as (daemon, _, kubeconfig),
        daemon.client() as client,
    ):
        await do_main_job(client, tmp_path)
        cluster = await Cluster.connect(kubeconfig=kubeconfig)
        secrets, _ = await cluster.list(paths.secrets("default"))
        await cluster.close()
    assert secrets == []
    assert "is forbidden" not in (tmp_path / "kronkeepd.log").read_text()


async def do_main_job(client: Client, folder: Path) -> None:
    """Create a storage and a CronJob with a policy, run it, read its log, delete it."""
    await client.storages.create(
        BackupStorageCreate(id="vault", kind="local", settings={"path": str(folder / "v")})
    )
    vault = await eventually(lambda: client.storages.get("vault"), lambda s: s.status in ("active", "failed"))
    assert vault.status == "active", vault
    spec = CronJobCreate(
        name="dump",
        image="busybox",
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
