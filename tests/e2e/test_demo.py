"""`kronkeep demo`, twice side by side: real dumps in real repositories, and nothing left when it goes."""

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.states import BACKUP_TRANSITIONS, is_final
from kronkeep_daemon.demo import NAMESPACE

DEMO = [sys.executable, "-m", "kronkeep_tui", "demo"]
CRONJOBS = {"shop-db-dump", "always-fails", "too-slow", "weekly-report", "ledger"}


class Demo:
    """One demo without a terminal, in its own temporary folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self._log = (folder.parent / f"{folder.name}.log").open("wb")
        self.process = subprocess.Popen(
            [*DEMO, "--headless"],
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, "TMPDIR": str(folder)},
        )
        self.announcement: dict[str, Any] = {}

    def ready(self) -> None:
        assert self.process.stdout is not None
        self.announcement = json.loads(self.process.stdout.readline())

    def client(self) -> Client:
        return Client(Path(self.announcement["socket"]))

    def running(self) -> list[str]:
        """The command lines of this machine that name the demo's folder."""
        return [line for line in command_lines() if str(self.folder) in line]

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()


def command_lines() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found


def open_to_others(state: Path) -> list[str]:
    """What other users of the machine could read of logs and Secrets; what pods write is its own affair."""
    ours = [path for room in ("history", "cluster/api") for path in (state / room).rglob("*")]
    assert len(ours) > 20
    return [str(path) for path in (state / "cluster", *ours) if path.stat().st_mode & 0o077]


@pytest.fixture
def demos(tmp_path: Path) -> Iterator[list[Demo]]:
    found = [Demo(tmp_path / name) for name in ("a", "b")]
    for demo in found:
        demo.ready()
    yield found
    for demo in found:
        demo.close()


async def gone(demo: Demo) -> None:
    async def look() -> list[str]:
        return demo.running()

    await eventually(look, lambda found: found == [], 60)


async def dump(demo: Demo, folder: Path) -> bytes:
    """What restic, by hand with what the first line said, gives back of the shop's newest dump."""
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


async def test_two_demos_work_side_by_side_and_leave_nothing(demos: list[Demo], tmp_path: Path) -> None:
    one, other = demos
    for demo in demos:
        async with demo.client() as client:
            assert {cronjob.name for cronjob in (await client.cronjobs.list()).items} == CRONJOBS
        restored = await dump(demo, tmp_path / f"restored-{demo.folder.name}")
        claim = Path(demo.announcement["state"]) / "cluster/node/claims" / NAMESPACE / "shop-dumps/shop.sql"
        assert restored == claim.read_bytes()
        assert b"CREATE TABLE" in restored
        assert claim.stat().st_mode & 0o777 == 0o644  # as in any container
        assert open_to_others(Path(demo.announcement["state"])) == []
    one.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(one.process.wait, 60) == 0
    await gone(one)
    assert list(one.folder.iterdir()) == []
    async with other.client() as client:
        assert len((await client.cronjobs.list()).items) == len(CRONJOBS)
    other.process.kill()
    await gone(other)


def test_quitting_the_terminal_stops_all_that_the_demo_started(tmp_path: Path) -> None:
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
        shown = b""
        while b"shop-db" not in shown:
            shown += os.read(master, 65536)
        os.write(master, b"q")
        while demo.poll() is None:
            try:
                os.read(master, 65536)
            except OSError:
                break
        assert demo.wait(60) == 0
    os.close(master)
    assert list(folder.iterdir()) == []
    assert [line for line in command_lines() if str(folder) in line] == []
