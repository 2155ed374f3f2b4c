"""`kronkeep doctor` against a running daemon, as a person calls it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.command_line import run_at
from tests.daemon_process import Daemon
from tests.waiting import eventually

from kronkeep_common.models import CronJobCreate
from kronkeep_daemon.kube import paths


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    process = Daemon(tmp_path / "s")
    await process.start()
    yield process
    await process.stop()


async def doctor(socket: str, *flags: str) -> tuple[int, str]:
    return await run_at(socket, "doctor", *flags)


def is_well(text: str) -> bool:
    """Whether nothing is wrong but that this machine's disk may be rather full."""
    faults = [line for line in text.splitlines() if line.startswith(("warn ", "fail "))]
    return " 0 fail" in text and all(line.startswith("warn  disk: ") for line in faults)


async def test_each_line_says_how_it_is_and_what_to_do(daemon: Daemon) -> None:
    socket = daemon.announcement["socket"]
    code, text = await eventually(lambda: doctor(socket, "--all"), lambda answer: is_well(answer[1]))
    assert code == 0
    for name in (
        "daemon",
        "socket",
        "disk",
        "history",
        "version",
        "clock",
        "watches",
        "right jobs",
        "restic",
    ):
        assert name in text
    Path(socket).chmod(0o666)
    code, text = await doctor(socket)
    assert (code, text.splitlines()[0][:5]) == (0, "warn ")
    assert "SocketMode=0660" in text
    assert "right jobs" not in text


async def test_what_is_left_in_a_cluster_is_listed_with_its_command(daemon: Daemon) -> None:
    async with daemon.client() as client:
        spec = CronJobCreate(name="dump", image="busybox", command=("true",), schedule="0 2 29 2 *")
        await client.cronjobs.create(spec)
        cluster = await daemon.cluster()
        note = {"metadata": {"annotations": {"kronkeep.dev/backup-policy": "{}"}}}
        await cluster.patch(paths.cronjobs("default", "dump"), note)
        await cluster.close()

        async def read_leftovers() -> str:
            return (await run_at(daemon.announcement["socket"], "uninstall", "--dry-run"))[1]

        text = await eventually(
            read_leftovers, lambda answer: "annotate" in answer and "leases/kronkeepd" in answer
        )
    assert "kubectl annotate -n default cronjobs/dump kronkeep.dev/backup-policy-" in text
    assert (await run_at(daemon.announcement["socket"], "uninstall"))[0] == 2


async def test_without_a_daemon_the_socket_is_what_fails(tmp_path: Path) -> None:
    code, text = await doctor(str(tmp_path / "nobody.sock"))
    assert code == 3
    assert text.startswith("fail  socket: ")
