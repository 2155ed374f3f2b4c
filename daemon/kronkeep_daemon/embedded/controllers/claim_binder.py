"""The claim binder: a PersistentVolumeClaim is bound at once, to a folder that the node's agent makes."""

from kronkeep_daemon.embedded.controllers.object_cache import Mirrors
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster


class ClaimBinder:
    """Sets `spec.volumeName` and the status Bound."""

    def __init__(self, cluster: Cluster, mirrors: Mirrors) -> None:
        self._cluster = cluster
        self._mirrors = mirrors

    async def sync(self, namespace: str, name: str) -> float | None:
        """Binds the claim unless it is bound."""
        claim = self._mirrors.claims.get((namespace, name))
        if claim is None or (claim.get("status") or {}).get("phase") == "Bound":
            return None
        volume = f"pvc-{claim['metadata']['uid']}"
        await self._cluster.patch(paths.claims(namespace, name), {"spec": {"volumeName": volume}})
        status = {
            "phase": "Bound",
            "accessModes": claim["spec"].get("accessModes"),
            "capacity": (claim["spec"].get("resources") or {}).get("requests"),
        }
        await self._cluster.patch(f"{paths.claims(namespace, name)}/status", {"status": status})
        return None
