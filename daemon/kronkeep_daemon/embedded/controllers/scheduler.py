"""The scheduler: binds a pending pod to the ready node with the fewest running pods.

Implemented: readiness, `spec.unschedulable`, nodeSelector, and a required node affinity that names nodes by
`metadata.name`; a claim ReadWriteOncePod is one pod's at a time, and one that is filled from another volume
is waited for. Not implemented: resources, taints, other affinities, priorities, the event FailedScheduling.
"""

from collections.abc import Callable
from contextlib import suppress

from kronkeep_daemon.embedded.controllers.cached_collection import ClusterObjects
from kronkeep_daemon.embedded.controllers.event_recorder import EventRecorder
from kronkeep_daemon.embedded.controllers.object_fields import (
    find_true_condition,
    has_pod_ended,
    is_deleting,
    uid_of,
)
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject

FindClaim = Callable[[str, str], JsonObject | None]
CLAIM_SECONDS = 0.2  # between two looks at a claim that a pod waits for


def choose_node(pod: JsonObject, nodes: list[JsonObject], pods: list[JsonObject]) -> str | None:
    """Return the name of the node for the pod, None where no node can take it."""
    allowed_names = _names_in_affinity(pod)
    selector = pod["spec"].get("nodeSelector") or {}
    candidates = [node["metadata"]["name"] for node in nodes if _accepts(node, selector)]
    load = {name: 0 for name in candidates if allowed_names is None or name in allowed_names}
    for other in pods:
        name = other["spec"].get("nodeName")
        if name in load and not has_pod_ended(other):
            load[name] += 1
    return min(load, key=lambda name: (load[name], name), default=None)


def _names_in_affinity(pod: JsonObject) -> set[str] | None:
    """Return the nodes that a required affinity names by `metadata.name`; None where it names none."""
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = required.get("nodeSelectorTerms") or []
    fields = [field for term in terms for field in term.get("matchFields") or []]
    if not fields:
        return None
    by_name = [field for field in fields if field["key"] == "metadata.name"]
    return {name for field in by_name for name in field.get("values") or []}


def _accepts(node: JsonObject, selector: dict[str, str]) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or []
    if find_true_condition(conditions, "Ready") is None or (node.get("spec") or {}).get("unschedulable"):
        return False
    labels = node["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in selector.items())


def _waits_for_claims(pod: JsonObject, find_claim: FindClaim, pods: list[JsonObject]) -> bool:
    """Whether a claim of the pod is being filled, or is another pod's alone."""
    namespace = pod["metadata"]["namespace"]
    for name in _claim_names(pod):
        claim = find_claim(namespace, name)
        if claim is None:
            continue
        if claim["spec"].get("dataSource") and (claim.get("status") or {}).get("phase") != "Bound":
            return True
        is_single_pod = "ReadWriteOncePod" in (claim["spec"].get("accessModes") or [])
        if is_single_pod and any(_uses_claim(other, namespace, name) for other in pods):
            return True
    return False


def _claim_names(pod: JsonObject) -> list[str]:
    sources = [volume.get("persistentVolumeClaim") for volume in pod["spec"].get("volumes") or []]
    return [source["claimName"] for source in sources if source]


def _uses_claim(pod: JsonObject, namespace: str, claim: str) -> bool:
    """Whether the pod is on a node, has not ended, and mounts the claim."""
    is_at_work = bool(pod["spec"].get("nodeName")) and not has_pod_ended(pod)
    return is_at_work and pod["metadata"]["namespace"] == namespace and claim in _claim_names(pod)


class Scheduler:
    """The controller that binds pods to nodes, one at a time."""

    def __init__(self, objects: ClusterObjects, recorder: EventRecorder) -> None:
        self._objects = objects
        self._recorder = recorder

    async def sync(self, namespace: str, name: str) -> float | None:
        """Bind the pod; where no node can take it, a change of the nodes brings it back."""
        pods = self._objects.pods
        pod = pods.cache.get(namespace, name)
        if pod is None or pod["spec"].get("nodeName") or is_deleting(pod):
            return None
        await self._fetch_unseen_claims(pod)
        if _waits_for_claims(pod, self._objects.claims.cache.get, pods.cache.all()):
            return CLAIM_SECONDS
        node = choose_node(pod, self._objects.nodes.cache.all(), pods.cache.all())
        if node is None:
            return None
        await pods.patch(pod, {"metadata": {"uid": uid_of(pod)}, "spec": {"nodeName": node}})
        await self._recorder.record_binding(pod, node)
        return None

    async def _fetch_unseen_claims(self, pod: JsonObject) -> None:
        """Read the pod's claims that the watch has not reported yet, as one made just before the pod may be.

        A pod that were bound without would mount the folder of a claim that the driver fills afterwards.
        """
        claims = self._objects.claims
        for name in _claim_names(pod):
            if claims.cache.get(pod["metadata"]["namespace"], name) is None:
                with suppress(NotFoundInCluster):  # the node's agent says that it is missing
                    await claims.fetch(pod["metadata"]["namespace"], name)
