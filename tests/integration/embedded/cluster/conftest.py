import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from kronkeep_daemon.embedded import EmbeddedCluster
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject

PATIENCE = 30.0


class Room:
    """Short words for what the tests do to a cluster, all in the namespace default."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    async def job(self, name: str, script: str, pod: JsonObject | None = None, **spec: Any) -> JsonObject:
        """A Job whose one container runs a shell script; `pod` adds to the pod's spec."""
        container = {"name": "main", "image": "busybox:1.36", "command": ["sh", "-c", script]}
        container |= (pod or {}).pop("container", {})
        template = {"restartPolicy": "Never", "containers": [container], **(pod or {})}
        body = {
            "metadata": {"name": name},
            "spec": {"backoffLimit": 0, **spec, "template": {"spec": template}},
        }
        return await self.cluster.create(paths.jobs("default"), body)

    async def ended(self, name: str) -> str:
        """`Complete` or `Failed`, once the Job has ended."""

        async def look() -> str:
            job = await self.cluster.get(paths.jobs("default", name))
            found = [c["type"] for c in job.get("status", {}).get("conditions", []) if c["status"] == "True"]
            return found[-1] if found else ""

        return await self.until(look, lambda found: found in ("Complete", "Failed"))

    async def pod(self, job: str) -> JsonObject:
        """The Job's newest pod."""
        pods = await self.until(lambda: self.pods(job), bool)
        return max(pods, key=lambda pod: int(pod["metadata"]["resourceVersion"]))

    async def pods(self, job: str) -> list[JsonObject]:
        pods, _ = await self.cluster.list(paths.pods("default"), labelSelector=f"job-name={job}")
        return pods

    async def log(self, job: str, container: str = "main") -> str:
        pod = (await self.pod(job))["metadata"]["name"]
        chunks = self.cluster.log_chunks("default", pod, container, follow=False, timestamps=False)
        return b"".join([chunk async for chunk in chunks]).decode()

    async def output(self, name: str, script: str, pod: JsonObject | None = None, **spec: Any) -> str:
        """What a Job prints that must succeed."""
        await self.job(name, script, pod, **spec)
        end = await self.ended(name)
        text = await self.log(name)
        assert end == "Complete", text
        return text

    async def gone(self, path: str) -> None:
        async def look() -> bool:
            try:
                await self.cluster.get(path)
            except NotFoundInCluster:
                return True
            return False

        await self.until(look, bool)

    async def until(
        self, look: Callable[[], Awaitable[Any]], done: Callable[[Any], bool], seconds: float = PATIENCE
    ) -> Any:
        """What `look` finds once it is `done`; fails with what was seen last."""
        end = asyncio.get_running_loop().time() + seconds
        while not done(found := await look()):
            assert asyncio.get_running_loop().time() < end, found
            await asyncio.sleep(0.05)
        return found


@pytest.fixture
async def room(embedded_cluster: EmbeddedCluster) -> AsyncIterator[Room]:
    cluster = await Cluster.connect(kubeconfig=embedded_cluster.kubeconfig)
    yield Room(cluster)
    await cluster.close()
