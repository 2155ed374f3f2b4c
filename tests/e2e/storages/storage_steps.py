"""Steps that the tests of storages share, and restic beside the daemon."""

import asyncio
import base64
import json
import os
import subprocess

from tests.daemon_process import Daemon
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.models import (
    BackupExecution,
    BackupPolicySpec,
    BackupStorage,
    BackupStorageCreate,
    CronJobCreate,
    VolumeMount,
)
from kronkeep_common.states import BACKUP_TRANSITIONS, is_final
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster

SETTLED = ("active", "failed")
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


async def replace_secret(
    daemon: Daemon, name: str, data: dict[str, str], namespace: str = "kronkeep"
) -> None:
    """Create a Secret; one of that name is deleted first."""
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    cluster = await daemon.cluster()
    await cluster.delete(paths.secrets(namespace, name))
    await cluster.create(paths.secrets(namespace), {"metadata": {"name": name}, "data": encoded})
    await cluster.close()


async def create_claim(daemon: Daemon, name: str, namespace: str = "default") -> None:
    """Create a claim of 1 GiB."""
    cluster = await daemon.cluster()
    await cluster.create(paths.claims(namespace), {"metadata": {"name": name}, "spec": CLAIM})
    await cluster.close()


async def create_storage(client: Client, spec: BackupStorageCreate) -> BackupStorage:
    """Create a storage and wait until it is active or has failed."""
    await client.storages.create(spec)
    return await eventually(lambda: client.storages.get(spec.id), lambda s: s.status in SETTLED)


async def wait_for_backup(client: Client, backup_id: str | None) -> BackupExecution:
    """Return the backup once it has ended."""
    return await eventually(
        lambda: client.backups.get(backup_id or ""), lambda b: is_final(BACKUP_TRANSITIONS, b.status)
    )


async def archive_claim(daemon: Daemon, client: Client, name: str, storage: str) -> str:
    """Run a CronJob `name` whose claim is archived to the storage; return the snapshot's id."""
    await create_claim(daemon, name)
    script = "head -c 300000 /dev/urandom > /data/blob; echo done"
    spec = CronJobCreate(
        name=name,
        image="busybox:1.36",
        command=("sh", "-c", script),
        schedule="0 2 29 2 *",
        volumes=(VolumeMount(claim=name, mount_path="/data"),),
        policy=BackupPolicySpec(storage_id=storage),
    )
    await client.cronjobs.create(spec)
    run = await client.cronjobs.trigger("default", name)
    backup = await wait_for_backup(client, run.backup_id)
    assert (backup.status, backup.reason) == ("succeeded", None), backup
    assert backup.result is not None
    return backup.result.snapshot_id


async def list_snapshots(repository: str, password: str, **env: str) -> list[str]:
    """Return the short ids of the snapshots that the machine's own restic lists."""
    completed = await asyncio.to_thread(
        subprocess.run,
        ["restic", "-r", repository, "--no-cache", "--no-lock", "snapshots", "--json"],
        env={**os.environ, "RESTIC_PASSWORD": password, **env},
        capture_output=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    return [snapshot["short_id"] for snapshot in json.loads(completed.stdout) or []]


async def list_credential_copies(cluster: Cluster) -> list[str]:
    """Return the names of the Secrets that hold copies of credentials, in all namespaces."""
    secrets, _ = await cluster.list(paths.secrets())
    return [s["metadata"]["name"] for s in secrets if s["metadata"]["name"].endswith("-key")]
