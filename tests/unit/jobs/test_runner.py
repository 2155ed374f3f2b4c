"""One Job from its creation to its end: adopted, watched or polled, its logs read, its limits kept."""

import asyncio
from typing import Any

import pytest
from tests.unit.jobs.fake_cluster import (
    NAME,
    NAMESPACE,
    UID,
    FakeCluster,
    eventually,
)
from tests.unit.jobs.running_jobs import runner_of, running

from kronkeep_common import object_keys
from kronkeep_common.errors import ClusterUnreachable, InvalidRequest, NameTaken
from kronkeep_common.reasons import Reason
from kronkeep_daemon.jobs import logs
from kronkeep_daemon.jobs.outcome import ContainerResult, FinishedJob
from kronkeep_daemon.jobs.runner import JobLimits
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import Pod, convert_object


@pytest.mark.parametrize("watched", [True, False])
async def test_a_job_is_run_to_its_end_with_exit_codes_reasons_and_logs(watched: bool) -> None:
    cluster = FakeCluster("first", "second")
    async with running(cluster, watched=watched) as task:
        cluster.start("first")
        cluster.write("first", b"one")
        cluster.end("first")
        cluster.start("second")
        cluster.write("second", b"two", b"three")
        cluster.end("second", 3, "Error")
        cluster.finish("Failed", "BackoffLimitExceeded")
        finished = await task
    assert (finished.complete, finished.reason, finished.message, finished.pod) == (
        False,
        "BackoffLimitExceeded",
        "The Job is Failed.",
        "ours-pod",
    )
    assert finished.containers == (
        ContainerResult(name="first", exit_code=0, reason="Completed", log=b"2026-01-15T10:00:00.5Z one\n"),
        ContainerResult(
            name="second",
            exit_code=3,
            reason="Error",
            log=b"2026-01-15T10:00:00.5Z two\n2026-01-15T10:00:00.5Z three\n",
        ),
    )
    assert finished.first_failure == finished.container("second")
    assert finished.containers[1].text == b"two\nthree\n"


async def test_a_watched_job_is_not_polled() -> None:
    cluster = FakeCluster("main")
    async with running(cluster) as task:
        cluster.start("main")
        await asyncio.sleep(0.5)  # 25 seconds of its clock
        assert cluster.requests == ["create"]
        cluster.end("main")
        cluster.finish()
        assert (await task).complete
    assert cluster.requests == ["create", "list", "log main"]


async def test_a_job_is_polled_while_its_watch_is_not_live() -> None:
    cluster = FakeCluster("main")
    async with running(cluster) as task:
        cluster.start("main")
        cluster.is_live = False
        cluster.end("main")
        cluster.finish()
        assert (await task).complete
    assert "get" in cluster.requests


async def test_a_job_that_is_polled_for_long_is_polled_less_often() -> None:
    cluster = FakeCluster("main")
    async with running(cluster, watched=False):
        cluster.start("main")
        await asyncio.sleep(1.2)  # a minute of its clock: 120 polls if every half second had one
        assert 5 < cluster.requests.count("get") < 40


@pytest.mark.parametrize("watched", [True, False])
async def test_a_job_that_is_deleted_before_its_end_is_not_found(watched: bool) -> None:
    cluster = FakeCluster("main")
    async with running(cluster, watched=watched) as task:
        cluster.start("main")
        await asyncio.sleep(0.01)
        cluster.delete_job()
        with pytest.raises(NotFoundInCluster):
            await task


async def test_a_deleted_job_is_reported_once_its_pod_has_ended_too() -> None:
    cluster = FakeCluster("main")
    async with running(cluster) as task:
        cluster.start("main")
        await asyncio.sleep(0.01)
        cluster.pods_outlive_job = True
        cluster.delete_job()
        await asyncio.sleep(0.1)  # five seconds of its clock: restic may save a snapshot in them
        assert not task.done()
        cluster.pods_deleted = True
        with pytest.raises(NotFoundInCluster):
            await task


async def test_a_job_that_ends_and_is_deleted_at_once_has_still_ended() -> None:
    cluster = FakeCluster("main")
    async with running(cluster) as task:
        cluster.start("main")
        await asyncio.sleep(0.01)
        cluster.end("main")
        cluster.finish()
        cluster.pods_deleted = True
        cluster.delete_job()
        finished = await task
    assert (finished.complete, finished.container("main") is not None) == (True, True)
    with pytest.raises(NotFoundInCluster):
        finished.require_whole_logs()


async def test_a_job_of_the_same_name_with_another_uid_is_not_taken_for_it() -> None:
    cluster = FakeCluster("main")
    async with running(cluster, watched=False) as task:
        assert cluster.job is not None
        cluster.job["metadata"]["uid"] = "another"
        with pytest.raises(NotFoundInCluster, match="replaced"):
            await task


async def test_a_job_of_an_earlier_life_is_adopted_and_a_strangers_is_not() -> None:
    cluster = FakeCluster("main")
    async with running(cluster) as first:
        cluster.start("main")
        first.cancel()
    async with running(cluster) as second:
        cluster.end("main")
        cluster.finish()
        assert (await second).complete


@pytest.mark.parametrize(
    "token", [None, "guessed", "theirs cluster-1 /apis/batch/v1/namespaces/shop/jobs/ours"]
)
async def test_a_job_without_our_token_is_neither_believed_nor_deleted(token: str | None) -> None:
    """It has our name, our labels and even a good end; only the token is another's, or missing."""
    cluster = FakeCluster("main")
    annotations = {} if token is None else {object_keys.TOKEN: token}
    meta = cluster.manifest["metadata"] | {"annotations": annotations}
    await cluster.create("", {**cluster.manifest, "metadata": meta})
    cluster.start("main")
    cluster.write("main", b'{"message_type":"summary","snapshot_id":"feedface"}')
    cluster.end("main")
    cluster.finish()
    runner = runner_of(cluster)
    with pytest.raises(NameTaken, match="neither believed nor deleted") as refusal:
        await runner.run(cluster.manifest)
    assert "kubectl -n shop get job ours" in (refusal.value.next_step or "")
    with pytest.raises(NameTaken):
        await runner.wait(NAMESPACE, NAME)
    assert not await runner.exists(NAMESPACE, NAME)
    assert not await runner.is_running(NAMESPACE, NAME)
    await runner.remove(NAMESPACE, NAME)
    assert cluster.job is not None
    assert "delete" not in cluster.requests


@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.parametrize(
    "fields",
    [
        {"ownerReferences": []},
        {"ownerReferences": [{"kind": "Job", "name": NAME, "uid": "uid-2"}]},
        {"ownerReferences": [{"kind": "Job", "name": NAME, "uid": UID}], "namespace": "elsewhere"},
    ],
)
async def test_a_pod_that_only_looks_like_the_jobs_is_not_read(watched: bool, fields: dict[str, Any]) -> None:
    """A pod of another's with the Job's label, or of another namespace with a forged owner."""
    cluster = FakeCluster("main")
    async with running(cluster, watched=watched) as task:
        meta = {
            "name": "zzz-forged",
            "namespace": NAMESPACE,
            "uid": "pod-2",
            "resourceVersion": "1",
            "creationTimestamp": "2026-01-15T11:00:00Z",
            "labels": {object_keys.CONTROLLER_UID_LABEL: UID, object_keys.JOB_NAME_LABEL: NAME},
        }
        ended = {"name": "main", "state": {"terminated": {"exitCode": 0}}}
        forged = {
            "metadata": meta | fields,
            "spec": {"containers": [{"name": "main"}]},
            "status": {"containerStatuses": [ended]},
        }
        cluster.other_pods = [forged]
        cluster.cache.update_pod("ADDED", convert_object(forged, Pod))
        cluster.start("main")
        cluster.write("main", b"true")
        cluster.end("main", 1, "Error")
        cluster.finish("Failed")
        finished = await task
    assert (finished.pod, [container.exit_code for container in finished.containers]) == ("ours-pod", [1])


def forged_pod(name: str, created_at: str, exit_code: int) -> dict[str, Any]:
    """A pod with all by which the Job's is known, as anybody who creates pods can make it."""
    meta = {
        "name": name,
        "namespace": NAMESPACE,
        "uid": f"uid of {name}",
        "resourceVersion": "1",
        "creationTimestamp": created_at,
        "labels": {object_keys.CONTROLLER_UID_LABEL: UID, object_keys.JOB_NAME_LABEL: NAME},
        "ownerReferences": [{"kind": "Job", "name": NAME, "uid": UID, "controller": True}],
        "finalizers": ["batch.kubernetes.io/job-tracking"],
    }
    ended = {"name": "main", "state": {"terminated": {"exitCode": exit_code}}}
    return {
        "metadata": meta,
        "spec": {"containers": [{"name": "main"}]},
        "status": {"containerStatuses": [ended]},
    }


@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.parametrize("created_at", ["2026-01-15T09:00:00Z", "2026-01-15T11:00:00Z"])
@pytest.mark.parametrize("condition", ["Complete", "Failed"])
async def test_a_second_pod_that_claims_to_be_the_jobs_makes_its_end_doubtful(
    watched: bool, created_at: str, condition: str
) -> None:
    cluster = FakeCluster("main")
    async with running(cluster, watched=watched) as task:
        cluster.start("main")
        forged = forged_pod("ours-forged", created_at, 0)
        cluster.other_pods = [forged]
        cluster.cache.update_pod("ADDED", convert_object(forged, Pod))
        cluster.end("main", 1, "Error")
        cluster.finish(condition)
        finished = await task
    assert (finished.complete, finished.reason) == (False, "PodsDisagree")
    assert "ours-forged" in finished.message
    assert [container.exit_code for container in finished.containers] == [None]


async def test_a_pod_in_the_place_of_the_first_one_makes_the_end_doubtful() -> None:
    """The tenant deletes our pod, so the Job fails, and shows one that succeeded beside a "sidecar"."""
    cluster = FakeCluster("main")
    async with running(cluster) as task:
        cluster.start("main")
        await asyncio.sleep(0.02)
        cluster.pods_deleted = True
        forged = forged_pod("ours-forged", "2026-01-15T11:00:00Z", 0)
        forged["spec"]["containers"].append({"name": "sidecar"})
        cluster.other_pods = [forged]
        cluster.finish("Failed", "BackoffLimitExceeded")
        finished = await task
    assert (finished.complete, finished.reason) == (False, "PodsDisagree")


@pytest.mark.parametrize(("condition", "exit_code"), [("Complete", 1), ("Failed", 0)])
async def test_a_pod_and_a_condition_that_tell_different_ends_leave_doubt(
    condition: str, exit_code: int
) -> None:
    cluster = FakeCluster("main")
    async with running(cluster) as task:
        cluster.start("main")
        cluster.end("main", exit_code)
        cluster.finish(condition)
        finished = await task
    assert (finished.complete, finished.reason) == (False, "PodsDisagree")


async def test_a_pod_that_was_deleted_while_its_node_was_silent_says_so() -> None:
    """Seen on a kubelet that was away for seven minutes while a container came to its good end."""
    cluster = FakeCluster("main")
    async with running(cluster) as task:
        cluster.start("main")
        cluster.pod_deleted_at = "2026-01-15T10:05:30Z"
        cluster.end("main", 0)
        cluster.finish("Failed", "BackoffLimitExceeded")
        finished = await task
    assert (finished.complete, finished.reason) == (False, "PodsDisagree")
    assert finished.message.startswith("The pod was deleted before its node told")
    assert "silent for five minutes" in Reason.PODS_DISAGREE.next_step


@pytest.mark.parametrize("is_created_again", [False, True])
async def test_a_job_with_a_copied_token_is_not_ours(is_created_again: bool) -> None:
    """The tenant reads the token of our Job, deletes it, and puts one of the same name in its place."""
    cluster = FakeCluster("main")
    runner = runner_of(cluster)
    task = asyncio.create_task(runner.run(cluster.manifest))
    await eventually(lambda: cluster.job is not None)
    await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.wait([task])
    assert cluster.job is not None
    cluster.job["metadata"]["uid"] = "forged"
    cluster.finish()
    with pytest.raises(NameTaken):
        await (runner.run(cluster.manifest) if is_created_again else runner.wait(NAMESPACE, NAME))
    assert not await runner.exists(NAMESPACE, NAME)
    await runner.remove(NAMESPACE, NAME)
    assert cluster.job is not None


async def test_each_line_comes_once_in_order_over_streams_that_break() -> None:
    cluster = FakeCluster("first", "second")
    cluster.broken_streams = 3
    lines: list[tuple[str, bytes]] = []
    async with running(cluster, on_line=lambda name, line: lines.append((name, line))) as task:
        cluster.start("first")
        for number in range(7):
            cluster.write("first", b"a%d" % number)
            await asyncio.sleep(0.005)
        await eventually(lambda: len(lines) == 7)
        cluster.end("first")
        cluster.start("second")
        cluster.write("second", b"b0")
        cluster.end("second")
        cluster.finish()
        finished = await task
    assert lines == [*(("first", b"a%d" % number) for number in range(7)), ("second", b"b0")]
    assert finished.containers[0].log.count(b"\n") == 7
    finished.require_whole_logs()


async def test_lines_come_while_the_container_runs() -> None:
    cluster = FakeCluster("main")
    lines: list[bytes] = []
    async with running(cluster, on_line=lambda _, line: lines.append(line)):
        cluster.start("main")
        cluster.write("main", b"percent 1")
        await eventually(lambda: lines == [b"percent 1"])


async def test_what_the_reader_of_lines_raises_ends_the_call_and_leaves_the_job() -> None:
    cluster = FakeCluster("main")

    def refuse(_: str, line: bytes) -> None:
        raise InvalidRequest("Too many.")

    async with running(cluster, on_line=refuse) as task:
        cluster.start("main")
        cluster.write("main", b"line")
        with pytest.raises(InvalidRequest, match="Too many"):
            await task
    assert cluster.job is not None


async def test_a_connection_that_is_silent_after_the_containers_end_is_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logs, "SILENT_SECONDS", 0.05)
    cluster = FakeCluster("main")
    cluster.silent_streams = 1
    lines: list[bytes] = []
    async with running(cluster, on_line=lambda _, line: lines.append(line)) as task:
        cluster.start("main")
        cluster.write("main", b"one", b"two")
        await asyncio.sleep(0.02)
        cluster.end("main")
        cluster.finish()
        finished = await task
    assert lines == [b"one", b"two"]
    finished.require_whole_logs()


async def test_a_log_that_cannot_be_read_is_said_in_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "SILENT_SECONDS", 0.02)
    cluster = FakeCluster("main")
    cluster.silent_streams = 10
    async with running(cluster) as task:
        cluster.start("main")
        cluster.end("main")
        cluster.finish()
        finished = await task
    assert b"[kronkeep: this log could not be read: The log of the container main stopped" in (
        finished.containers[0].log
    )
    with pytest.raises(ClusterUnreachable):
        finished.require_whole_logs()


async def test_a_last_container_that_runs_too_long_is_stopped_with_its_log() -> None:
    cluster = FakeCluster("first", "main")
    async with running(cluster, limits=JobLimits(last_container_seconds=10)) as task:
        cluster.start("first")
        await asyncio.sleep(0.3)  # 15 s: the first container has no such limit
        assert not task.done()
        cluster.end("first")
        cluster.start("main")
        cluster.write("main", b"busy")
        finished = await task
    assert (finished.complete, finished.reason) == (False, "DeadlineExceeded")
    assert [container.exit_code for container in finished.containers] == [0, None]
    assert finished.containers[1].text == b"busy\n"
    assert cluster.job is None


@pytest.mark.parametrize("watched", [True, False])
async def test_a_cluster_that_is_away_is_waited_for_up_to_a_limit(watched: bool) -> None:
    cluster = FakeCluster("main")
    async with running(cluster, watched=watched) as patient:
        cluster.start("main")
        cluster.away = True
        cluster.is_live = False
        await asyncio.sleep(0.3)
        assert not patient.done()
        cluster.away = False
        cluster.end("main")
        cluster.finish()
        assert (await patient).complete
    cluster = FakeCluster("main")
    limits = JobLimits(unreachable_seconds=5)
    async with running(cluster, watched=watched, limits=limits) as impatient:
        cluster.away = True
        cluster.is_live = False
        with pytest.raises(ClusterUnreachable):
            await impatient


async def test_a_cancelled_call_leaves_the_job_and_no_task_behind() -> None:
    cluster = FakeCluster("main")
    before = asyncio.all_tasks()
    async with running(cluster, on_line=lambda *_: None) as task:
        cluster.start("main")
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.wait([task])
    assert cluster.job is not None
    assert asyncio.all_tasks() == before


async def test_a_pod_is_given_once_a_container_has_started_or_how_the_job_ended_before() -> None:
    cluster = FakeCluster("first", "send")

    async def start() -> Pod | FinishedJob:
        return await runner_of(cluster).run_until_started(
            cluster.manifest, "send", is_abandoned=lambda: False
        )

    task = asyncio.create_task(start())
    await eventually(lambda: cluster.job is not None)
    cluster.start("first")
    await asyncio.sleep(0.02)
    assert not task.done()
    cluster.end("first")
    cluster.start("send")
    pod = await task
    assert isinstance(pod, Pod)
    assert pod.metadata.name == "ours-pod"
    cluster = FakeCluster("first", "send")
    task = asyncio.create_task(start())
    await eventually(lambda: cluster.job is not None)
    cluster.start("first")
    cluster.write("first", b"Fatal: wrong password")
    cluster.end("first", 12, "Error")
    cluster.finish("Failed")
    finished = await task
    assert isinstance(finished, FinishedJob)
    assert finished.containers[0].text == b"Fatal: wrong password\n"


async def test_a_job_that_nobody_waits_for_is_not_followed() -> None:
    cluster = FakeCluster("send")
    with pytest.raises(NotFoundInCluster):
        await runner_of(cluster).run_until_started(cluster.manifest, "send", is_abandoned=lambda: True)


async def test_whether_a_job_is_there_and_runs() -> None:
    cluster = FakeCluster("main")
    runner = runner_of(cluster)
    assert not await runner.exists(NAMESPACE, NAME)
    assert not await runner.is_running(NAMESPACE, NAME)
    async with running(cluster):
        assert await runner.is_running(NAMESPACE, NAME)
        cluster.finish()
        assert await runner.exists(NAMESPACE, NAME)
        assert not await runner.is_running(NAMESPACE, NAME)
        await runner.remove(NAMESPACE, NAME)
        assert not await runner.exists(NAMESPACE, NAME)
