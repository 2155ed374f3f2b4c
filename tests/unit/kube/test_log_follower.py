"""A log over streams that break: every line once, in order."""

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from tests.integration.watch.world import Quick

from kronkeep_common.errors import ClusterUnreachable
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.container_attempts import AttemptPlace
from kronkeep_daemon.kube.errors import InvalidObject, NotFoundInCluster
from kronkeep_daemon.kube.log_follower import LogFollower
from kronkeep_daemon.kube.objects import Pod, convert_object

LINES = [f"2026-01-15T10:00:{number // 3:02d}.{number:09d}Z line {number}\n".encode() for number in range(30)]
POD_BODY = {"metadata": {"name": "p", "namespace": "shop"}}
POD = convert_object(POD_BODY, Pod)


class Kubelet:
    """A server of the part of LINES that is written, which breaks each stream after so many bytes."""

    def __init__(self, breaks: int) -> None:
        self.breaks = breaks
        self.asked: list[str | None] = []
        self.refusals: list[Exception] = []

    async def log_chunks(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        follow: bool,
        since_time: str | None = None,
        previous: bool = False,
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
    follower = LogFollower(
        cluster=kubelet,
        pod=POD,
        container="main",
        find_place=lambda: AttemptPlace.COMPLETE,
        clock=Quick(),
    )
    return [line async for line in follower.lines()]


@pytest.mark.parametrize("breaks", [160, 173, 200, 333, 10_000])
async def test_a_stream_that_breaks_is_taken_up_without_a_hole_and_without_a_line_twice(breaks: int) -> None:
    kubelet = Kubelet(breaks)
    assert await follow(kubelet) == LINES
    assert kubelet.asked[0] is None
    assert all(since and since.endswith("Z") for since in kubelet.asked[1:])


async def test_a_container_that_has_not_started_yet_is_waited_for() -> None:
    kubelet = Kubelet(10_000)
    places = [AttemptPlace.WRITTEN, AttemptPlace.WRITTEN, AttemptPlace.COMPLETE]
    kubelet.refusals = [InvalidObject("waiting to start"), InvalidObject("waiting to start")]
    follower = LogFollower(
        cluster=cast("Cluster", kubelet),
        pod=POD,
        container="main",
        find_place=lambda: places.pop(0),
        clock=Quick(),
    )
    assert [line async for line in follower.lines()] == LINES


async def test_a_pod_that_went_ends_it() -> None:
    kubelet = Kubelet(10_000)
    kubelet.refusals = [NotFoundInCluster("gone")]
    assert await follow(kubelet) == []


class RestartedContainer:
    """A container that is started again while the log of its first attempt is followed.

    The stream breaks after so many lines, or ends; then the status that says so comes a moment later.
    """

    def __init__(self, lines: int, *, broken: bool) -> None:
        self.place = AttemptPlace.WRITTEN
        self.requests: list[tuple[bool, bool]] = []  # follow, previous
        self._lines = lines
        self._broken = broken

    def find_place(self) -> AttemptPlace:
        place = self.place
        if self.requests:
            self.place = AttemptPlace.PREVIOUS
        return place

    async def log_chunks(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        follow: bool,
        since_time: str | None = None,
        previous: bool = False,
    ) -> AsyncIterator[bytes]:
        self.requests.append((follow, previous))
        if not previous:
            for line in LINES[: self._lines]:
                yield line
            if self._broken:
                self.place = AttemptPlace.PREVIOUS
                raise ClusterUnreachable("the stream broke")
            return
        since = (since_time or "").removesuffix("Z").encode()
        for line in LINES:
            if line[:19] >= since:
                yield line


@pytest.mark.parametrize("broken", [True, False])
@pytest.mark.parametrize("lines", [0, 7, len(LINES)])
async def test_a_container_that_is_started_again_loses_no_line_of_its_first_attempt(
    lines: int, broken: bool
) -> None:
    container = RestartedContainer(lines, broken=broken)
    follower = LogFollower(
        cluster=cast("Cluster", container),
        pod=POD,
        container="main",
        find_place=container.find_place,
        clock=Quick(),
    )
    assert [line async for line in follower.lines()] == LINES
    assert container.requests == [(True, False), (False, True)]


class HastyContainer:
    """A container that is started again between the word of its first end and the request for that log.

    next_lines: what the next attempt has written by then.
    """

    def __init__(self, next_lines: list[bytes]) -> None:
        self._places = [AttemptPlace.COMPLETE] * 3
        self._next_lines = next_lines

    def find_place(self) -> AttemptPlace:
        return self._places.pop() if self._places else AttemptPlace.PREVIOUS

    async def log_chunks(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        follow: bool,
        since_time: str | None = None,
        previous: bool = False,
    ) -> AsyncIterator[bytes]:
        for line in LINES if previous else self._next_lines:
            yield line


@pytest.mark.parametrize("next_lines", [[], [b"2026-01-15T10:00:59.1Z of the next attempt\n"]])
async def test_an_attempt_whose_place_the_next_one_took_is_read_as_the_previous_one(
    next_lines: list[bytes],
) -> None:
    container = HastyContainer(next_lines)
    pod = convert_object({**POD_BODY, "spec": {"restartPolicy": "OnFailure"}}, Pod)
    follower = LogFollower(
        cluster=cast("Cluster", container),
        pod=pod,
        container="main",
        find_place=container.find_place,
        find_end=lambda: "2026-01-15T10:00:09Z",
        clock=Quick(),
    )
    assert [line async for line in follower.lines()] == LINES


async def test_a_line_after_the_end_of_an_attempt_that_is_not_repeated_is_not_lost() -> None:
    """The runtime may give a last line the second after the end."""
    follower = LogFollower(
        cluster=cast("Cluster", Kubelet(10_000)),
        pod=convert_object({**POD_BODY, "spec": {"restartPolicy": "OnFailure"}}, Pod),
        container="main",
        find_place=lambda: AttemptPlace.COMPLETE,
        find_end=lambda: "2026-01-15T09:59:59Z",
        clock=Quick(),
    )
    assert [line async for line in follower.lines()] == LINES


async def test_an_attempt_whose_log_is_no_longer_kept_asks_for_no_other() -> None:
    kubelet = Kubelet(10_000)
    follower = LogFollower(
        cluster=cast("Cluster", kubelet),
        pod=POD,
        container="main",
        find_place=lambda: AttemptPlace.GONE,
        clock=Quick(),
    )
    assert [line async for line in follower.lines()] == []
    assert kubelet.asked == []
