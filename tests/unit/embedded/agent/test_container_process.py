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
        self.has_lines = asyncio.Event()

    async def write(self, lines: bytes, *, final: bool) -> None:
        self.lines += lines
        self.is_final = final
        self.has_lines.set()


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


async def test_a_child_that_does_not_end_with_its_parent_is_killed_too() -> None:
    """Bubblewrap has such a child while it starts; it holds the output's pipe open."""
    output = Output()
    script = "trap '' TERM; /bin/sleep 600 & echo begun; wait"
    process = ContainerProcess(["/bin/sh", "-c", script], {}, output)
    running = asyncio.create_task(process.run())
    async with asyncio.timeout(LONGEST_WAIT):
        await output.has_lines.wait()
        await process.stop(0)
        assert await running == KILLED
