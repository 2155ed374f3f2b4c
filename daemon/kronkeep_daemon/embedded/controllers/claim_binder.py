"""The binding of PersistentVolumeClaims.

A claim is bound at once to a volume that exists in name only: the node's agent creates a folder for the
claim. Storage classes, access modes and sizes are not checked.
"""

from kronkeep_daemon.embedded.controllers.cached_collection import CachedCollection


class ClaimBinder:
    """The controller that sets `spec.volumeName` and the phase Bound of claims."""

    def __init__(self, claims: CachedCollection) -> None:
        self._claims = claims

    async def sync(self, namespace: str, name: str) -> float | None:
        """Bind the claim unless it is bound."""
        claim = self._claims.cache.get(namespace, name)
        if claim is None or (claim.get("status") or {}).get("phase") == "Bound":
            return None
        volume = f"pvc-{claim['metadata']['uid']}"
        await self._claims.patch(claim, {"spec": {"volumeName": volume}})
        status = {
            "phase": "Bound",
            "accessModes": claim["spec"].get("accessModes"),
            "capacity": (claim["spec"].get("resources") or {}).get("requests"),
        }
        await self._claims.patch_status(claim, status)
        return None
