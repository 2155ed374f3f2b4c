"""On which node an archive must run: a claim that one node may hold is read where its user runs."""

from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject


async def node_of(cluster: Cluster, namespace: str, claims: tuple[str, ...]) -> str | None:
    """The node whose running pods use one of the claims that a single node may hold; None where any will do.

    Such a claim has only the access mode ReadWriteOnce (Kubernetes, Persistent Volumes).
    """
    single = [claim for claim in claims if await _single(cluster, namespace, claim)]
    if not single:
        return None
    pods, _ = await cluster.list(paths.pods(namespace))
    return user_node(pods, single)


async def place_near_claims(cluster: Cluster, manifest: JsonObject) -> None:
    """Bind a Job to the node that holds one of the claims that it mounts, where one does."""
    pod = manifest["spec"]["template"]["spec"]
    sources = [volume.get("persistentVolumeClaim") for volume in pod["volumes"]]
    claims = tuple(source["claimName"] for source in sources if source)
    node = await node_of(cluster, manifest["metadata"]["namespace"], claims)
    if node is not None:
        pod["affinity"] = on_node(node)


async def _single(cluster: Cluster, namespace: str, claim: str) -> bool:
    try:
        found = await cluster.get(paths.claims(namespace, claim))
    except NotFoundInCluster:
        return False  # the pod will say that it waits for the claim
    return set(found["spec"].get("accessModes") or []) == {"ReadWriteOnce"}


def user_node(pods: list[JsonObject], claims: list[str]) -> str | None:
    """The node of the first pod that has not ended and mounts one of the claims."""
    for pod in pods:
        node = pod["spec"].get("nodeName")
        phase = (pod.get("status") or {}).get("phase")
        if node and phase not in ("Succeeded", "Failed") and _uses(pod, claims):
            return str(node)
    return None


def _uses(pod: JsonObject, claims: list[str]) -> bool:
    volumes = pod["spec"].get("volumes") or []
    return any((v.get("persistentVolumeClaim") or {}).get("claimName") in claims for v in volumes)


def on_node(node: str) -> JsonObject:
    """The affinity that binds a pod to a node by its name, through the scheduler."""
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    terms = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
