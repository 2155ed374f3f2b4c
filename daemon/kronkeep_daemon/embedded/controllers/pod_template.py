"""The pod that a Job's template makes."""

import copy

from kronkeep_daemon.embedded.controllers.object_fields import INDEX, TRACKING
from kronkeep_daemon.kube.objects import JsonObject


def pod_for(job: JsonObject, index: int | None) -> JsonObject:
    """A pod of the Job, for one completion index of an Indexed one."""
    template = copy.deepcopy(job["spec"]["template"])
    name = job["metadata"]["name"] if index is None else f"{job['metadata']['name']}-{index}"
    owner = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": job["metadata"]["name"],
        "uid": job["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    meta: JsonObject = {
        "generateName": f"{name}-",
        "namespace": job["metadata"]["namespace"],
        "ownerReferences": [owner],
        "finalizers": [TRACKING],
    }
    for key in ("labels", "annotations"):
        if template["metadata"].get(key):
            meta[key] = template["metadata"][key]
    spec = template["spec"]
    if index is not None:
        meta.setdefault("annotations", {})[INDEX] = str(index)
        meta.setdefault("labels", {})[INDEX] = str(index)
        spec["hostname"] = name
        field = {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.labels['{INDEX}']"}}
        for container in [*(spec.get("initContainers") or []), *spec["containers"]]:
            container.setdefault("env", []).append({"name": "JOB_COMPLETION_INDEX", "valueFrom": field})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
