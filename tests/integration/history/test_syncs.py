"""Every byte and every name is synced before anything is acknowledged, as the kernel saw it (strace)."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ACTOR = """
import asyncio, sys
from pathlib import Path
from types import SimpleNamespace
from kronkeep_common.clock import SystemClock
from kronkeep_daemon.history import History
from kronkeep_daemon.history.kept_logs import CappedLog
async def main():
    for again in range(2):
        history = await History.open(Path(sys.argv[1]), clock=SystemClock())
        for number in range(3):
            history.table("facts").put_document(None, {"id": f"{again}-{number}"})
            await history.commit()
            print("acknowledged", flush=True)
        capped = CappedLog()
        capped.add(b"hello")
        run = SimpleNamespace(id=f"run{again}", cluster="c", namespace="n")
        await history.logs.save(run, "main", "pod", capped)
        print("acknowledged", flush=True)
        await history.compact()
        print("acknowledged", flush=True)
        await history.close()
asyncio.run(main())
"""
NOT_SYNCED = (
    "/newest",
    "/history.db-shm",
    "/sieve.db",
    "/sieve.db-wal",
    "/sieve.db-shm",
)  # the first may be old, the others are made again
CALLS = "write,pwrite64,fallocate,writev,rename,unlink,mkdir,fsync,fdatasync"
CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += \d+")
HANDLE = re.compile(r"^\d+<([^>]*)>")


def find_unsynced(trace: str, folder: Path) -> list[str]:
    """Return what was not durable at an acknowledgement, or renamed before its bytes were durable."""
    waiting: set[str] = set()
    faults: list[str] = []
    for line in trace.splitlines():
        match = CALL.match(line)
        if match is None:
            continue
        call, arguments = match.groups()
        handle = HANDLE.match(arguments)
        if handle and handle[1].endswith(NOT_SYNCED):
            continue
        names = re.findall(r'"([^"]*)"', arguments)
        if call == "write" and arguments.startswith("1<"):
            faults += [f"not synced at an acknowledgement: {name}" for name in sorted(waiting)]
        elif call in ("fsync", "fdatasync") and handle:
            waiting.discard(handle[1])
        elif call in ("write", "pwrite64", "fallocate") and handle and handle[1].startswith(f"{folder}/"):
            waiting.add(handle[1])
        elif call == "rename" and names[0].startswith(str(folder)):
            faults += [f"renamed before it was synced: {names[0]}"] if names[0] in waiting else []
            waiting.add(str(Path(names[1]).parent))
        elif (
            call in ("unlink", "mkdir") and names[0].startswith(f"{folder}/") and names[0] != f"{folder}/tmp"
        ):
            waiting.add(str(Path(names[0]).parent))
    return faults


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_nothing_is_acknowledged_before_it_is_synced(tmp_path: Path) -> None:
    folder = tmp_path / "h"
    out = tmp_path / "trace"
    folder.mkdir()
    trace = ["strace", "-f", "-y", "-qq", "-z", "-s", "300", "-o", str(out), f"-etrace={CALLS}"]
    subprocess.run([*trace, sys.executable, "-c", ACTOR, str(folder)], check=True, capture_output=True)
    seen = out.read_text()
    assert seen.count('"acknowledged') == 10
    assert find_unsynced(seen, folder) == []
