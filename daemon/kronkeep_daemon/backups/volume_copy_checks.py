"""Whether the cluster can make volumes from the claims of a policy, asked of the cluster."""

from kronkeep_common.errors import InvalidPolicy
from kronkeep_common.models.policy import Source
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean
from kronkeep_daemon.backups import volume_copy_rules
from kronkeep_daemon.backups.volume_copy_rules import DriverFacts, VolumeCopyPlan
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster, Objects
from kronkeep_daemon.kube.errors import Forbidden, NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject

MOST_CLAIMS = 100  # of a policy


async def plan_copies(
    cluster: Cluster, namespace: str, claims: tuple[str, ...], source: Source, *, missing_ok: bool = False
) -> list[VolumeCopyPlan]:
    """Return how a volume is made from each claim; none for a policy that reads the claims themselves.

    missing_ok: whether a claim that does not exist yet is left out.

    Raises InvalidPolicy, with the reason, for a claim from which none can be made, and NotFoundInCluster for
    one that does not exist.
    """
    if source.consistency == "live":
        return []
    plans = []
    for name in claims[:MOST_CLAIMS]:
        try:
            claim = await cluster.get(paths.claims(namespace, name))
            facts = await _fetch_facts(cluster, claim, source)
        except NotFoundInCluster:
            if missing_ok:
                continue
            raise
        except Forbidden as denied:
            raise _unsupported_error(
                "kronkeepd may not read what is needed for a snapshot or clone: " + denied.message,
                "Grant the rights of systemd/kubernetes/rights.yaml, or set source.consistency to live.",
            ) from denied
        refusal = volume_copy_rules.find_refusal(source.consistency, facts)
        if refusal:
            title = clean(f"{namespace}/{name}", 300)
            raise _unsupported_error(f"No {source.consistency} of the claim {title} can be made: {refusal}.")
        plans.append(volume_copy_rules.plan_copy(source.consistency, claim, facts))
    return plans


def _unsupported_error(message: str, next_step: str | None = None) -> InvalidPolicy:
    reason = Reason.VOLUME_COPY_UNSUPPORTED
    return InvalidPolicy(
        message, next_step=next_step or reason.next_step, reason=reason, field="source.consistency"
    )


async def _fetch_facts(cluster: Cluster, claim: JsonObject, source: Source) -> DriverFacts:
    class_name = str(claim["spec"].get("storageClassName") or "")
    storage_class = await _find(cluster, paths.storage_classes(class_name)) if class_name else None
    copy_class = storage_class
    if source.copy_storage_class is not None:
        copy_class = await _find(cluster, paths.storage_classes(source.copy_storage_class))
    driver = str((storage_class or {}).get("provisioner", ""))
    # The name of an in-tree provisioner has a slash, and that of a CSI driver has none.
    has_driver = bool(driver) and "/" not in driver
    return DriverFacts(
        storage_class=storage_class,
        copy_class=copy_class,
        has_driver=has_driver and await _find(cluster, paths.csi_drivers(driver)) is not None,
        snapshot_classes=await _list_snapshot_classes(cluster) if source.consistency == "snapshot" else None,
    )


async def _find(cluster: Cluster, path: str) -> JsonObject | None:
    try:
        return await cluster.get(path)
    except NotFoundInCluster:
        return None


async def _list_snapshot_classes(cluster: Cluster) -> Objects | None:
    try:
        classes, _ = await cluster.list(paths.volume_snapshot_classes())
    except NotFoundInCluster:
        return None
    return classes
