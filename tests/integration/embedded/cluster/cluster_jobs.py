"""Jobs of shell scripts on an embedded cluster, all in the namespace default."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from tests.waiting import LONGEST_WAIT

from kronkeep_common.clock import SystemClock
from kronkeep_daemon.embedded import EmbeddedCluster
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.supervisor import Supervisor

T = TypeVar("T")


class ClusterJobs:
    """Creates Jobs, waits for them and reads their pods and logs."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    async def create(self, name: str, script: str, pod: JsonObject | None = None, **spec: Any) -> JsonObject:
        """Create a Job whose container `main` runs a shell script.

        `pod` holds fields of the pod's spec, and under `container` fields of the container; `spec` holds
        fields of the Job's spec.
        """
        pod_spec = dict(pod or {})
        container = {
            "name": "main",
            "image": "busybox:1.36",
            "command": ["sh", "-c", script],
            **pod_spec.pop("container", {}),
        }
        template = {"restartPolicy": "Never", "containers": [container], **pod_spec}
        body = {
            "metadata": {"name": name},
            "spec": {"backoffLimit": 0, **spec, "template": {"spec": template}},
        }
        return await self.cluster.create(paths.jobs("default"), body)

    async def run(self, name: str, script: str, pod: JsonObject | None = None, **spec: Any) -> str:
        """Create a Job that must succeed and return what it prints."""
        await self.create(name, script, pod, **spec)
        end = await self.wait_for_end(name)
        text = await self.read_log(name)
        assert end == "Complete", text
        return text

    async def wait_for_end(self, name: str) -> str:
        """Return `Complete` or `Failed` once the Job has ended."""

        async def newest_condition() -> str:
            job = await self.cluster.get(paths.jobs("default", name))
            conditions = job.get("status", {}).get("conditions", [])
            true = [condition["type"] for condition in conditions if condition["status"] == "True"]
            return true[-1] if true else ""

        return await self.wait_until(newest_condition, lambda kind: kind in ("Complete", "Failed"))

    async def newest_pod(self, job: str) -> JsonObject:
        """Return the Job's newest pod, once there is one."""
        pods = await self.wait_until(lambda: self.list_pods(job), bool)
        return max(pods, key=lambda pod: int(pod["metadata"]["resourceVersion"]))

    async def list_pods(self, job: str) -> list[JsonObject]:
        pods, _ = await self.cluster.list(paths.pods("default"), labelSelector=f"job-name={job}")
        return pods

    async def read_log(self, job: str, container: str = "main", *, previous: bool = False) -> str:
        """Return the whole log of a container of the Job's newest pod, or of its previous instance."""
        pod = await self.newest_pod(job)
        chunks = self.cluster.log_chunks(
            "default", pod["metadata"]["name"], container, follow=False, timestamps=False, previous=previous
        )
        return b"".join([chunk async for chunk in chunks]).decode()

    async def wait_until_absent(self, path: str) -> None:
        async def is_absent() -> bool:
            try:
                await self.cluster.get(path)
            except NotFoundInCluster:
                return True
            return False

        await self.wait_until(is_absent, bool)

    async def wait_until(
        self,
        look: Callable[[], Awaitable[T]],
        is_done: Callable[[T], bool],
        seconds: float = LONGEST_WAIT,
    ) -> T:
        """Return what `look` returns once that `is_done`; fail with its last value."""
        end = asyncio.get_running_loop().time() + seconds
        while not is_done(value := await look()):
            assert asyncio.get_running_loop().time() < end, value
            await asyncio.sleep(0.05)
        return value


class RunningCluster:
    """An embedded cluster whose state is in a folder, until the block ends."""

    def __init__(self, folder: Path, *, machine_tools: bool = False) -> None:
        self._folder = folder
        self._machine_tools = machine_tools

    async def __aenter__(self) -> ClusterJobs:
        self._supervisor = Supervisor(SystemClock())
        self._embedded = await EmbeddedCluster.start(
            self._folder, supervisor=self._supervisor, machine_tools=self._machine_tools
        )
        self._cluster = await Cluster.connect(kubeconfig=self._embedded.kubeconfig)
        return ClusterJobs(self._cluster)

    async def __aexit__(self, *_: object) -> None:
        await self._cluster.close()
        await self._supervisor.close()
        await self._embedded.close()
