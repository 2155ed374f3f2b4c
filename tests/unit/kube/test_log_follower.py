"""A log over streams that break: every line once, in order."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.integration.watch.world import Quick

from kronkeep_common.errors import ClusterUnreachable
from kronkeep_daemon.kube.errors import InvalidObject, NotFoundInCluster
from kronkeep_daemon.kube.log_follower import LogFollower
from kronkeep_daemon.kube.objects import Pod, convert_object

LINES = [f"2026-01-15T10:00:{number // 3:02d}.{number:09d}Z line {number}\n".encode() for number in range(30)]
POD = convert_object({"metadata": {"name": "p", "namespace": "shop"}}, Pod)


class Kubelet:
    """A server of the part of LINES that is written, which breaks each stream after so many bytes."""

    def __init__(self, breaks: int) -> None:
        self.breaks = breaks
        self.asked: list[str | None] = []
        self.refusals: list[Exception] = []

    async def log_chunks(
        self, namespace: str, pod: str, container: str, *, follow: bool, since_time: str | None = None
    ) -> AsyncIterator[bytes]:
        self.asked.append(since_time)
        if self.refusals:
            raise self.refusals.pop(0)
        since = (since_time or "").removesuffix("Z").encode()
        text = b"".join(line for line in LINES if line[:19] >= since)
        for place in range(0, min(len(text), self.breaks), 7):
            yield text[place : min(place + 7, self.breaks)]
        if len(text) > self.breaks:
            raise ClusterUnreachable("the stream broke")


async def follow(kubelet: Any) -> list[bytes]:
    follower = LogFollower(cluster=kubelet, pod=POD, container="main", is_over=lambda: True, clock=Quick())
    return [line async for line in follower.lines()]


@pytest.mark.parametrize("breaks", [160, 173, 200, 333, 10_000])
async def test_a_stream_that_breaks_is_taken_up_without_a_hole_and_without_a_line_twice(breaks: int) -> None:
    kubelet = Kubelet(breaks)
    assert await follow(kubelet) == LINES
    assert kubelet.asked[0] is None
    assert all(since and since.endswith("Z") for since in kubelet.asked[1:])


async def test_a_container_that_has_not_started_yet_is_waited_for() -> None:
    kubelet = Kubelet(10_000)
    over = [False, False, True]
    kubelet.refusals = [InvalidObject("waiting to start"), InvalidObject("waiting to start")]
    follower = LogFollower(
        cluster=kubelet, pod=POD, container="main", is_over=lambda: over.pop(0), clock=Quick()
    )  # type: ignore[arg-type]
    assert [line async for line in follower.lines()] == LINES


async def test_a_pod_that_went_ends_it() -> None:
    kubelet = Kubelet(10_000)
    kubelet.refusals = [NotFoundInCluster("gone")]
    assert await follow(kubelet) == []
