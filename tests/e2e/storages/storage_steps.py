"""What tests of storages do: Secrets, claims, storages and archives, and looks at their results."""

import asyncio
import base64
import json
import os
import subprocess
from functools import partial
from pathlib import Path

from tests.daemon_process import Daemon
from tests.e2e.storages.servers import StorageServer
from tests.quick_repository import create_password
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
from kronkeep_common.states import BACKUP_TRANSITIONS, StorageStatus, is_final
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster

CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


async def replace_secret(
    daemon: Daemon, name: str, data: dict[str, str], namespace: str = "kronkeep"
) -> None:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    cluster = await daemon.cluster()
    await cluster.delete(paths.secrets(namespace, name))
    await cluster.create(paths.secrets(namespace), {"metadata": {"name": name}, "data": encoded})
    await cluster.close()


async def create_claim(daemon: Daemon, name: str, namespace: str = "default") -> None:
    cluster = await daemon.cluster()
    await cluster.create(paths.claims(namespace), {"metadata": {"name": name}, "spec": CLAIM})
    await cluster.close()


async def create_storage(client: Client, request: BackupStorageCreate) -> BackupStorage:
    await client.storages.create(request)
    return await wait_for_storage(client, request.id)


async def create_quick_storage(daemon: Daemon, client: Client, name: str, folder: Path) -> BackupStorage:
    """Create a local storage whose repository is there already and opens quickly."""
    await daemon.prepare_storage(name, folder)
    return await create_storage(
        client,
        BackupStorageCreate(
            layout="shared", id=name, kind="local", settings={"path": str(folder)}, namespaces=("default",)
        ),
    )


async def write_repository(daemon: Daemon, server: StorageServer, name: str) -> None:
    """Write the repository of a storage that is about to be created on a server, and its password."""
    cluster = await daemon.cluster()
    password = await create_password(cluster, name)
    await cluster.close()
    await asyncio.to_thread(server.write_repository, name, password)


async def wait_for_storage(client: Client, name: str) -> BackupStorage:
    """Return the storage once it is active or failed."""
    return await eventually(partial(client.storages.get, name), is_settled)


def is_settled(storage: BackupStorage) -> bool:
    return storage.status in (StorageStatus.ACTIVE, StorageStatus.FAILED)


async def wait_for_backup(client: Client, backup_id: str | None) -> BackupExecution:
    """Return the backup once it has ended."""
    return await eventually(partial(client.backups.get, backup_id or ""), has_ended)


def has_ended(backup: BackupExecution) -> bool:
    return is_final(BACKUP_TRANSITIONS, backup.status)


async def archive_claim(daemon: Daemon, client: Client, name: str, storage: str) -> str:
    """Archive a new claim `name` to the storage once; return the snapshot's id."""
    await create_claim(daemon, name)
    script = "head -c 300000 /dev/urandom > /data/blob; echo done"
    cronjob = CronJobCreate(
        name=name,
        image="busybox:1.36",
        command=("sh", "-c", script),
        schedule="0 2 29 2 *",
        volumes=(VolumeMount(claim=name, mount_path="/data"),),
        policy=BackupPolicySpec(storage_id=storage),
    )
    await client.cronjobs.create(cronjob)
    run = await client.cronjobs.trigger("default", name)
    backup = await wait_for_backup(client, run.backup_id)
    assert (backup.status, backup.reason) == ("succeeded", None), backup
    assert backup.result is not None
    return backup.result.snapshot_id


async def list_snapshots(repository: str, password: str, **env: str) -> list[str]:
    """Return the short ids that this machine's own restic lists."""
    done = await asyncio.to_thread(
        subprocess.run,
        ["restic", "-r", repository, "--no-cache", "--no-lock", "snapshots", "--json"],
        env={**os.environ, "RESTIC_PASSWORD": password, **env},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [snapshot["short_id"] for snapshot in json.loads(done.stdout) or []]


async def list_credential_copies(cluster: Cluster) -> list[str]:
    """Return the names of the copies of credentials in the whole cluster."""
    secrets, _ = await cluster.list(paths.secrets())
    return [s["metadata"]["name"] for s in secrets if s["metadata"]["name"].endswith("-key")]
