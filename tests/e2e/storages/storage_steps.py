"""Short words for what tests do with storages."""

import asyncio
import base64
import json
import os
import subprocess

from tests.e2e.conftest import Daemon, eventually

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


async def secret(daemon: Daemon, name: str, data: dict[str, str], namespace: str = "kronkeep") -> None:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    cluster = await daemon.cluster()
    await cluster.delete(paths.secrets(namespace, name))
    await cluster.create(paths.secrets(namespace), {"metadata": {"name": name}, "data": encoded})
    await cluster.close()


async def claim(daemon: Daemon, name: str, namespace: str = "default") -> None:
    cluster = await daemon.cluster()
    await cluster.create(paths.claims(namespace), {"metadata": {"name": name}, "spec": CLAIM})
    await cluster.close()


async def made(client: Client, wanted: BackupStorageCreate) -> BackupStorage:
    await client.storages.create(wanted)
    return await eventually(lambda: client.storages.get(wanted.id), lambda s: s.status in SETTLED)


async def finished(client: Client, backup_id: str | None) -> BackupExecution:
    """The backup once it has ended."""
    return await eventually(
        lambda: client.backups.get(backup_id or ""), lambda b: is_final(BACKUP_TRANSITIONS, b.status)
    )


async def archived(daemon: Daemon, client: Client, name: str, storage: str) -> str:
    """One archive of a claim of `name` to the storage; its snapshot's id."""
    await claim(daemon, name)
    script = "head -c 300000 /dev/urandom > /data/blob; echo done"
    wanted = CronJobCreate(
        name=name,
        image="busybox:1.36",
        command=("sh", "-c", script),
        schedule="0 2 29 2 *",
        volumes=(VolumeMount(claim=name, mount_path="/data"),),
        policy=BackupPolicySpec(storage_id=storage),
    )
    await client.cronjobs.create(wanted)
    run = await client.cronjobs.trigger("default", name)
    backup = await finished(client, run.backup_id)
    assert (backup.status, backup.reason) == ("succeeded", None), backup
    assert backup.result is not None
    return backup.result.snapshot_id


async def snapshots(repository: str, password: str, **env: str) -> list[str]:
    """The short ids that the machine's own restic sees."""
    done = await asyncio.to_thread(
        subprocess.run,
        ["restic", "-r", repository, "--no-cache", "--no-lock", "snapshots", "--json"],
        env={**os.environ, "RESTIC_PASSWORD": password, **env},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [snapshot["short_id"] for snapshot in json.loads(done.stdout) or []]


async def copies(cluster: Cluster) -> list[str]:
    """The names of the copies of credentials in the whole cluster."""
    secrets, _ = await cluster.list(paths.secrets())
    return [s["metadata"]["name"] for s in secrets if s["metadata"]["name"].endswith("-key")]
