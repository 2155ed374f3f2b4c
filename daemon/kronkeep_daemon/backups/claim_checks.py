"""Whether the claims that a backup names can be archived at all, before any Job waits for them."""

from kronkeep_common.errors import InvalidPolicy
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import Forbidden, NotFoundInCluster


async def require_claims(cluster: Cluster, namespace: str, claims: tuple[str, ...]) -> None:
    """Raise InvalidPolicy, with the reason, for a claim that does not exist or has no file system."""
    for claim in claims:
        name = clean(f"{namespace}/{claim}", 300)
        try:
            claim_object = await cluster.get(paths.claims(namespace, claim))
        except NotFoundInCluster as missing:
            raise InvalidPolicy(
                f"There is no PersistentVolumeClaim {name}, so it cannot be archived.",
                next_step=Reason.SOURCE_CLAIM_MISSING.next_step,
                reason=Reason.SOURCE_CLAIM_MISSING,
            ) from missing
        except Forbidden:
            return  # without the right to look, the pod's own Events tell
        if (claim_object.get("spec") or {}).get("volumeMode") == "Block":
            raise InvalidPolicy(
                f"The claim {name} is a block volume (volumeMode: Block), which has no files to archive.",
                next_step=Reason.BLOCK_VOLUME.next_step,
                reason=Reason.BLOCK_VOLUME,
            )
