"""The driver of the cluster's volumes, which are folders: it makes snapshots and clones of them.

Both are copies of a folder (by reference where the file system knows that) while every process that has the
claim mounted is stopped, as a storage system holds writes back while it makes a snapshot.
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from kronkeep_common.errors import StorageFailed

STOPPED_STATES = "TtZX"  # of proc(5): stopped, traced, dead
STOP_POLL_SECONDS = 0.002


class FolderDriver:
    """Snapshots and clones of the claims below `folder`, which is the folder of the nodes."""

    def __init__(self, folder: Path) -> None:
        self._claims = folder / "claims"
        self._snapshots = folder / "snapshots"

    async def make_snapshot(self, namespace: str, claim: str, content: str) -> None:
        """Copy a claim's files into the snapshot named after its VolumeSnapshotContent."""
        await self._copy_still(namespace, claim, self._snapshots / content)

    async def remove_snapshot(self, content: str) -> None:
        """Remove the files of a snapshot."""
        await asyncio.to_thread(_remove, self._snapshots / content)

    async def fill_from_snapshot(self, namespace: str, claim: str, content: str) -> None:
        """Copy a snapshot's files into a claim."""
        await asyncio.to_thread(_copy, self._snapshots / content, self._claims / namespace / claim)

    async def clone(self, namespace: str, claim: str, source: str) -> None:
        """Copy the files of one claim into another of the namespace."""
        await self._copy_still(namespace, source, self._claims / namespace / claim)

    async def remove_volume(self, namespace: str, claim: str) -> None:
        """Remove a claim's folder."""
        await asyncio.to_thread(_remove, self._claims / namespace / claim)

    async def _copy_still(self, namespace: str, claim: str, target: Path) -> None:
        source = self._claims / namespace / claim
        async with _hold_users(source):
            await asyncio.to_thread(_copy, source, target)


def _copy(source: Path, target: Path) -> None:
    """Copy a folder's content with everything that `cp -a` keeps; whatever was in the target goes.

    Raises StorageFailed.
    """
    _remove(target)
    target.mkdir(parents=True)
    if not source.exists():  # a claim that nobody has mounted yet
        return
    command = ["cp", "-a", "--reflink=auto", f"{source}/.", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        raise StorageFailed(f"cp: {done.stderr[-300:]}")


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def _hold_users(folder: Path) -> AsyncIterator[None]:
    """Stop every process that has the folder mounted, until the end of the block."""
    stopped: set[int] = set()
    try:
        await asyncio.to_thread(_stop_users, folder, stopped)
        yield
    finally:
        for pid in stopped:
            _signal(pid, signal.SIGCONT)


def _stop_users(folder: Path, stopped: set[int]) -> None:
    """Stop the processes and add them to `stopped`.

    One may start another while it is being stopped, so the search ends with one that finds no new ones.
    """
    while users := {pid for pid in _find_users(folder) if pid not in stopped}:
        stopped |= users
        for pid in users:
            _signal(pid, signal.SIGSTOP)
        while any(map(_is_running, users)):
            time.sleep(STOP_POLL_SECONDS)


def _find_users(folder: Path) -> list[int]:
    """Return the processes in whose mount namespace the folder, or one in it, is mounted."""
    users = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            lines = (entry / "mountinfo").read_text().splitlines()
            if any(_is_mount_of(line, folder, entry / "root") for line in lines):
                users.append(int(entry.name))
    return users


def _is_mount_of(line: str, folder: Path, process_root: Path) -> bool:
    """Whether a line of mountinfo (proc(5)) mounts the folder, or one in it.

    It names the root of the mount from that of its own device, which is another path than `folder` in a
    container, on a subvolume or behind a link. So the end of that path only chooses the lines of which the
    mounted folder itself is looked at.
    """
    root, mount_point = line.split(" ")[3:5]
    tail = "/".join(folder.parts[-3:])  # claims/NAMESPACE/NAME
    _, separator, inside = f"{root}/".partition(f"/{tail}/")
    if not separator:
        return False
    mounted = process_root / _unescape(mount_point).lstrip("/")
    with suppress(OSError):  # it may be unmounted meanwhile; other lines of the process count all the same
        return mounted.samefile(folder / _unescape(inside).strip("/"))
    return False


def _unescape(text: str) -> str:
    """Return a path of mountinfo, in which blanks, tabs, line feeds and backslashes are octal numbers."""
    return re.sub(r"\\([0-7]{3})", _character_of, text)


def _character_of(match: re.Match[str]) -> str:
    return chr(int(match[1], 8))


def _is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(") ")[2][:1] not in STOPPED_STATES


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
