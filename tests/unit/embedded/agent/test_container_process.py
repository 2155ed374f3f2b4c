"""The process of a container that is stopped around its start."""

import asyncio

from tests.waiting import LONGEST_WAIT

from kronkeep_daemon.embedded.agent.container_process import NOT_STARTED, ContainerProcess

SLEEP = ["/bin/sleep", "60"]
KILLED = 128 + 9


class Output:
    """Stores what a container writes."""

    def __init__(self) -> None:
        self.lines = b""
        self.is_final = False

    async def write(self, lines: bytes, *, final: bool) -> None:
        self.lines += lines
        self.is_final = final


async def test_a_process_that_is_stopped_before_its_start_does_not_start() -> None:
    output = Output()
    process = ContainerProcess(SLEEP, {}, output)
    await process.stop(0)
    async with asyncio.timeout(LONGEST_WAIT):
        assert await process.run() == NOT_STARTED
    assert output.is_final


async def test_a_process_that_is_stopped_during_its_start_is_killed() -> None:
    process = ContainerProcess(SLEEP, {}, Output())
    running = asyncio.create_task(process.run())
    await asyncio.sleep(0)
    await process.stop(0)
    async with asyncio.timeout(LONGEST_WAIT):
        assert await running == KILLED
