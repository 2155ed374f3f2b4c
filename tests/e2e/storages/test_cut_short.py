"""Storages whose daemon is killed or has little time: a module of their own, with daemons of their own."""

import operator
from functools import partial

from tests.daemon_process import Daemon
from tests.e2e.storages.storage_steps import create_storage, list_credential_copies, wait_for_storage
from tests.waiting import eventually

from kronkeep_common.models import BackupStorageCreate
from kronkeep_daemon.kube import paths


async def test_a_daemon_that_is_killed_while_it_creates_a_repository_finishes_it_once(daemon: Daemon) -> None:
    """Kill it at three moments: the storage is recorded, its first Job exists, its repository exists."""
    folder = daemon.state.parent / "vaults"

    async def has_reached(step: int) -> bool:
        if step == 0:
            return True
        cluster = await daemon.cluster()
        jobs, _ = await cluster.list(paths.jobs("kronkeep"))
        await cluster.close()
        has_job = any("vault-1" in job["metadata"]["name"] for job in jobs)
        return (step == 1 and has_job) or (folder / "vault-2/config").exists()

    for number in range(3):
        async with daemon.client() as client:
            settings: dict[str, str | int] = {"path": str(folder / f"vault-{number}")}
            await client.storages.create(
                BackupStorageCreate(
                    id=f"vault-{number}", kind="local", settings=settings, namespaces=("default",)
                )
            )
            await eventually(partial(has_reached, number), bool)
        await daemon.kill()
        await daemon.start()
    async with daemon.client() as client:
        for number in range(3):
            name = f"vault-{number}"
            storage = await wait_for_storage(client, name)
            keys = list((folder / name / "keys").iterdir())
            if storage.reason == "ConfigLost":  # restic was killed after it wrote the key, before the config
                continue
            assert (storage.status, len(keys)) == ("active", 1), storage
        cluster = await daemon.cluster()
        await eventually(partial(list_credential_copies, cluster), operator.not_)
        await cluster.close()


async def test_a_volume_that_no_node_can_mount_fails_at_the_deadline_with_the_reason(
    impatient_daemon: Daemon,
) -> None:
    async with impatient_daemon.client() as client:
        settings: dict[str, str | int] = {"server": "nfs.example", "path": "/export"}
        storage = await create_storage(
            client, BackupStorageCreate(id="far", kind="nfs", settings=settings, namespaces=("default",))
        )
    cluster = await impatient_daemon.cluster()
    jobs, _ = await cluster.list(paths.jobs("kronkeep"))
    await cluster.close()
    assert (storage.status, storage.reason) == ("failed", "DeadlineExceeded")
    # An embedded node mounts none; a kubelet has no such file system, or cannot look up the server's name.
    refusals = ("cannot mount a volume of the type nfs", "MountVolume.SetUp failed")
    assert any(refusal in (storage.message or "") for refusal in refusals), storage
    assert jobs == []
