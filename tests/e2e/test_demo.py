"""Two `kronkeep demo`s at the same time: real dumps in real repositories, and nothing is left at the end."""

import asyncio
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.demo_process import DEMO, Demo, list_command_lines
from tests.waiting import eventually

from kronkeep_common.socket_path import shell_line
from kronkeep_common.states import BACKUP_TRANSITIONS, is_final
from kronkeep_daemon.demo import NAMESPACE

CRONJOBS = {"shop-db-dump", "always-fails", "too-slow", "weekly-report", "ledger"}


def list_open_to_others(state: Path) -> list[str]:
    """Return the files with logs and Secrets that other users could read; what pods write is left out."""
    private = [path for folder in ("history", "cluster/api") for path in (state / folder).rglob("*")]
    assert len(private) > 20
    return [str(path) for path in (state / "cluster", *private) if path.stat().st_mode & 0o077]


@pytest.fixture
def demos(tmp_path: Path) -> Iterator[list[Demo]]:
    running = [Demo(tmp_path / name) for name in ("a", "b")]
    for demo in running:
        demo.read_announcement()
    yield running
    for demo in running:
        demo.close()


async def wait_for_end(demo: Demo) -> None:
    async def look() -> list[str]:
        return demo.command_lines()

    await eventually(look, lambda lines: lines == [])


async def restore_dump(demo: Demo, folder: Path) -> bytes:
    """Run the shop's CronJob and restore its dump by restic, with what the demo has announced."""
    async with demo.client() as client:
        await client.cronjobs.suspend(NAMESPACE, "shop-db-dump")
        run = await client.cronjobs.trigger(NAMESPACE, "shop-db-dump")
        backup = await eventually(
            lambda: client.backups.get(run.backup_id or ""), lambda b: is_final(BACKUP_TRANSITIONS, b.status)
        )
        assert (backup.status, backup.reason) == ("succeeded", None)
        assert backup.result is not None
    repository = demo.announcement["repositories"]["demo-local"]
    command = ["restic", "-r", repository["repository"], "--password-file", repository["password_file"]]
    command += ["--no-cache", "restore", str(backup.result.snapshot_id), "--target", str(folder)]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
    (restored,) = folder.rglob("shop.sql")
    return restored.read_bytes()


def list_without_a_socket_named(cache: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command line that is not told of any socket."""
    environment = {name: text for name, text in os.environ.items() if name != "KRONKEEP_SOCKET"}
    return subprocess.run(
        [sys.executable, "-m", "kronkeep_tui", "get", "cronjobs", "-o", "name"],
        env=environment | {"XDG_CACHE_HOME": str(cache), "XDG_RUNTIME_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )


async def test_two_demos_work_at_the_same_time_and_leave_nothing(demos: list[Demo], tmp_path: Path) -> None:
    one, other = demos
    for demo in demos:
        async with demo.client() as client:
            assert {cronjob.name for cronjob in (await client.cronjobs.list()).items} == CRONJOBS
        restored = await restore_dump(demo, tmp_path / f"restored-{demo.folder.name}")
        claim = Path(demo.announcement["state"]) / "cluster/node/claims" / NAMESPACE / "shop-dumps/shop.sql"
        assert restored == claim.read_bytes()
        assert b"CREATE TABLE" in restored
        assert claim.stat().st_mode & 0o777 == 0o644  # as in any container
        assert list_open_to_others(Path(demo.announcement["state"])) == []
    refused = list_without_a_socket_named(tmp_path)
    assert refused.returncode == 3
    assert all(demo.announcement["socket"] in refused.stderr for demo in demos), refused.stderr
    for demo in demos:
        line = shell_line(Path(demo.announcement["socket"]), demo.announcement["kubeconfig"])
        assert line in (tmp_path / f"{demo.folder.name}.log").read_text()
    one.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(one.process.wait, 60) == 0
    await wait_for_end(one)
    assert list(one.folder.iterdir()) == []
    assert "shop-db-dump" in list_without_a_socket_named(tmp_path).stdout
    async with other.client() as client:
        assert len((await client.cronjobs.list()).items) == len(CRONJOBS)
    other.process.kill()
    await wait_for_end(other)


def test_quitting_the_terminal_stops_everything_that_the_demo_started(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    folder = tmp_path / "t"
    folder.mkdir()
    environment = {
        **os.environ,
        "TMPDIR": str(folder),
        "TERM": "xterm-256color",
        "LINES": "24",
        "COLUMNS": "80",
    }
    with subprocess.Popen(DEMO, stdin=slave, stdout=slave, stderr=slave, env=environment) as demo:
        os.close(slave)
        output = b""
        while b"shop-db" not in output:
            output += os.read(master, 65536)
        os.write(master, b"q")
        while demo.poll() is None:
            try:
                os.read(master, 65536)
            except OSError:
                break
        assert demo.wait(60) == 0
    os.close(master)
    assert list(folder.iterdir()) == []
    assert [line for line in list_command_lines() if str(folder) in line] == []
