"""One pod from Pending to its end: volumes, init containers in order, containers, statuses."""

import asyncio
import copy
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_common.text import clean
from kronkeep_daemon.embedded.agent import sandbox
from kronkeep_daemon.embedded.agent.container_process import NOT_STARTED, Process
from kronkeep_daemon.embedded.agent.environment import ConfigMissing, environment, expand
from kronkeep_daemon.embedded.agent.volumes import Volumes
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject

log = logging.getLogger(__name__)
RETRY_SECONDS = 2.0
RESTART_BACKOFF = 10.0
LONGEST_BACKOFF = 300.0
UNPULLABLE = "missing.invalid/"


def stamp(moment: datetime) -> str:
    """A metav1.Time."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class PodRunner:
    """Runs one pod; `terminate` ends it early. The pod's status is written after each change."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        pod: JsonObject,
        folder: Path,
        clock: Clock,
        sink: Callable[[JsonObject, str], Callable[[bytes, bool], Awaitable[None]]],
    ) -> None:
        self._cluster = cluster
        self._sink = sink
        self._pod = pod
        self._clock = clock
        self._meta = pod["metadata"]
        self._volumes = Volumes(folder=folder, pod=pod, fetch=self._fetch, token=self._token)
        self._status: JsonObject = copy.deepcopy(pod.get("status") or {})
        self._processes: dict[str, Process] = {}
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Returns when the pod has ended and its end is written, or the pod is gone."""
        self._status |= {"startTime": stamp(self._clock.now())}
        spec = self._pod["spec"]
        self._begin("initContainerStatuses", spec.get("initContainers") or [])
        self._begin("containerStatuses", spec["containers"])
        try:
            if await self._prepared() and await self._initialised():
                async with asyncio.TaskGroup() as group:
                    for container in spec["containers"]:
                        group.create_task(self._container("containerStatuses", container))
            await self._finish()
        except NotFoundInCluster:
            log.info("pod %s is gone", self._meta["name"])
        finally:
            self._volumes.remove()

    async def terminate(self, grace: float) -> None:
        """Ends the pod's processes: SIGTERM, and SIGKILL after `grace` seconds."""
        self._stopping.set()
        await asyncio.gather(*(process.stop(grace) for process in self._processes.values()))

    def _begin(self, field: str, containers: list[JsonObject]) -> None:
        reason = "PodInitializing" if self._pod["spec"].get("initContainers") else "ContainerCreating"
        entries = [_waiting(container, reason) for container in containers]
        if entries:
            self._status[field] = entries

    async def _prepared(self) -> bool:
        """Makes the volumes, again and again while something is missing; False when stopped meanwhile."""
        while not self._stopping.is_set():
            try:
                await self._volumes.prepare()
                return True
            except (ConfigMissing, OSError) as fault:
                await self._tell("FailedMount", f"MountVolume.SetUp failed: {fault}")
                await self._write()
                await self._pause(RETRY_SECONDS)
        return False

    async def _initialised(self) -> bool:
        for container in self._pod["spec"].get("initContainers") or []:
            if await self._container("initContainerStatuses", container) != 0:
                return False
        return not self._stopping.is_set()

    async def _container(self, field: str, container: JsonObject) -> int:
        """Runs one container to its end, restarted after failures where the pod's policy says so."""
        restarts = 0
        pause = RESTART_BACKOFF
        while True:
            code = await self._once(field, container, restarts)
            again = self._pod["spec"].get("restartPolicy") == "OnFailure" and code != 0
            if not again or self._stopping.is_set():
                return code
            restarts += 1
            words = {
                "reason": "CrashLoopBackOff",
                "message": f"back-off {pause:.0f}s restarting failed container",
            }
            await self._set(field, container, {"waiting": words}, restarts)
            await self._pause(pause)
            pause = min(pause * 2, LONGEST_BACKOFF)

    async def _once(self, field: str, container: JsonObject, restarts: int) -> int:
        name = container["name"]
        argv, variables = await self._resolved(field, container, restarts)
        if argv is None:
            return NOT_STARTED
        push = self._sink(self._pod, name)
        folder = container.get("workingDir") or "/"
        hostname = variables["HOSTNAME"]
        line = sandbox.command(argv, self._volumes.mounts(container), folder, hostname)
        process = self._processes[name] = Process(line, variables, push)
        started = stamp(self._clock.now())
        await self._set(field, container, {"running": {"startedAt": started}}, restarts)
        try:
            code = await process.run()
        except OSError as fault:
            await push(f"{fault}\n".encode(), True)
            code = NOT_STARTED
        ended: JsonObject = {"exitCode": code, "reason": "Completed" if code == 0 else "Error"}
        if code and container.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            ended["message"] = process.tail.decode(errors="replace")
        if 128 < code < 160:
            ended["signal"] = code - 128
        ended |= {"startedAt": started, "finishedAt": stamp(self._clock.now())}
        await self._set(field, container, {"terminated": ended}, restarts)
        return code

    async def _resolved(
        self, field: str, container: JsonObject, restarts: int
    ) -> tuple[list[str] | None, dict[str, str]]:
        """The command and environment; waits, with the kubelet's reason, while they cannot be had."""
        pulls = 0
        while not self._stopping.is_set():
            try:
                variables = await environment(self._pod, container, self._fetch)
                fault = _image_fault(container, pulls)
            except ConfigMissing as missing:
                variables = {}
                fault = {"reason": "CreateContainerConfigError", "message": str(missing)}
            argv = [*(container.get("command") or []), *(container.get("args") or [])]
            if fault is None and argv:
                return [expand(word, variables) for word in argv], variables
            if fault is None:
                message = "no command specified: this node has no images, so a container needs its command"
                fault = {"reason": "CreateContainerError", "message": message}
            pulls += 1
            await self._set(field, container, {"waiting": fault}, restarts)
            await self._pause(RETRY_SECONDS)
        return None, {}

    async def _finish(self) -> None:
        entries = [
            *(self._status.get("initContainerStatuses") or []),
            *(self._status.get("containerStatuses") or []),
        ]
        ended = [(entry.get("state") or {}).get("terminated") for entry in entries]
        good = all(end is not None and end["exitCode"] == 0 for end in ended)
        await self._write(phase="Succeeded" if good else "Failed")

    async def _set(self, field: str, container: JsonObject, state: JsonObject, restarts: int) -> None:
        entry = next(e for e in self._status[field] if e["name"] == container["name"])
        if "terminated" in entry["state"]:
            entry["lastState"] = entry["state"]
        running = "running" in state
        if running and field == "containerStatuses":
            self._status["phase"] = "Running"
        done = field == "initContainerStatuses" and (state.get("terminated") or {}).get("exitCode") == 0
        entry |= {"state": state, "restartCount": restarts, "started": running, "ready": running or done}
        if self._last_of_a_running_pod(field, state):
            return
        await self._write()

    def _last_of_a_running_pod(self, field: str, state: JsonObject) -> bool:
        """Whether this end is also the pod's, so that one write tells both, as a kubelet does."""
        if field != "containerStatuses" or "terminated" not in state:
            return False
        if self._pod["spec"].get("restartPolicy") == "OnFailure" and state["terminated"]["exitCode"]:
            return False
        return all("terminated" in entry["state"] for entry in self._status[field])

    async def _write(self, phase: str | None = None) -> None:
        if phase is not None:
            self._status["phase"] = phase
        self._status["conditions"] = self._conditions()
        path = f"{paths.pods(self._meta['namespace'], self._meta['name'])}/status"
        body = {"metadata": {"uid": self._meta["uid"]}, "status": self._status}
        while True:
            try:
                await self._cluster.patch(path, body)
                return
            except NotFoundInCluster:
                raise
            except KronkeepError as fault:
                if not fault.retryable:
                    raise
                await self._clock.sleep(1.0)

    def _conditions(self) -> list[JsonObject]:
        at = stamp(self._clock.now())
        ready = self._status.get("phase") == "Running"
        entry: JsonObject = {
            "type": "Ready",
            "status": str(ready),
            "lastProbeTime": None,
            "lastTransitionTime": at,
        }
        if self._status.get("phase") in ("Succeeded", "Failed"):
            entry["reason"] = "PodCompleted"
        kept = [c for c in self._status.get("conditions") or [] if c["type"] not in ("Ready",)]
        return [entry, *kept]

    async def _pause(self, seconds: float) -> None:
        """Waits, but not past being stopped."""
        waits = [
            asyncio.ensure_future(self._clock.sleep(seconds)),
            asyncio.ensure_future(self._stopping.wait()),
        ]
        _, left = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in left:
            wait.cancel()

    async def _fetch(self, kind: str, name: str) -> JsonObject | None:
        try:
            return await self._cluster.get(paths.core(kind, self._meta["namespace"], name))
        except NotFoundInCluster:
            return None

    async def _token(self, seconds: int, audience: str | None) -> str:
        """A token of the pod's service account, bound to the pod (TokenRequest)."""
        bound = {"kind": "Pod", "apiVersion": "v1", "name": self._meta["name"], "uid": self._meta["uid"]}
        spec: JsonObject = {"expirationSeconds": seconds, "boundObjectRef": bound, "audiences": []}
        if audience:
            spec["audiences"] = [audience]
        account = self._pod["spec"].get("serviceAccountName") or "default"
        path = f"{paths.core('serviceaccounts', self._meta['namespace'], account)}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        return str((await self._cluster.create(path, body))["status"]["token"])

    async def _tell(self, reason: str, message: str) -> None:
        now = stamp(self._clock.now())
        meta = self._meta
        body = {
            "metadata": {"generateName": f"{meta['name']}.", "namespace": meta["namespace"]},
            "involvedObject": {
                "kind": "Pod",
                "namespace": meta["namespace"],
                "name": meta["name"],
                "uid": meta["uid"],
                "apiVersion": "v1",
            },
            "reason": reason,
            "message": clean(message, 1000),
            "source": {"component": "kubelet"},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": "Warning",
        }
        await self._cluster.create(paths.events(meta["namespace"]), body)


def _waiting(container: JsonObject, reason: str) -> JsonObject:
    return {
        "name": container["name"],
        "state": {"waiting": {"reason": reason}},
        "lastState": {},
        "ready": False,
        "restartCount": 0,
        "image": container["image"],
        "imageID": "",
        "started": False,
    }


def _image_fault(container: JsonObject, pulls: int) -> JsonObject | None:
    image = container["image"]
    if not image.startswith(UNPULLABLE):
        return None
    if pulls % 2:
        return {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{image}"'}
    words = f'failed to pull image "{image}": no registry serves missing.invalid'
    return {"reason": "ErrImagePull", "message": words}
