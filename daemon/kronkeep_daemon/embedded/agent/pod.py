"""One pod on its node, from Pending to its end.

Implemented: volumes first, then init containers one after the other, then all containers together; native
sidecars (init containers with restartPolicy Always), which run from their place in that order until the other
containers have ended, and end in reverse order; a status after each step; an end within a grace period when
the pod is deleted.

Not implemented: ephemeral containers; activeDeadlineSeconds of a pod (a Job's is the Job controller's);
eviction and preemption.
"""

import asyncio
import logging
from pathlib import Path

from kronkeep_common.clock import Clock
from kronkeep_daemon.embedded.agent.container import ContainerRunner, OpenLog, PodContext, StopRequest
from kronkeep_daemon.embedded.agent.environment import ConfigMissing
from kronkeep_daemon.embedded.agent.image_folder import ImageFolder
from kronkeep_daemon.embedded.agent.pod_api import PodApi
from kronkeep_daemon.embedded.agent.pod_status import CONTAINERS, INIT_CONTAINERS, PodStatusWriter, is_sidecar
from kronkeep_daemon.embedded.agent.volumes import PodVolumes
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject

log = logging.getLogger(__name__)
VOLUME_RETRY_SECONDS = 2.0
DEFAULT_GRACE_SECONDS = 30.0  # kube-apiserver's default for terminationGracePeriodSeconds


class PodRunner:
    """One pod, run to its end; `terminate` ends it early.

    Volumes are created below `folder`; `open_log` returns the writer for a container's output. Each container
    waits `start_delay` seconds before it starts.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        pod: JsonObject,
        folder: Path,
        images: ImageFolder,
        clock: Clock,
        open_log: OpenLog,
        start_delay: float = 0.0,
    ) -> None:
        self._pod = pod
        self._api = PodApi(cluster=cluster, pod=pod, clock=clock)
        self._status = PodStatusWriter(pod=pod, api=self._api, clock=clock)
        self._volumes = PodVolumes(
            folder=folder,
            pod=pod,
            fetch_object=self._api.fetch_object,
            request_token=self._api.request_token,
        )
        self._stop = StopRequest(clock)
        self._context = PodContext(
            pod=pod,
            api=self._api,
            status=self._status,
            volumes=self._volumes,
            images=images,
            open_log=open_log,
            clock=clock,
            stop=self._stop,
            start_delay=start_delay,
        )
        self._containers: list[ContainerRunner] = []
        self._sidecars: list[ContainerRunner] = []
        self._are_sidecars_ending = False
        self._grace_seconds = float(pod["spec"].get("terminationGracePeriodSeconds") or DEFAULT_GRACE_SECONDS)

    def update(self, pod: JsonObject) -> None:
        """Take a change of the pod's annotations and labels."""
        if any(
            pod["metadata"].get(key) != self._pod["metadata"].get(key) for key in ("annotations", "labels")
        ):
            self._pod = {**self._pod, "metadata": pod["metadata"]}
            self._volumes.update_fields(self._pod)

    async def run(self) -> None:
        """Run the pod until its end has been written, or until it has been deleted."""
        self._status.begin()
        try:
            if await self._create_volumes():
                async with asyncio.TaskGroup() as sidecars:
                    try:
                        await self._run_containers(sidecars)
                    finally:
                        await self._stop_sidecars()
            await self._status.write_end()
        except* NotFoundInCluster:  # also out of the group, in which a container writes its status
            log.info("pod %s has been deleted", self._pod["metadata"]["name"])
        finally:
            self._volumes.remove()

    async def terminate(self, grace_seconds: float) -> None:
        """End the pod's processes: SIGTERM, and SIGKILL after `grace_seconds`.

        Sidecars end after the others, by `run`, or with this call where they are ending already.
        """
        self._grace_seconds = grace_seconds
        self._stop.set()
        ending = [*self._containers, *(self._sidecars if self._are_sidecars_ending else ())]
        await asyncio.gather(*(container.stop(grace_seconds) for container in ending))

    async def _create_volumes(self) -> bool:
        """Create the volumes, with retries while something is missing; False when ended meanwhile."""
        while not self._stop.is_set():
            try:
                await self._volumes.create()
                return True
            except (ConfigMissing, OSError) as fault:
                await self._api.create_warning("FailedMount", f"MountVolume.SetUp failed: {fault}")
                await self._status.write()
                await self._stop.pause(VOLUME_RETRY_SECONDS)
        return False

    async def _run_containers(self, sidecars: asyncio.TaskGroup) -> None:
        """Run the init containers, then the others, to their ends; begin the sidecars in their group."""
        if await self._run_init_containers(sidecars):
            async with asyncio.TaskGroup() as group:
                for container in self._pod["spec"]["containers"]:
                    group.create_task(self._run_container(container, CONTAINERS))

    async def _run_init_containers(self, sidecars: asyncio.TaskGroup) -> bool:
        """Run the init containers in order; False where one has failed or the pod is being ended."""
        for container in self._pod["spec"].get("initContainers") or []:
            if is_sidecar(container):
                sidecar = ContainerRunner(self._context, container, INIT_CONTAINERS)
                self._sidecars.append(sidecar)
                sidecars.create_task(sidecar.run())
                await sidecar.wait_until_started()
            elif await self._run_container(container, INIT_CONTAINERS) != 0:
                return False
        return not self._stop.is_set()

    async def _stop_sidecars(self) -> None:
        """End the sidecars in reverse order, within what is left of the grace period."""
        self._are_sidecars_ending = True
        loop = asyncio.get_running_loop()
        end = loop.time() + self._grace_seconds
        for sidecar in reversed(self._sidecars):
            await sidecar.stop(max(0.0, end - loop.time()))

    async def _run_container(self, container: JsonObject, field: str) -> int:
        runner = ContainerRunner(self._context, container, field)
        self._containers.append(runner)
        return await runner.run()
