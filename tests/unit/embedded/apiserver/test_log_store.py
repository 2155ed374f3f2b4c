"""Logs as the embedded API server keeps them: who follows hears the end; lines end at line feeds."""

import asyncio
from pathlib import Path

import pytest

from kronkeep_daemon.embedded.apiserver.log_reader import open_log
from kronkeep_daemon.embedded.apiserver.log_store import Logs

POD = {
    "metadata": {"name": "p", "uid": "u"},
    "spec": {"containers": [{"name": "c"}]},
    "status": {"containerStatuses": [{"name": "c", "state": {"running": {}}}]},
}


async def whole(logs: Logs, **query: str) -> bytes:
    return b"".join([chunk async for chunk in open_log(logs, POD, query)])


@pytest.mark.parametrize("begun", [True, False])
async def test_who_follows_a_pod_that_goes_hears_the_end(tmp_path: Path, begun: bool) -> None:
    logs = Logs(tmp_path)
    if begun:
        await logs.push("u", "c", 0, b"2026-01-15T10:00:00.1Z hi\n", False)
    following = [asyncio.create_task(whole(logs, follow="true")) for _ in range(2)]
    done, _ = await asyncio.wait(following, timeout=0.2)
    assert done == set()
    logs.remove("u")
    async with asyncio.timeout(10):
        assert await asyncio.gather(*following) == [b"hi\n" if begun else b""] * 2
    assert (logs._followers, logs._removed) == ({}, set())


async def test_a_carriage_return_ends_no_line(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    await logs.push(
        "u", "c", 0, b"2026-01-15T10:00:00.1Z 10%\r20%\x0b\x00\n2026-01-15T10:00:00.2Z end\n", True
    )
    assert await whole(logs) == b"10%\r20%\x0b\x00\nend\n"
    assert await whole(logs, tailLines="1") == b"end\n"
