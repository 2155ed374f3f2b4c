"""Which claims can be copied for an archive, as what; and whose leftovers the sweep removes."""

from typing import Any

import pytest
from tests.unit.jobs.fake_cluster import FixedTokens

from kronkeep_common import object_keys
from kronkeep_common.errors import InvalidPolicy
from kronkeep_common.models import Source
from kronkeep_common.models.policy import Consistency
from kronkeep_daemon.backups.volume_copies import VolumeCopies
from kronkeep_daemon.backups.volume_copy_checks import plan_copies
from kronkeep_daemon.backups.volume_copy_rules import DriverFacts, choose_snapshot_class, find_refusal
from kronkeep_daemon.jobs.owned_objects import OwnedObjects
from kronkeep_daemon.kube.errors import Forbidden, NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.testing import FakeClock

DEFAULT = {"snapshot.storage.kubernetes.io/is-default-class": "true"}


def storage_class(name: str, provisioner: str = "csi.example", reclaim: str = "Delete") -> JsonObject:
    return {"metadata": {"name": name}, "provisioner": provisioner, "reclaimPolicy": reclaim}


def snapshot_class(
    name: str, driver: str = "csi.example", policy: str = "Delete", *, is_default: bool = False
) -> JsonObject:
    annotations = DEFAULT if is_default else {}
    meta = {"name": name, "annotations": annotations}
    return {"metadata": meta, "driver": driver, "deletionPolicy": policy}


FAST = storage_class("fast")
KEPT = storage_class("kept", reclaim="Retain")
FOREIGN = storage_class("foreign", "other.example")
CLASSES = (snapshot_class("a"),)


def facts(**fields: Any) -> DriverFacts:
    known = {"storage_class": FAST, "copy_class": FAST, "has_driver": True, "snapshot_classes": CLASSES}
    return DriverFacts(**{**known, **fields})


@pytest.mark.parametrize(
    ("consistency", "fields", "words"),
    [
        ("snapshot", {}, ""),
        ("clone", {}, ""),
        ("snapshot", {"snapshot_classes": None}, "does not know VolumeSnapshots"),
        ("clone", {"snapshot_classes": None}, ""),
        ("snapshot", {"snapshot_classes": ()}, "no VolumeSnapshotClass of csi.example"),
        ("snapshot", {"snapshot_classes": (snapshot_class("a", "other"),)}, "no VolumeSnapshotClass"),
        ("snapshot", {"snapshot_classes": (snapshot_class("a", policy="Retain"),)}, "deletionPolicy Delete"),
        ("clone", {"storage_class": None, "copy_class": None}, "its StorageClass is not there"),
        ("clone", {"copy_class": None}, "copy_storage_class is not there"),
        ("clone", {"has_driver": False}, "csi.example, which is no CSI driver"),
        ("snapshot", {"has_driver": False}, "csi.example, which is no CSI driver"),
        ("clone", {"copy_class": FOREIGN}, "of another driver than csi.example"),
        ("snapshot", {"copy_class": KEPT}, "kept keeps volumes whose claim is deleted"),
        ("clone", {"storage_class": KEPT}, ""),
    ],
)
def test_a_claim_is_refused_where_its_copy_cannot_be_made_or_would_stay(
    consistency: Consistency, fields: dict[str, Any], words: str
) -> None:
    refusal = find_refusal(consistency, facts(**fields))
    assert words in refusal if words else refusal == ""


def test_the_default_class_is_taken_then_the_first_that_deletes() -> None:
    kept = snapshot_class("0", policy="Retain", is_default=True)
    plain = (kept, snapshot_class("b"), snapshot_class("a"))
    assert choose_snapshot_class(facts(snapshot_classes=plain)) == "a"
    assert (
        choose_snapshot_class(facts(snapshot_classes=(*plain, snapshot_class("z", is_default=True)))) == "z"
    )


class Objects:
    """A cluster with objects by their paths; `hidden` ones may not be read."""

    id = "c"

    def __init__(self, objects: dict[str, JsonObject], hidden: str = "nothing") -> None:
        self.objects = objects
        self.hidden = hidden
        self.deleted: list[str] = []

    async def get(self, path: str) -> JsonObject:
        if self.hidden in path:
            raise Forbidden(f"{path} is forbidden")
        if path not in self.objects:
            raise NotFoundInCluster(path)
        return self.objects[path]

    async def list(self, path: str, **_: str) -> tuple[list[JsonObject], str]:
        items = [body for key, body in self.objects.items() if key.rpartition("/")[0] == path]
        if not items:
            raise NotFoundInCluster(path)
        return items, ""

    async def delete(self, path: str, *, uid: str) -> None:
        assert self.objects[path]["metadata"]["uid"] == uid
        self.deleted.append(path)


CLAIM = {
    "metadata": {"name": "data"},
    "spec": {
        "storageClassName": "fast",
        "accessModes": ["ReadWriteOncePod"],
        "resources": {"requests": {"storage": "1Gi"}},
    },
    "status": {"capacity": {"storage": "2Gi"}},
}
CLUSTER = {
    "/api/v1/namespaces/shop/persistentvolumeclaims/data": CLAIM,
    "/apis/storage.k8s.io/v1/storageclasses/fast": FAST,
    "/apis/storage.k8s.io/v1/csidrivers/csi.example": {},
    "/apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses/a": CLASSES[0],
}


async def test_a_copy_has_the_claims_access_and_the_size_of_its_volume() -> None:
    cluster: Any = Objects(CLUSTER)
    (plan,) = await plan_copies(cluster, "shop", ("data",), Source(consistency="snapshot"))
    assert (plan.snapshot_class, plan.storage_class, plan.size) == ("a", "fast", "2Gi")
    assert plan.access_modes == ("ReadWriteOncePod",)
    (clone,) = await plan_copies(cluster, "shop", ("data",), Source(consistency="clone"))
    assert clone.snapshot_class == ""
    assert await plan_copies(cluster, "shop", ("data",), Source()) == []


async def test_a_claim_that_comes_later_is_no_fault_of_a_policy_and_missing_rights_are() -> None:
    source = Source(consistency="snapshot")
    assert await plan_copies(Objects({}), "shop", ("data",), source, missing_ok=True) == []  # type: ignore[arg-type]
    cluster: Any = Objects(CLUSTER, hidden="storageclasses")
    with pytest.raises(InvalidPolicy, match="may not read") as refusal:
        await plan_copies(cluster, "shop", ("data",), source)
    assert refusal.value.details["reason"] == "VolumeCopyUnsupported"


class Runners:
    """What gives the objects that this daemon owns."""

    def __init__(self, objects: OwnedObjects) -> None:
        self.objects = objects

    def on(self, _: str) -> "Runners":
        return self


def copy_of(name: str, token: str, backup: str, uid: str = "u") -> JsonObject:
    labels = {object_keys.BACKUP_LABEL: backup}
    meta = {"name": name, "namespace": "shop", "uid": uid, "labels": labels}
    return {"metadata": {**meta, "annotations": {object_keys.TOKEN: token}}}


async def test_the_sweep_removes_its_own_of_backups_that_have_ended_and_nothing_else() -> None:
    base = "/api/v1/namespaces/shop/persistentvolumeclaims"
    snapshots = "/apis/snapshot.storage.k8s.io/v1/namespaces/shop/volumesnapshots"
    cluster: Any = Objects(
        {
            f"{base}/left": copy_of("left", f"ours c {base}/left", "ended"),
            f"{base}/used": copy_of("used", f"ours c {base}/used", "running"),
            f"{base}/strange": copy_of("strange", f"theirs c {base}/strange", "ended"),
            f"{base}/copied": copy_of("copied", f"ours c {base}/copied", "ended", uid="another"),
            f"{snapshots}/left": copy_of("left", f"ours c {snapshots}/left", "unknown"),
        }
    )
    tokens = FixedTokens()
    await tokens.record_uid("c", f"{base}/copied", "first")
    runners: Any = Runners(OwnedObjects(cluster=cluster, tokens=tokens))
    settings: Any = None
    copies = VolumeCopies(runners=runners, clock=FakeClock(), settings=settings)

    def is_at_work(backup_id: str) -> bool:
        return backup_id == "running"

    await copies.sweep(cluster, ("shop", "without-any"), is_at_work)
    assert sorted(cluster.deleted) == sorted([f"{base}/left", f"{snapshots}/left"])
