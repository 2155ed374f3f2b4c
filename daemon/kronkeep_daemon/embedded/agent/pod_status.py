"""The status of a pod as its node keeps it: phase, the states of its containers, the condition Ready.

Implemented: phase, startTime, Ready, and for each container state, lastState, restartCount, started and
ready.

Not implemented: the conditions Initialized, ContainersReady and PodReadyToStartContainers; podIP, hostIP and
image ids.
"""

from datetime import datetime

from kronkeep_common.clock import Clock
from kronkeep_daemon.embedded.agent.pod_api import PodApi
from kronkeep_daemon.kube.json_copy import copy_json
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.kube.timestamps import format_timestamp

INIT_CONTAINERS = "initContainerStatuses"
CONTAINERS = "containerStatuses"


def is_sidecar(container: JsonObject) -> bool:
    """Whether an init container is a native sidecar, which runs beside those after it."""
    return container.get("restartPolicy") == "Always"


class PodStatusWriter:
    """The status of one pod, written to the API server after each change."""

    def __init__(self, *, pod: JsonObject, api: PodApi, clock: Clock) -> None:
        self._spec = pod["spec"]
        self._api = api
        self._clock = clock
        self._status: JsonObject = copy_json(pod.get("status") or {})
        init_containers = self._spec.get("initContainers") or []
        self._sidecars = {container["name"] for container in init_containers if is_sidecar(container)}

    def begin(self) -> None:
        """Set the start time and let every container wait; written with the first change."""
        init_containers = self._spec.get("initContainers") or []
        reason = "PodInitializing" if init_containers else "ContainerCreating"
        self._status["startTime"] = format_timestamp(self._clock.now())
        for field, containers in ((INIT_CONTAINERS, init_containers), (CONTAINERS, self._spec["containers"])):
            if containers:
                self._status[field] = [_waiting_entry(container, reason) for container in containers]

    async def set_state(self, field: str, name: str, state: JsonObject, *, restarts: int) -> None:
        """Change the state of a container and write it.

        `field` is INIT_CONTAINERS or CONTAINERS; `restarts` is the number of times that it was restarted. The
        end of the pod's last container is left to `write_end`, so that one write holds both ends, as a
        kubelet's does; where sidecars have still to end, there are two.
        """
        entry = next(entry for entry in self._status[field] if entry["name"] == name)
        if "terminated" in entry["state"]:
            entry["lastState"] = entry["state"]
        running = "running" in state
        if running and field == CONTAINERS:
            self._status["phase"] = "Running"
        has_ended_well = (state.get("terminated") or {}).get("exitCode") == 0
        completed = field == INIT_CONTAINERS and has_ended_well and name not in self._sidecars
        entry |= {
            "state": state,
            "restartCount": restarts,
            "started": running,
            "ready": running or completed,
        }
        if not self._ends_pod(field, state):
            await self.write()

    async def write_end(self) -> None:
        """Write the final phase: Succeeded where every container has ended with exit code 0, else Failed.

        How native sidecars have ended does not matter.
        """
        entries = [*(self._status.get(INIT_CONTAINERS) or []), *(self._status.get(CONTAINERS) or [])]
        own = [entry for entry in entries if entry["name"] not in self._sidecars]
        ends = [(entry.get("state") or {}).get("terminated") for entry in own]
        succeeded = all(end is not None and end["exitCode"] == 0 for end in ends)
        self._status["phase"] = "Succeeded" if succeeded else "Failed"
        await self.write()

    async def write(self) -> None:
        """Write the status as it is now."""
        self._status["conditions"] = _with_ready(self._status, self._clock.now())
        await self._api.write_status(self._status)

    def _ends_pod(self, field: str, state: JsonObject) -> bool:
        """Whether `state` is the end of the last container, after which none is restarted."""
        if field != CONTAINERS or "terminated" not in state or self._sidecars:
            return False
        if self._spec.get("restartPolicy") == "OnFailure" and state["terminated"]["exitCode"]:
            return False
        return all("terminated" in entry["state"] for entry in self._status[CONTAINERS])


def _waiting_entry(container: JsonObject, reason: str) -> JsonObject:
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


def _with_ready(status: JsonObject, now: datetime) -> list[JsonObject]:
    """Return the conditions with Ready first, true while the phase is Running."""
    ready: JsonObject = {
        "type": "Ready",
        "status": str(status.get("phase") == "Running"),
        "lastProbeTime": None,
        "lastTransitionTime": format_timestamp(now),
    }
    if status.get("phase") in ("Succeeded", "Failed"):
        ready["reason"] = "PodCompleted"
    others = [entry for entry in status.get("conditions") or [] if entry["type"] != "Ready"]
    return [ready, *others]


def status_of_lost_pod(status: JsonObject, now: datetime) -> JsonObject:
    """Return the status of a pod whose processes ended with an earlier agent: Failed, in unknown ways."""
    lost = copy_json(status)
    end = {
        "exitCode": 137,
        "reason": "ContainerStatusUnknown",
        "message": "The container could not be located when the node's agent was started again",
        "finishedAt": format_timestamp(now),
    }
    for field in (INIT_CONTAINERS, CONTAINERS):
        for entry in lost.get(field) or []:
            if "terminated" not in entry["state"]:
                entry |= {"state": {"terminated": dict(end)}, "ready": False, "started": False}
    return lost | {"phase": "Failed"}
