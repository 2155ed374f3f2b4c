"""Whether volumes can be made from a claim for one archive, by a snapshot or a clone, and as what; pure.

Snapshots: snapshot.storage.k8s.io/v1. Both need a CSI driver, which a CSIDriver object of storage.k8s.io/v1
names. Whether a driver can clone no object says; where it cannot, the claim stays unbound and the archive
does not start.
"""

from collections.abc import Sequence
from typing import NamedTuple

from kronkeep_common.models.policy import Consistency
from kronkeep_common.text import clean
from kronkeep_daemon.cronjobs.last_applied import quantity_amount
from kronkeep_daemon.kube.objects import JsonObject

DEFAULT_CLASS = "snapshot.storage.kubernetes.io/is-default-class"
SMALLEST = "1Gi"  # of a claim that asks for no size


class VolumeCopyPlan(NamedTuple):
    """How a volume is made from a claim.

    snapshot_class: the VolumeSnapshotClass; empty for a clone.
    size: a quantity, at least the size of the claim's volume.
    """

    claim: str
    storage_class: str
    snapshot_class: str
    access_modes: tuple[str, ...]
    size: str


class DriverFacts(NamedTuple):
    """What a cluster says of the driver of a claim.

    storage_class, copy_class: the StorageClasses of the claim and of what is made from it; None where one is
        missing.
    has_driver: whether there is a CSIDriver of the provisioner's name.
    snapshot_classes: all VolumeSnapshotClasses; None where the cluster does not know the kind.
    """

    storage_class: JsonObject | None
    copy_class: JsonObject | None
    has_driver: bool
    snapshot_classes: Sequence[JsonObject] | None


def find_refusal(consistency: Consistency, facts: DriverFacts) -> str:
    """Return why no volume can be made from the claim; empty where one can."""
    if consistency == "snapshot" and facts.snapshot_classes is None:
        return "the cluster does not know VolumeSnapshots (snapshot.storage.k8s.io/v1)"
    if facts.storage_class is None:
        return "its StorageClass is not there"
    if facts.copy_class is None:
        return "the policy's copy_storage_class is not there"
    driver = _provisioner_of(facts.storage_class)
    if not facts.has_driver:
        return f"its volumes are made by {driver}, which is no CSI driver of the cluster"
    if _provisioner_of(facts.copy_class) != driver:
        return f"the policy's copy_storage_class is of another driver than {driver}"
    if facts.copy_class.get("reclaimPolicy") == "Retain":
        name = clean(facts.copy_class["metadata"]["name"], 253)
        return f"the StorageClass {name} keeps volumes whose claim is deleted (reclaimPolicy: Retain)"
    if consistency == "snapshot" and choose_snapshot_class(facts) is None:
        return f"there is no VolumeSnapshotClass of {driver} with the deletionPolicy Delete"
    return ""


def choose_snapshot_class(facts: DriverFacts) -> str | None:
    """Return the driver's default VolumeSnapshotClass, or the first by name; None without one.

    One with the deletionPolicy Retain is left out: it would leave a snapshot behind after each archive.
    """
    if facts.storage_class is None:
        return None
    driver = facts.storage_class.get("provisioner")
    usable = [
        candidate["metadata"]
        for candidate in facts.snapshot_classes or ()
        if candidate.get("driver") == driver and candidate.get("deletionPolicy") == "Delete"
    ]
    ranked = sorted(usable, key=_rank)
    return str(ranked[0]["name"]) if ranked else None


def _rank(meta: JsonObject) -> tuple[bool, str]:
    return (meta.get("annotations") or {}).get(DEFAULT_CLASS) != "true", meta["name"]


def _provisioner_of(storage_class: JsonObject) -> str:
    return clean(str(storage_class.get("provisioner", "")), 253)


def plan_copy(consistency: Consistency, claim: JsonObject, facts: DriverFacts) -> VolumeCopyPlan:
    """Return the plan for a claim that `find_refusal` has nothing against."""
    assert facts.copy_class is not None
    capacity = (claim.get("status") or {}).get("capacity") or {}
    requests = (claim["spec"].get("resources") or {}).get("requests") or {}
    return VolumeCopyPlan(
        claim=claim["metadata"]["name"],
        storage_class=facts.copy_class["metadata"]["name"],
        snapshot_class=(choose_snapshot_class(facts) or "") if consistency == "snapshot" else "",
        access_modes=tuple(claim["spec"].get("accessModes") or ("ReadWriteOnce",)),
        size=str(capacity.get("storage") or requests.get("storage") or SMALLEST),
    )


def larger_size(size: str, other: str | None) -> str:
    """Return the larger one of two quantities; what cannot be read counts as nothing."""
    return other if other and (quantity_amount(other) or 0) > (quantity_amount(size) or 0) else size
