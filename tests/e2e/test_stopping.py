"""A daemon stops at once when it is asked to, however busy it and the machine are."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon_process import Daemon

from kronkeep_common.client import Client
from kronkeep_common.errors import Unavailable
from kronkeep_common.models import CronJobCreate

pytestmark = [pytest.mark.torture, pytest.mark.timeout(900)]
ROUNDS = 100


@pytest.fixture
def busy_process() -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        yield
        process.kill()


async def trigger_run(client: Client) -> None:
    while True:
        try:
            await client.cronjobs.trigger("default", "w")
        except Unavailable:  # the cluster has just been reached and not been listed
            await asyncio.sleep(0.02)
        else:
            return


async def test_a_hundred_stops_in_the_middle_of_runs_wait_for_no_task(
    tmp_path: Path, busy_process: None
) -> None:
    daemon = Daemon(tmp_path / "s")
    for number in range(ROUNDS):
        await daemon.start()
        async with daemon.client() as client:
            if number == 0:
                spec = CronJobCreate(name="w", image="busybox:1.36", command=("true",), schedule="* * * * *")
                await client.cronjobs.create(spec)
            for _ in range(number % 4):
                await trigger_run(client)
        assert await daemon.stop() == 0
    assert "did not stop" not in (tmp_path / "kronkeepd.log").read_text()
