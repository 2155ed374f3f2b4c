"""Which node a Job must run on: a claim that only one node can mount is read where its user runs."""

from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject


async def place_near_claims(cluster: Cluster, manifest: JsonObject) -> None:
    """Bind a Job to the node on which one of its claims is mounted, where only one node can mount it."""
    pod = manifest["spec"]["template"]["spec"]
    sources = [volume.get("persistentVolumeClaim") for volume in pod["volumes"]]
    claims = tuple(source["claimName"] for source in sources if source)
    node = await find_node(cluster, manifest["metadata"]["namespace"], claims)
    if node is not None:
        pod["affinity"] = node_affinity(node)


async def find_node(cluster: Cluster, namespace: str, claims: tuple[str, ...]) -> str | None:
    """Return the node on which running pods use a claim that only one node can mount; None where any will do.

    Such a claim has the access mode ReadWriteOnce and no other (Kubernetes, Persistent Volumes).
    """
    single = [claim for claim in claims if await _is_single_node(cluster, namespace, claim)]
    if not single:
        return None
    pods, _ = await cluster.list(paths.pods(namespace))
    return find_user_node(pods, single)


async def _is_single_node(cluster: Cluster, namespace: str, claim: str) -> bool:
    try:
        claim_object = await cluster.get(paths.claims(namespace, claim))
    except NotFoundInCluster:
        return False  # the pod will wait for the claim, and its Events say so
    return set(claim_object["spec"].get("accessModes") or []) == {"ReadWriteOnce"}


def find_user_node(pods: list[JsonObject], claims: list[str]) -> str | None:
    """Return the node of the first pod that has not ended and mounts one of the claims."""
    for pod in pods:
        node = pod["spec"].get("nodeName")
        phase = (pod.get("status") or {}).get("phase")
        if node and phase not in ("Succeeded", "Failed") and _mounts_any(pod, claims):
            return str(node)
    return None


def _mounts_any(pod: JsonObject, claims: list[str]) -> bool:
    volumes = pod["spec"].get("volumes") or []
    return any((volume.get("persistentVolumeClaim") or {}).get("claimName") in claims for volume in volumes)


def node_affinity(node: str) -> JsonObject:
    """Return the affinity that binds a pod to a node by its name, through the scheduler."""
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    terms = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
