"""The scheduler: binds a pending pod to the ready node with the fewest running pods that may take it."""

from kronkeep_daemon.embedded.controllers.event_recorder import Recorder
from kronkeep_daemon.embedded.controllers.object_cache import Mirrors
from kronkeep_daemon.embedded.controllers.object_fields import find_condition, pod_finished
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.objects import JsonObject


def choose(pod: JsonObject, nodes: list[JsonObject], pods: list[JsonObject]) -> str | None:
    """The node for the pod, by readiness, nodeSelector, affinity and load; None when there is none."""
    selector = pod["spec"].get("nodeSelector") or {}
    named = _named(pod)
    load = {node["metadata"]["name"]: 0 for node in nodes if _takes(node, selector)}
    load = {name: 0 for name in load if named is None or name in named}
    for other in pods:
        name = other["spec"].get("nodeName")
        if name in load and not pod_finished(other):
            load[name] += 1
    return min(load, key=lambda name: (load[name], name), default=None)


def _named(pod: JsonObject) -> set[str] | None:
    """The nodes that a required affinity names by `metadata.name`; None where it names none."""
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    fields = [
        field for term in required.get("nodeSelectorTerms") or [] for field in term.get("matchFields") or []
    ]
    names = {
        name for field in fields if field["key"] == "metadata.name" for name in field.get("values") or []
    }
    return names if fields else None


def _takes(node: JsonObject, selector: dict[str, str]) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or []
    labels = node["metadata"].get("labels") or {}
    if find_condition(conditions, "Ready") is None or (node.get("spec") or {}).get("unschedulable"):
        return False
    return all(labels.get(key) == value for key, value in selector.items())


class Scheduler:
    """Binds pods, one at a time."""

    def __init__(self, cluster: Cluster, mirrors: Mirrors, recorder: Recorder) -> None:
        self._cluster = cluster
        self._mirrors = mirrors
        self._recorder = recorder

    async def sync(self, namespace: str, name: str) -> float | None:
        """Binds the pod where a node can take it; where none can, a change of the nodes brings it back."""
        pod = self._mirrors.pods.get((namespace, name))
        if pod is None or pod["spec"].get("nodeName") or pod["metadata"].get("deletionTimestamp"):
            return None
        node = choose(pod, self._mirrors.nodes.all(), self._mirrors.pods.all())
        if node is None:
            return None
        body = {"metadata": {"uid": pod["metadata"]["uid"]}, "spec": {"nodeName": node}}
        self._mirrors.pods.written(await self._cluster.patch(paths.pods(namespace, name), body))
        await self._recorder.scheduled(pod, node)
        return None
