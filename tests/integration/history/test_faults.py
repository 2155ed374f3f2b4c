"""Faults of the kernel: no space at each write, errors injected by strace, power cuts of a file system."""

import asyncio
import ctypes
import fcntl
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kronkeep_common.clock import SystemClock
from kronkeep_daemon.history import History

WRITER = """
import asyncio, sys
from pathlib import Path
from kronkeep_common.clock import SystemClock
from kronkeep_daemon.history import History
async def main():
    history = await History.open(Path(sys.argv[1]), clock=SystemClock())
    for number in range(int(sys.argv[2]), int(sys.argv[3])):
        history.table("facts").put_document(None, {"id": str(number), "text": "x" * 300})
        await history.commit()
        print(number, flush=True)
        if number % 10 == 9:
            await history.compact()
asyncio.run(main())
"""
FULL = """
import asyncio, resource, sys
from pathlib import Path
from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import ReadOnlyHistory
from kronkeep_daemon.history import History, database
database.CHECKPOINT_BYTES = 2**30
folder = Path(sys.argv[1])
def limit_size(limit): resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
async def main():
    history = await History.open(folder, clock=SystemClock())
    table, refused = history.table("facts"), 0
    for number in range(200):
        limit_size((folder / "history.db-wal").stat().st_size + number * 41 % 8000)
        table.put_document(None, {"id": str(number), "text": "x" * 300})
        try:
            await history.commit()
        except ReadOnlyHistory:
            refused += 1
        assert len(table) == number
        limit_size(resource.RLIM_INFINITY)
        table.put_document(None, {"id": str(number), "text": "y" * 300})
        await history.commit()
        assert len(table) == number + 1
    await history.close()
    print(refused)
asyncio.run(main())
"""
CLONE_NEWNS = 0x00020000  # linux/sched.h
SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = struct.pack("I", 2)  # EXT4_IOC_SHUTDOWN is XFS_IOC_GOINGDOWN


def read_ids(folder: Path) -> list[str]:
    async def read() -> list[str]:
        history = await History.open(folder, clock=SystemClock())
        ids = [document["id"] for document in history.table("facts")]
        await history.close()
        return ids

    return asyncio.run(read())


def test_no_space_in_the_middle_of_each_of_200_writes_refuses_and_resumes(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.stdout == "200\n", done.stderr
    assert read_ids(tmp_path) == [str(number) for number in range(200)]


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize(
    ("call", "when"),
    [("pwrite64", when) for when in (1, 2, 9, 40)]
    + [("fdatasync", when) for when in (1, 2, 9)]
    + [("fsync", 1), ("rename", 1), ("write", 20)],  # strace counts by thread
)
def test_an_error_at_the_nth_call_loses_nothing_acknowledged(tmp_path: Path, call: str, when: int) -> None:
    trace = ["strace", "-f", "-qq", "-o", os.devnull, f"-einject={call}:error=EIO:when={when}"]
    writer = [sys.executable, "-c", WRITER, str(tmp_path), "0", "30"]
    done = subprocess.run([*trace, *writer], capture_output=True, text=True, check=False)
    acknowledged = set(done.stdout.split())
    assert done.returncode != 0
    assert len(acknowledged) < 30
    ids = read_ids(tmp_path)
    assert len(ids) == len(set(ids))
    assert acknowledged <= set(ids)


@contextmanager
def mount(image: Path, at: Path) -> Iterator[None]:
    subprocess.run(["mount", "-o", "loop", image, at], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", at], check=True)


def enter_mount_namespace() -> None:
    """Enter a mount namespace: a container started meanwhile would keep the file system in its own."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


def cut_power(at: Path) -> None:
    handle = os.open(at, os.O_RDONLY)
    fcntl.ioctl(handle, SHUTDOWN, NO_LOG_FLUSH)
    os.close(handle)


READ_ONLY = """
import asyncio, sys
from pathlib import Path
from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import DamagedHistory
from kronkeep_daemon.history import History
async def main():
    history = await History.open(Path(sys.argv[1]), clock=SystemClock())
    history.table("facts").put_document(None, {"id": "before"})
    await history.commit()
    Path(sys.argv[2]).write_text("1")  # an error of the file system: it becomes read-only
    history.table("facts").put_document(None, {"id": "after"})
    try:
        await history.commit()
    except DamagedHistory as fault:
        print(history.failed.is_set(), history.table("facts").rows.by_id("before") is not None)
    await history.close()
asyncio.run(main())
"""


@pytest.mark.skipif(os.getuid() != 0, reason="needs root for loop mounts")
def test_a_file_system_that_becomes_read_only_is_final(tmp_path: Path) -> None:
    make = shutil.which("mkfs.ext4", path="/usr/sbin:/sbin:/usr/bin")
    if make is None:
        pytest.skip("needs mkfs.ext4")
    image = tmp_path / "image"
    at = tmp_path / "at"
    with image.open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    at.mkdir()
    subprocess.run([make, "-q", "-e", "remount-ro", image], check=True)
    if not Path("/dev/loop-control").exists():
        pytest.skip("there are no loop devices here")
    with mount(image, at):
        device = at.stat().st_dev
        loop = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve().name
        trigger = Path(f"/sys/fs/ext4/{loop}/trigger_fs_error")
        if not trigger.exists():
            pytest.skip("this kernel cannot be asked for an error")
        words = [sys.executable, "-c", READ_ONLY, str(at / "h"), str(trigger)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.stdout == "True True\n", done.stderr
    subprocess.run(["fsck.ext4", "-fy", image], check=False, capture_output=True)
    with mount(image, at):
        assert read_ids(at / "h") == ["before"]


@pytest.mark.torture
@pytest.mark.timeout(1200)
@pytest.mark.skipif(os.getuid() != 0, reason="needs root for loop mounts")
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_power_cuts_lose_nothing_acknowledged(tmp_path: Path, kind: str) -> None:
    make = shutil.which(f"mkfs.{kind}") or shutil.which(f"mkfs.{kind}", path="/usr/sbin:/sbin")
    if make is None:
        pytest.skip(f"needs mkfs.{kind}")
    enter_mount_namespace()
    image = tmp_path / "image"
    at = tmp_path / "at"
    with image.open("wb") as file:
        file.truncate(512 * 1024 * 1024)
    at.mkdir()
    subprocess.run([make, "-q", image], check=True)
    acknowledged: set[str] = set()
    for number in range(int(os.environ.get("KRONKEEP_POWER_CUTS", "50"))):
        with mount(image, at):
            first = number * 100_000
            words = [sys.executable, "-c", WRITER, str(at / "h"), str(first), str(first + 90_000)]
            with subprocess.Popen(
                words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            ) as writer:
                assert writer.stdout is not None
                for _ in range(3 + number * 7 % 40):
                    acknowledged.add(writer.stdout.readline().strip())
                cut_power(at)
                writer.kill()
        with mount(image, at):
            ids = read_ids(at / "h")
        assert len(ids) == len(set(ids))
        assert acknowledged - {""} <= set(ids)
