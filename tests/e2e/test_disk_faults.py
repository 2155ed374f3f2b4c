"""Disk faults as users see them: 507 without space until there is some; an exit code for a failed sync."""

import asyncio
import os
import resource
import shutil

import pytest
from tests.daemon_process import Daemon
from tests.waiting import LONGEST_WAIT

from kronkeep_common.client import Client
from kronkeep_common.errors import DaemonUnreachable, DamagedHistory, ReadOnlyHistory
from kronkeep_common.models import BackupStorageCreate
from kronkeep_daemon.history.history import EXIT_SYNC_FAILED


def storage_spec(daemon: Daemon, name: str) -> BackupStorageCreate:
    return BackupStorageCreate(
        id=name, kind="local", settings={"path": str(daemon.state.parent / name)}, namespaces=("default",)
    )


async def test_without_space_writes_are_refused_and_reads_are_answered_until_there_is_some(
    daemon: Daemon, client: Client
) -> None:
    resource.prlimit(daemon.announcement["pid"], resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    for _ in range(3):
        with pytest.raises(ReadOnlyHistory):
            await client.storages.create(storage_spec(daemon, "vault"))
        assert (await client.storages.list()).items == []
    resource.prlimit(daemon.announcement["pid"], resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    vault = await client.storages.create(storage_spec(daemon, "vault"))
    await daemon.kill()
    await daemon.start()
    async with daemon.client() as again:
        assert [storage.id for storage in (await again.storages.list()).items] == [vault.id]


@pytest.mark.skipif(shutil.which("strace") is None or os.getuid() != 0, reason="needs strace and root")
async def test_a_failed_sync_ends_the_daemon_with_an_exit_code_of_its_own(
    daemon: Daemon, client: Client
) -> None:
    arguments = [
        "-f",
        "-qq",
        "-o",
        os.devnull,
        "-einject=fdatasync:error=EIO",
        "-p",
        str(daemon.announcement["pid"]),
    ]
    strace = await asyncio.create_subprocess_exec("strace", *arguments)
    async with asyncio.timeout(LONGEST_WAIT):
        while daemon.is_running():
            try:
                await client.storages.create(storage_spec(daemon, os.urandom(4).hex()))
            except DamagedHistory:
                await asyncio.sleep(0.05)
            except DaemonUnreachable:
                break
        assert await daemon.stop() == EXIT_SYNC_FAILED
        await strace.wait()
