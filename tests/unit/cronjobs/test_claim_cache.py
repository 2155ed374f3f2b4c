"""Which claims are cached: those with a policy, as the last list or event showed them."""

from typing import Any

from kronkeep_common import object_keys
from kronkeep_daemon.cronjobs.claim_cache import PolicyClaimCache
from kronkeep_daemon.kube.claims import ClaimObject
from kronkeep_daemon.kube.objects import CronJobRef, convert_object

REF = CronJobRef("c", "shop", "pvc/data")
POLICY = '{"storage_id": "vault", "schedule": "0 3 * * *"}'


class Scene:
    """A cache, and the changes that it told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.cache = PolicyClaimCache(lambda: "c", lambda kind, claim: self.told.append((kind, claim.uid)))


def claim(name: str = "data", uid: str = "u-1", policy: str | None = POLICY, **meta: Any) -> ClaimObject:
    annotations = {} if policy is None else {object_keys.POLICY: policy}
    fields = {"name": name, "namespace": "shop", "uid": uid, "annotations": annotations, **meta}
    return convert_object({"metadata": fields, "spec": {}}, ClaimObject)


def test_only_claims_with_a_policy_are_kept_and_each_change_of_it_is_reported() -> None:
    scene = Scene()
    scene.cache.update("ADDED", claim(policy=None))
    assert scene.cache.refs() == []
    scene.cache.update("MODIFIED", claim())
    scene.cache.update("MODIFIED", claim(resourceVersion="2"))
    scene.cache.update("MODIFIED", claim(policy="{}"))
    scene.cache.update("MODIFIED", claim(policy=None))
    assert scene.told == [("added", "u-1"), ("changed", "u-1"), ("removed", "u-1")]
    assert REF not in scene.cache


def test_a_late_deletion_of_a_former_claim_removes_no_newer_one() -> None:
    scene = Scene()
    scene.cache.update("ADDED", claim(uid="new"))
    scene.cache.update("DELETED", claim(uid="old"))
    assert REF in scene.cache
    scene.cache.update("DELETED", claim(uid="new"))
    assert REF not in scene.cache


def test_a_list_replaces_the_claims_of_its_namespace_only() -> None:
    scene = Scene()
    scene.cache.update("ADDED", claim())
    scene.cache.update("ADDED", claim(name="gone", uid="u-2"))
    scene.cache.sync("pay", [])
    assert [ref.name for ref in scene.cache.refs("shop")] == ["pvc/data", "pvc/gone"]
    scene.cache.sync("shop", [claim(), claim(name="bare", uid="u-3", policy=None)])
    assert [ref.name for ref in scene.cache.refs()] == ["pvc/data"]
