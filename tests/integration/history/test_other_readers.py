"""Programs that read the database while a daemon writes: sqlite3, Datasette, `kronkeepd store check`."""

import fcntl
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from kronkeep_daemon.history.database import connect
from kronkeep_daemon.history.database_check import check_whole

WRITER = """
import asyncio, sys
from pathlib import Path
from kronkeep_common.clock import SystemClock
from kronkeep_daemon.history import History

async def write(folder):
    history = await History.open(folder, clock=SystemClock())
    runs = history.table("executions")
    for number in range(300):
        runs.put_document(None, {"id": str(number), "created_at": "2026", "text": "x" * 2000})
        await history.commit()
        if number % 100 == 50:
            print(number + 1, flush=True)
            sys.stdin.readline()
    assert len(list(runs)) == 300
    await history.close()

asyncio.run(write(Path(sys.argv[1])))
"""


def assert_locked(wal_index: Path) -> None:
    """Fail unless a process holds the lock that says that it uses the file, SQLite's UNIX_SHM_DMS."""
    with wal_index.open("r+b") as file, pytest.raises(BlockingIOError):
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 128)


@pytest.mark.parametrize("mode", ["ro", "rw"])
def test_a_program_that_reads_and_leaves_does_no_harm(tmp_path: Path, mode: str) -> None:
    """The daemon read a count from the file beside the WAL, and gave up SQLite's locks when it closed it."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        for line in writer.stdout:
            assert_locked(tmp_path / "history.db-shm")
            address = f"file:{tmp_path / 'history.db'}?mode={mode}"
            with closing(sqlite3.connect(address, uri=True)) as reader:
                assert reader.execute("SELECT count(*) FROM executions").fetchone() == (int(line),)
            writer.stdin.write("\n")
            writer.stdin.flush()
    assert writer.returncode == 0
    with closing(connect(tmp_path / "history.db")) as connection:
        assert check_whole(connection) == []
        assert connection.execute("SELECT count(*) FROM executions").fetchone() == (300,)
