"""Storages whose daemon is killed or has little time: apart, as one daemon at a time acts on a cluster."""

from collections.abc import Awaitable, Callable
from functools import partial

from tests.daemon_process import Daemon
from tests.e2e.storages.storage_steps import SETTLED, create_storage, list_credential_copies
from tests.waiting import eventually

from kronkeep_common.models import BackupStorageCreate
from kronkeep_daemon.kube import paths


async def test_killed_while_a_repository_is_made_and_started_again(daemon: Daemon) -> None:
    """At three moments: recorded, its first Job there, its repository there."""
    folder = daemon.state.parent / "vaults"

    def begun(number: int) -> Callable[[], Awaitable[bool]]:
        async def look() -> bool:
            cluster = await daemon.cluster()
            jobs, _ = await cluster.list(paths.jobs("kronkeep"))
            await cluster.close()
            names = [job["metadata"]["name"] for job in jobs]
            whole = (folder / "vault-2/config").exists()
            return number == 0 or (number == 1 and any("vault-1" in name for name in names)) or whole

        return look

    for number in range(3):
        async with daemon.client() as client:
            settings: dict[str, str | int] = {"path": str(folder / f"vault-{number}")}
            await client.storages.create(
                BackupStorageCreate(id=f"vault-{number}", kind="local", settings=settings)
            )
            await eventually(begun(number), bool)
        await daemon.kill()
        await daemon.start()
    async with daemon.client() as client:
        for number in range(3):
            name = f"vault-{number}"
            storage = await eventually(partial(client.storages.get, name), lambda s: s.status in SETTLED)
            assert storage.status == "active", storage
            assert len(list((folder / name / "keys").iterdir())) == 1
        cluster = await daemon.cluster()
        await eventually(partial(list_credential_copies, cluster), lambda names: names == [])
        await cluster.close()


async def test_a_volume_that_no_node_can_mount_fails_at_the_deadline_with_the_reason(
    late: Daemon,
) -> None:
    async with late.client() as client:
        settings: dict[str, str | int] = {"server": "nfs.example", "path": "/export"}
        storage = await create_storage(client, BackupStorageCreate(id="far", kind="nfs", settings=settings))
    cluster = await late.cluster()
    jobs, _ = await cluster.list(paths.jobs("kronkeep"))
    await cluster.close()
    assert (storage.status, storage.reason) == ("failed", "DeadlineExceeded")
    assert "cannot mount a volume of the type nfs" in (storage.message or "")
    assert jobs == []
