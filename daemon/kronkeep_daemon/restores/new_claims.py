"""The claims that restores create: known again by token and uid, as all objects of ours, never by a label."""

from kronkeep_common import object_keys
from kronkeep_common.errors import NameTaken
from kronkeep_daemon.jobs.owned_objects import OwnedObjects
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.objects import JsonObject


async def create_claim(objects: OwnedObjects, manifest: JsonObject, restore_id: str) -> None:
    """Create a restore's claim, or return where an earlier process of the daemon has created it.

    Raise NameTaken for a claim of anybody else, another restore included.
    """
    meta = manifest["metadata"]
    taken = NameTaken(f"There is a claim {meta['namespace']}/{meta['name']} already.", field="target.claim")
    try:
        claim, _ = await objects.create(paths.claims(meta["namespace"]), manifest)
    except NameTaken as stranger:
        raise taken from stranger
    if (claim["metadata"].get("labels") or {}).get(object_keys.RESTORE_LABEL) != restore_id:
        raise taken
