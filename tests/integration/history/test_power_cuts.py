"""Power cuts: what the kernel was asked to write, replayed up to a point; unsynced writes survive at random.

strace records every write and sync of a process. At a point of the record the disk holds everything that was
synced, and of each later write either nothing, a part in whole sectors, or all of it. A history made of that
must open and hold whatever was acknowledged before the point.
"""

import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kronkeep_daemon.history.database import Database
from kronkeep_daemon.history.database_check import check_whole

WRITER = """
import os, sys
from pathlib import Path
from tests.integration.history.row_changes import put
from kronkeep_daemon.history.database import Database
for life in range(2):
    database = Database(Path(sys.argv[1]))
    for number in range(life * 20 + 1, life * 20 + 21):
        database.write([put(number, f"u{number}", size=number * 397 % 9000)])
        os.write(1, b"%d" % number)
        if number % 7 == 0:
            database.checkpoint()
    database.close()
"""
SECTOR = 512
CALLS = "pwrite64,write,fsync,fdatasync,ftruncate,unlink,rename"
CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += \d+")
FILE = re.compile(r"^\d+<([^>]*)>")
Write = tuple[int, bytes]


class Disk:
    """The files of a folder: their synced bytes, and the writes since; names become durable at once."""

    def __init__(self) -> None:
        self.synced: dict[str, bytearray] = {}
        self.waiting: dict[str, list[Write]] = {}

    def write(self, name: str, place: int, data: bytes) -> None:
        self.synced.setdefault(name, bytearray())
        self.waiting.setdefault(name, []).append((place, data))

    def sync(self, name: str) -> None:
        for place, data in self.waiting.pop(name, []):
            _apply(self.synced[name], place, data)

    def survive(self, folder: Path, chance: random.Random) -> None:
        """Write the files as a power cut leaves them."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, synced in self.synced.items():
            content = bytearray(synced)
            for place, data in self.waiting.get(name, []):
                kept = chance.choice([0, len(data), chance.randrange(len(data) + 1) // SECTOR * SECTOR])
                _apply(content, place, data[:kept])
            (folder / name).write_bytes(content)


def _apply(content: bytearray, place: int, data: bytes) -> None:
    if data:
        content.extend(bytes(max(0, place + len(data) - len(content))))
        content[place : place + len(data)] = data


def cut_at_random(trace: str, folder: Path, copy: Path, rounds: int) -> int:
    """Replay the record; at some calls let the copy survive and check it; return how often."""
    chance = random.Random(5)
    lines = [match for line in trace.splitlines() if (match := CALL.match(line))]
    chosen = set(chance.sample(range(len(lines)), min(rounds, len(lines))))
    disk = Disk()
    acknowledged = 0
    for number, match in enumerate(lines):
        call, arguments = match.groups()
        if call == "write" and arguments.startswith("1<"):  # standard output
            acknowledged = int(_bytes_of(arguments))
        else:
            _replay(disk, call, arguments, folder)
        if number in chosen:
            disk.survive(copy, chance)
            check(copy, acknowledged)
    return len(chosen)


def _replay(disk: Disk, call: str, arguments: str, folder: Path) -> None:
    file = FILE.match(arguments)
    texts = [file[1]] if file else [text.strip('"') for text in arguments.split(", ")]
    paths = [Path(_unescape(text).decode()) for text in texts]
    if paths[0].parent != folder or paths[0].name.endswith("-shm"):
        return
    name = paths[0].name
    match call:
        case "pwrite64":
            disk.write(name, int(arguments.rpartition(", ")[2]), _bytes_of(arguments))
        case "write":
            written = sum(len(data) for _, data in disk.waiting.get(name, []))
            disk.write(name, len(disk.synced.get(name, b"")) + written, _bytes_of(arguments))
        case "fsync" | "fdatasync":
            disk.sync(name)
        case "ftruncate":
            disk.sync(name)
            del disk.synced[name][int(arguments.rpartition(", ")[2]) :]
        case "unlink":
            disk.synced.pop(name, None)
            disk.waiting.pop(name, None)
        case "rename":
            disk.synced[paths[1].name] = disk.synced.pop(name)


def _bytes_of(arguments: str) -> bytes:
    return _unescape(arguments.split('"')[1])


def _unescape(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def check(folder: Path, acknowledged: int) -> None:
    database = Database(folder)
    try:
        assert check_whole(database.writer) == []
        sql = "SELECT number FROM runs ORDER BY number" if database.tables else "SELECT 1 WHERE 0"
        stored = [number for (number,) in database.reader.execute(sql)]
    finally:
        database.close()
    assert stored in (list(range(1, acknowledged + 1)), list(range(1, acknowledged + 2)))


def record(folder: Path, out: Path) -> str:
    trace = ["strace", "-f", "-y", "-qq", "-z", "-xx", "-s", "200000", "-o", str(out), f"-etrace={CALLS}"]
    subprocess.run([*trace, sys.executable, "-c", WRITER, str(folder)], check=True, capture_output=True)
    return out.read_text()


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_a_power_cut_loses_nothing_acknowledged(tmp_path: Path) -> None:
    trace = record(tmp_path / "h", tmp_path / "trace")
    assert cut_at_random(trace, tmp_path / "h", tmp_path / "copy", 60) == 60


@pytest.mark.torture
@pytest.mark.timeout(3600)
@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_a_power_cut_at_every_call_loses_nothing_acknowledged(tmp_path: Path) -> None:
    trace = record(tmp_path / "h", tmp_path / "trace")
    assert cut_at_random(trace, tmp_path / "h", tmp_path / "copy", 100_000) > 500
