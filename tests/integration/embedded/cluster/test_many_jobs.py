"""Two hundred Jobs at once: none is lost, none runs twice, each has its own log."""

import asyncio

from tests.integration.embedded.cluster.cluster_jobs import ClusterJobs

from kronkeep_daemon.kube import paths

COUNT = 200


async def test_two_hundred_jobs_at_once(jobs: ClusterJobs) -> None:
    names = [f"many-{number}" for number in range(COUNT)]
    await asyncio.gather(*(jobs.create(name, f"echo {name}") for name in names))

    async def count_succeeded() -> int:
        items, _ = await jobs.cluster.list(paths.jobs("default"))
        return sum(job["status"].get("succeeded", 0) for job in items)

    assert await jobs.wait_until(count_succeeded, lambda count: count >= COUNT) == COUNT
    pods, _ = await jobs.cluster.list(paths.pods("default"))
    assert len(pods) == COUNT
    for name in names[:: COUNT // 10]:
        assert await jobs.read_log(name) == f"{name}\n"
