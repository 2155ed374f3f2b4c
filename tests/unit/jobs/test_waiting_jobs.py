"""Jobs that wait to start, and Jobs whose pods others have put containers into."""

import asyncio

import pytest
from tests.unit.jobs.fake_cluster import UID, FakeCluster, eventually
from tests.unit.jobs.running_jobs import running

from kronkeep_common.errors import JobNotStarted
from kronkeep_common.models import Cause

MISSING_CLAIM = 'persistentvolumeclaim "tpyo" not found'
REFUSED = 'Error creating: pods "ours-x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot'


@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.parametrize(
    ("uid", "reason", "message", "code", "shown"),
    [
        ("pod-1", "FailedMount", "MountVolume.SetUp failed: timed out", "MountFailed", "MountVolume.SetUp"),
        ("pod-1", "FailedScheduling", MISSING_CLAIM, "ConfigurationMissing", '"tpyo" not found'),
        ("pod-1", "SomethingNew", "A webhook of the node said no.", "StartTimeout", "webhook of the node"),
        (UID, "FailedCreate", "Error creating: exceeded quota: pods=3", "CannotCreatePod", "exceeded quota"),
    ],
)
async def test_a_job_that_cannot_start_says_why_and_is_given_up(
    watched: bool, uid: str, reason: str, message: str, code: str, shown: str
) -> None:
    cluster = FakeCluster("first", "main")
    causes: list[Cause | None] = []

    async def note(cause: Cause | None) -> None:
        causes.append(cause)

    async with running(cluster, watched=watched, on_waiting=note) as task:
        cluster.tell(uid, reason, message)
        await eventually(lambda: bool(causes))
        assert not task.done()
        (cause,) = causes
        assert cause is not None
        assert cause.reason == code
        assert shown in cause.message
        with pytest.raises(JobNotStarted, match="did not start within 1m00s") as refusal:
            await task
    assert shown in refusal.value.message
    assert refusal.value.details["reason"] == code
    assert cluster.job is None


async def test_a_job_that_starts_late_says_that_it_waits_no_more() -> None:
    cluster = FakeCluster("main")
    causes: list[Cause | None] = []

    async def note(cause: Cause | None) -> None:
        causes.append(cause)

    async with running(cluster, on_waiting=note) as task:
        cluster.wait("main", "ImagePullBackOff", "Back-off pulling image")
        await eventually(lambda: bool(causes))
        cluster.start("main")
        await asyncio.sleep(1.5)  # 75 seconds of its clock: it works for longer than it may wait
        cluster.end("main")
        cluster.finish()
        assert (await task).complete
    assert [cause.reason if cause is not None else None for cause in causes] == ["ImagePullFailed", None]


async def test_a_job_on_a_node_that_does_not_answer_says_so_and_goes_on() -> None:
    cluster = FakeCluster("main")
    causes: list[Cause | None] = []

    async def note(cause: Cause | None) -> None:
        causes.append(cause)

    async with running(cluster, on_waiting=note) as task:
        cluster.start("main")
        cluster.lose_node()
        await eventually(lambda: bool(causes))
        await asyncio.sleep(1.5)  # 75 seconds of its clock: it is not given up as one that never starts
        cluster.lose_node(is_lost=False)
        await eventually(lambda: len(causes) > 1)
        cluster.end("main")
        cluster.finish()
        assert (await task).complete
    assert [cause.reason if cause is not None else None for cause in causes] == ["NodeNotReady", None]


async def test_a_second_container_that_cannot_start_is_given_up_too() -> None:
    cluster = FakeCluster("first", "main")
    async with running(cluster) as task:
        cluster.start("first")
        await asyncio.sleep(0.05)
        cluster.end("first")
        cluster.wait("main", "CreateContainerConfigError", 'secret "db" not found')
        with pytest.raises(JobNotStarted, match='secret "db" not found'):
            await task
    assert cluster.job is None


@pytest.mark.parametrize(
    ("uid", "reason", "message"),
    [(UID, "FailedCreate", REFUSED), ("pod-1", "Failed", "")],
    ids=["pod security", "image name"],
)
async def test_what_waiting_does_not_cure_is_given_up_at_once(uid: str, reason: str, message: str) -> None:
    cluster = FakeCluster("main")
    async with running(cluster) as task:
        if message:
            cluster.tell(uid, reason, message)
        else:
            cluster.wait("main", "InvalidImageName", "couldn't parse image reference")
        async with asyncio.timeout(0.8):  # 40 s of its clock; the start deadline is 60 s
            with pytest.raises(JobNotStarted, match=r"PodSecurity|couldn't parse"):
                await task


@pytest.mark.parametrize(
    ("uid", "reason"), [("pod-1", "FailedMount"), ("pod-1", "SomethingNew"), (UID, "FailedCreate")]
)
async def test_a_forged_event_ends_no_job_that_has_its_pod(uid: str, reason: str) -> None:
    """Its pod waits for its image, and somebody who may create Events writes the API server's words."""
    cluster = FakeCluster("main")
    async with running(cluster) as task:
        cluster.is_pending = True
        cluster.tell(uid, reason, REFUSED)
        await asyncio.sleep(0.5)  # 25 s of its clock, in which its Events are read
        assert not task.done()
        cluster.start("main")
        cluster.end("main")
        cluster.finish()
        assert (await task).complete


@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.parametrize("exit_code", [0, 5])
async def test_a_job_has_ended_when_its_own_containers_have(watched: bool, exit_code: int) -> None:
    """A mesh has injected a container that never ends; its log is not read, and the Job is deleted."""
    cluster = FakeCluster("first", "main")
    cluster.injected = {"istio-proxy": {"running": {"startedAt": "2026-01-15T10:00:00Z"}}}
    cluster.log["istio-proxy"] = [b"2026-01-15T10:00:00.5Z noise\n"]
    lines: list[tuple[str, bytes]] = []
    async with running(
        cluster, watched=watched, on_line=lambda name, line: lines.append((name, line))
    ) as task:
        cluster.start("first")
        cluster.end("first")
        cluster.start("main")
        cluster.write("main", b"done")
        cluster.end("main", exit_code)
        finished = await task
    assert finished.complete is (exit_code == 0)
    assert [container.name for container in finished.containers] == ["first", "main"]
    assert lines == [("main", b"done")]
    assert cluster.job is None


async def test_a_sidecar_that_fails_does_not_fail_the_job_and_one_that_is_killed_is_no_failure() -> None:
    cluster = FakeCluster("main")
    cluster.injected = {"proxy": {"terminated": {"exitCode": 137, "reason": "Error"}}}
    async with running(cluster) as task:
        cluster.start("main")
        cluster.end("main")
        cluster.finish("Failed", "BackoffLimitExceeded")
        finished = await task
    assert finished.complete
    assert finished.first_failure is None
