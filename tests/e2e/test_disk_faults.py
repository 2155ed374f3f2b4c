"""What users see of the daemon's disk: 507 without space, by itself well again; an exit code of its own."""

import asyncio
import os
import resource
import shutil

import pytest
from tests.daemon_process import Daemon

from kronkeep_common.client import Client
from kronkeep_common.errors import DaemonUnreachable, DamagedHistory, ReadOnlyHistory
from kronkeep_common.models import BackupStorageCreate
from kronkeep_daemon.history.history import EXIT_SYNC_FAILED


def storage(daemon: Daemon, name: str) -> BackupStorageCreate:
    return BackupStorageCreate(id=name, kind="local", settings={"path": str(daemon.state.parent / name)})


async def test_without_space_writes_are_refused_reads_go_on_and_it_resumes(
    daemon: Daemon, client: Client
) -> None:
    resource.prlimit(daemon.announcement["pid"], resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    for _ in range(3):
        with pytest.raises(ReadOnlyHistory):
            await client.storages.create(storage(daemon, "vault"))
        assert (await client.storages.list()).items == []
    resource.prlimit(daemon.announcement["pid"], resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    made = await client.storages.create(storage(daemon, "vault"))
    await daemon.kill()
    await daemon.start()
    async with daemon.client() as again:
        assert [found.id for found in (await again.storages.list()).items] == [made.id]


@pytest.mark.skipif(shutil.which("strace") is None or os.getuid() != 0, reason="needs strace and root")
async def test_a_failed_sync_ends_the_daemon_with_its_own_code(daemon: Daemon, client: Client) -> None:
    assert daemon._process is not None
    words = [
        "-f",
        "-qq",
        "-o",
        os.devnull,
        "-einject=fdatasync:error=EIO",
        "-p",
        str(daemon.announcement["pid"]),
    ]
    strace = await asyncio.create_subprocess_exec("strace", *words)
    async with asyncio.timeout(60):
        while daemon._process.poll() is None:
            try:
                await client.storages.create(storage(daemon, os.urandom(4).hex()))
            except DamagedHistory:
                await asyncio.sleep(0.05)
            except DaemonUnreachable:
                break
        assert await daemon.stop() == EXIT_SYNC_FAILED
        await strace.wait()
