"""How long the last container of a Job may still run: by the monotonic clock, whatever the node's says."""

from datetime import UTC, datetime

import pytest

from kronkeep_daemon.jobs import pods
from kronkeep_daemon.jobs.pods import RuntimeLimit
from kronkeep_daemon.kube.objects import Pod, convert_object
from kronkeep_daemon.testing import FakeClock

NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)


def pod(state: dict[str, object], created: str = "2026-01-15T11:00:00Z") -> Pod:
    plain = {
        "metadata": {"name": f"pod of {created}", "creationTimestamp": created},
        "spec": {"initContainers": [{"name": "first"}], "containers": [{"name": "last"}]},
        "status": {
            "initContainerStatuses": [{"name": "first", "state": {"terminated": {"exitCode": 0}}}],
            "containerStatuses": [{"name": "last", "state": state}],
        },
    }
    return convert_object(plain, Pod)


def running_since(started_at: str) -> Pod:
    return pod({"running": {"startedAt": started_at}})


@pytest.mark.parametrize(
    ("state", "succeeded"),
    [
        ({"terminated": {"exitCode": 0}}, True),
        ({"terminated": {"exitCode": 137}}, False),
        ({"running": {"startedAt": "2026-01-15T12:01:40Z"}}, False),
        ({"waiting": {"reason": "PodInitializing"}}, False),
    ],
)
def test_a_pod_has_succeeded_once_its_last_container_has(state: dict[str, object], succeeded: bool) -> None:
    assert pods.has_succeeded(pod(state)) is succeeded


async def test_a_limit_counts_from_when_the_container_was_first_seen_to_run() -> None:
    clock = FakeClock(NOON)
    limit = RuntimeLimit(60.0, clock.monotonic(), clock)
    assert limit.seconds_left(None) is None
    assert limit.seconds_left(pod({"waiting": {"reason": "PodInitializing"}})) is None
    await clock.advance(100)
    running = running_since("2026-01-15T12:01:40Z")
    assert limit.seconds_left(running) == pytest.approx(60)
    await clock.advance(45)
    assert limit.seconds_left(running) == pytest.approx(15)


async def test_a_node_whose_clock_is_late_does_not_end_a_container_at_once() -> None:
    clock = FakeClock(NOON)
    limit = RuntimeLimit(60.0, clock.monotonic(), clock)
    await clock.advance(2)
    assert limit.seconds_left(running_since("2026-01-15T11:00:00Z")) == pytest.approx(58)


async def test_a_container_of_an_earlier_life_has_used_what_its_start_says() -> None:
    clock = FakeClock(NOON)
    assert RuntimeLimit(60.0, None, clock).seconds_left(
        running_since("2026-01-15T11:59:20Z")
    ) == pytest.approx(20)
    assert RuntimeLimit(60.0, None, clock).seconds_left(
        running_since("2026-01-15T12:30:00Z")
    ) == pytest.approx(60)


async def test_without_a_limit_nothing_is_left_to_count() -> None:
    assert (
        RuntimeLimit(None, None, FakeClock(NOON)).seconds_left(running_since("2026-01-15T11:00:00Z")) is None
    )


def test_the_first_pod_counts_and_only_containers_that_have_started_have_a_log() -> None:
    old = pod({}, "2026-01-15T10:00:00Z")
    new = pod({"waiting": {"reason": "PodInitializing"}}, "2026-01-15T11:00:00Z")
    assert pods.first_pod([new, old]) is old
    assert pods.first_pod([]) is None
    assert [status.name for status in pods.containers_with_logs(new)] == ["first"]
    running = running_since("2026-01-15T11:00:00Z")
    assert [status.name for status in pods.containers_with_logs(running)] == ["first", "last"]
    assert pods.last_container(running) == "last"
