"""Figures over the socket and on the command line, of a daemon that already has runs."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.command_line import run_kronkeep
from tests.daemon_process import Daemon
from tests.filled_daemon import start_on_filled_history
from tests.records import make_run

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import InvalidRequest
from kronkeep_common.states import ExecutionStatus
from kronkeep_daemon.history import History


async def fill(folder: Path) -> None:
    history = await History.open(folder, clock=SystemClock())
    now = datetime.now(UTC)
    for number in range(40):
        status = ExecutionStatus.FAILED if number % 4 == 0 else ExecutionStatus.SUCCEEDED
        namespace = "shop" if number % 2 else "web"
        created = now - timedelta(days=number)
        history.executions.put(
            make_run(
                id=f"r{number}",
                namespace=namespace,
                cronjob_id=namespace,
                status=status,
                created_at=created,
            )
        )
    await history.close()


@pytest.fixture(scope="module")
def daemon(open_folder: Path) -> Iterator[Daemon]:
    with start_on_filled_history(open_folder, fill) as process:
        yield process


def stats(daemon: Daemon, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return run_kronkeep(daemon, "stats", *arguments)


async def test_sums_of_the_last_days(daemon: Daemon) -> None:
    async with daemon.client() as client:
        both = (await client.figures.list(days=20)).items
        assert [(each.namespace, each.runs, each.success) for each in both] == [
            ("shop", 10, 100),
            ("web", 10, 50),
        ]
        assert [each.runs for each in (await client.figures.list(days=1)).items] == [1]
        days = (await client.figures.list("cronjob", days=20, period="day", namespace="web")).items
        assert len(days) == 10
        with pytest.raises(InvalidRequest, match="days"):
            await client.figures.list(days=0)
        with pytest.raises(InvalidRequest, match="period"):
            await client.figures.list(period="month")
        with pytest.raises(InvalidRequest, match="storage"):
            await client.figures.list("storage", namespace="web")


def test_the_command_line_prints_them(daemon: Daemon) -> None:
    lines = stats(daemon, "--days", "20").stdout.splitlines()
    assert lines[0].split()[:4] == ["OF", "FROM", "SUCCESS", "RUNS"]
    assert [line.split()[0] for line in lines[1:]] == ["shop", "web"]
    assert "50 %" in lines[2]
    assert stats(daemon, "--by", "storage").stderr == "Nothing found.\n"
    assert stats(daemon, "--days", "0").returncode == 2
