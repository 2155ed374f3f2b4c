"""Container logs in the API server: followers see the end, and lines end at line feeds alone."""

import asyncio
from pathlib import Path

import pytest
from tests.waiting import LONGEST_WAIT

from kronkeep_daemon.embedded.apiserver.log_reader import open_log
from kronkeep_daemon.embedded.apiserver.log_store import LogStore
from kronkeep_daemon.embedded.apiserver.status_responses import Refusal
from kronkeep_daemon.kube.objects import JsonObject

POD: JsonObject = {
    "metadata": {"name": "p", "uid": "u"},
    "spec": {"containers": [{"name": "c"}]},
    "status": {"containerStatuses": [{"name": "c", "state": {"running": {}}}]},
}


async def append(logs: LogStore, lines: bytes, *, final: bool = False) -> None:
    await logs.append(uid="u", container="c", instance=0, offset=0, lines=lines, final=final)


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
    async with asyncio.timeout(LONGEST_WAIT):
        assert await asyncio.gather(*followers) == [b"hi\n" if started else b""] * 2
    assert logs.reader_count == 0


async def test_nothing_of_a_removal_is_left_once_its_followers_have_ended(tmp_path: Path) -> None:
    logs = LogStore(tmp_path)
    follower = asyncio.create_task(read_whole(logs, follow="true"))
    await asyncio.sleep(0)
    logs.remove("u")
    assert await asyncio.wait_for(follower, LONGEST_WAIT) == b""
    await append(logs, b"2026-01-15T10:00:00.1Z again\n")
    later = asyncio.create_task(read_whole(logs, follow="true"))
    done, _ = await asyncio.wait([later], timeout=0.2)
    assert done == set()
    await append(logs, b"", final=True)
    assert await asyncio.wait_for(later, LONGEST_WAIT) == b"again\n"


async def test_a_carriage_return_does_not_end_a_line(tmp_path: Path) -> None:
    logs = LogStore(tmp_path)
    lines = b"2026-01-15T10:00:00.1Z 10%\r20%\x0b\x00\n2026-01-15T10:00:00.2Z end\n"
    await append(logs, lines, final=True)
    assert await read_whole(logs) == b"10%\r20%\x0b\x00\nend\n"
    assert await read_whole(logs, tailLines="1") == b"end\n"


def pod_with(restarts: int, state: str, *, has_ended_before: bool) -> JsonObject:
    last = {"terminated": {"exitCode": 1}} if has_ended_before else {}
    entry = {"name": "c", "state": {state: {}}, "restartCount": restarts, "lastState": last}
    return POD | {"status": {"containerStatuses": [entry]}}


@pytest.mark.parametrize(
    ("pod", "current", "previous"),
    [
        (pod_with(0, "running", has_ended_before=False), b"0\n", None),
        (pod_with(0, "terminated", has_ended_before=False), b"0\n", None),
        (pod_with(0, "waiting", has_ended_before=True), b"0\n", b"0\n"),
        (pod_with(1, "running", has_ended_before=True), b"1\n", b"0\n"),
        (pod_with(1, "terminated", has_ended_before=True), b"1\n", b"0\n"),
        (pod_with(0, "waiting", has_ended_before=False), None, None),
    ],
)
async def test_the_status_says_which_instance_a_log_is_of(
    tmp_path: Path, pod: JsonObject, current: bytes | None, previous: bytes | None
) -> None:
    logs = LogStore(tmp_path)
    for instance in range(2):
        lines = f"2026-01-15T10:00:00.1Z {instance}\n".encode()
        await logs.append(uid="u", container="c", instance=instance, offset=0, lines=lines, final=True)
    for query, expected in (({}, current), ({"previous": "true"}, previous)):
        if expected is None:
            with pytest.raises(Refusal):
                open_log(logs, pod, query)
        else:
            assert b"".join([chunk async for chunk in open_log(logs, pod, query)]) == expected


async def test_two_instances_of_a_container_keep_their_logs(tmp_path: Path) -> None:
    logs = LogStore(tmp_path)
    for instance in range(4):
        lines = b"2026-01-15T10:00:00.1Z hi\n"
        await logs.append(uid="u", container="c", instance=instance, offset=0, lines=lines, final=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["u.c.2.log", "u.c.3.log"]
    logs.remove("u")
    assert list(tmp_path.iterdir()) == []
