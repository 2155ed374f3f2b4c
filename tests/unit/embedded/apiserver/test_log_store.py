"""Container logs in the API server: followers see the end, and lines end at line feeds alone."""

import asyncio
from pathlib import Path

import pytest

from kronkeep_daemon.embedded.apiserver.log_reader import open_log
from kronkeep_daemon.embedded.apiserver.log_store import LogStore

POD = {
    "metadata": {"name": "p", "uid": "u"},
    "spec": {"containers": [{"name": "c"}]},
    "status": {"containerStatuses": [{"name": "c", "state": {"running": {}}}]},
}


async def append(logs: LogStore, lines: bytes, *, final: bool = False) -> None:
    await logs.append(uid="u", container="c", offset=0, lines=lines, final=final)


async def read_whole(logs: LogStore, **query: str) -> bytes:
    return b"".join([chunk async for chunk in open_log(logs, POD, query)])


@pytest.mark.parametrize("started", [True, False])
async def test_a_follower_of_a_removed_pod_reaches_the_end(tmp_path: Path, started: bool) -> None:
    logs = LogStore(tmp_path)
    if started:
        await append(logs, b"2026-01-15T10:00:00.1Z hi\n")
    followers = [asyncio.create_task(read_whole(logs, follow="true")) for _ in range(2)]
    done, _ = await asyncio.wait(followers, timeout=0.2)
    assert done == set()
    logs.remove("u")
    async with asyncio.timeout(10):
        assert await asyncio.gather(*followers) == [b"hi\n" if started else b""] * 2
    assert logs.reader_count == 0


async def test_nothing_of_a_removal_is_left_once_its_followers_have_ended(tmp_path: Path) -> None:
    logs = LogStore(tmp_path)
    follower = asyncio.create_task(read_whole(logs, follow="true"))
    await asyncio.sleep(0)
    logs.remove("u")
    assert await asyncio.wait_for(follower, 10) == b""
    await append(logs, b"2026-01-15T10:00:00.1Z again\n")
    later = asyncio.create_task(read_whole(logs, follow="true"))
    done, _ = await asyncio.wait([later], timeout=0.2)
    assert done == set()
    await append(logs, b"", final=True)
    assert await asyncio.wait_for(later, 10) == b"again\n"


async def test_a_carriage_return_does_not_end_a_line(tmp_path: Path) -> None:
    logs = LogStore(tmp_path)
    lines = b"2026-01-15T10:00:00.1Z 10%\r20%\x0b\x00\n2026-01-15T10:00:00.2Z end\n"
    await append(logs, lines, final=True)
    assert await read_whole(logs) == b"10%\r20%\x0b\x00\nend\n"
    assert await read_whole(logs, tailLines="1") == b"end\n"
