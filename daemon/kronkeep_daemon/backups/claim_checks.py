"""Whether the claims that a backup names can be archived at all, before any Job waits for them."""

from kronkeep_common.errors import InvalidPolicy, KronkeepError
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import Forbidden, NotFoundInCluster

MOST_WARNINGS = 20


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


async def find_warnings(cluster: Cluster, namespace: str, claims: tuple[str, ...]) -> tuple[str, ...]:
    """Return why claims cannot be archived as they are now, MOST_WARNINGS at most.

    Those that cannot be looked at now are left out.
    """
    warnings = []
    for claim in claims[:MOST_WARNINGS]:
        try:
            await require_claims(cluster, namespace, (claim,))
        except InvalidPolicy as fault:
            warnings.append(fault.message)
        except KronkeepError:
            break
    return tuple(warnings)
