"""Jobs with fields that the recordings lack, on the embedded cluster with real processes."""

import asyncio
from typing import Any

from tests.integration.embedded.cluster.cluster_jobs import ClusterJobs

from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.objects import JsonObject

INDEXED: dict[str, Any] = {"completionMode": "Indexed", "completions": 3, "parallelism": 3, "backoffLimit": 6}
FAIL_INDEX_1 = '[ "$JOB_COMPLETION_INDEX" != 1 ]'


async def end_of(jobs: ClusterJobs, name: str) -> tuple[JsonObject, JsonObject]:
    """Return the status of a Job that has ended, and its last condition."""
    await jobs.wait_for_end(name)
    status: JsonObject = (await jobs.cluster.get(paths.jobs("default", name)))["status"]
    return status, status["conditions"][-1]


async def create_and_end(
    jobs: ClusterJobs, name: str, script: str, **spec: Any
) -> tuple[JsonObject, JsonObject]:
    await jobs.create(name, script, {"terminationGracePeriodSeconds": 1}, **spec)
    return await end_of(jobs, name)


async def test_indexes_and_policies_end_a_job_as_kubernetes_does(jobs: ClusterJobs) -> None:
    only_0 = {"rules": [{"succeededIndexes": "0"}]}
    (lost, failed), (early, complete) = await asyncio.gather(
        create_and_end(jobs, "lost", FAIL_INDEX_1, backoffLimitPerIndex=0, **INDEXED),
        create_and_end(
            jobs, "early", '[ "$JOB_COMPLETION_INDEX" = 0 ] || sleep 300', successPolicy=only_0, **INDEXED
        ),
    )
    assert (failed["type"], failed["reason"]) == ("Failed", "FailedIndexes")
    assert (lost["completedIndexes"], lost["failedIndexes"], lost["failed"]) == ("0,2", "1", 1)
    assert (complete["type"], complete["reason"]) == ("Complete", "SuccessPolicy")
    assert (early["completedIndexes"], early["succeeded"]) == ("0", 1)


async def test_a_job_of_another_controller_is_left_alone_and_a_held_one_shows_its_pods(
    jobs: ClusterJobs,
) -> None:
    await jobs.create("theirs", "true", managedBy="kueue.x-k8s.io/multikueue")
    held = await jobs.create("held", "echo works; sleep 1")
    path = paths.jobs("default", "held")
    await jobs.newest_pod("held")
    await jobs.cluster.patch(path, {"metadata": {"finalizers": ["example.com/hold"]}})
    await jobs.cluster.delete(path, uid=held["metadata"]["uid"])

    async def load_held() -> JsonObject:
        return await jobs.cluster.get(path)

    waiting = await jobs.wait_until(load_held, lambda job: not job["status"].get("active"))
    assert waiting["metadata"]["deletionTimestamp"]
    assert "conditions" not in waiting["status"]
    await jobs.cluster.patch(path, {"metadata": {"finalizers": None}})
    await jobs.wait_until_absent(path)
    assert (await jobs.cluster.get(paths.jobs("default", "theirs")))["status"] == {}
    assert await jobs.list_pods("theirs") == []
