"""The pod that the Job controller creates from a Job's template."""

from kronkeep_daemon.embedded.controllers.object_fields import (
    COMPLETION_INDEX,
    TRACKING_FINALIZER,
    controller_reference,
)
from kronkeep_daemon.kube.json_copy import copy_json
from kronkeep_daemon.kube.objects import JsonObject


def build_pod(job: JsonObject, index: int | None, annotations: dict[str, str] | None = None) -> JsonObject:
    """Return a pod of the Job; `index` is the completion index in an Indexed Job."""
    template = copy_json(job["spec"]["template"])
    job_name = job["metadata"]["name"]
    name = job_name if index is None else f"{job_name}-{index}"
    meta: JsonObject = {
        "generateName": f"{name}-",
        "namespace": job["metadata"]["namespace"],
        "ownerReferences": [controller_reference("Job", job)],
        "finalizers": [TRACKING_FINALIZER],
    }
    for key in ("labels", "annotations"):
        if template["metadata"].get(key):
            meta[key] = template["metadata"][key]
    spec = template["spec"]
    if annotations:
        meta["annotations"] = meta.get("annotations", {}) | annotations
    if index is not None:
        meta.setdefault("annotations", {})[COMPLETION_INDEX] = str(index)
        meta.setdefault("labels", {})[COMPLETION_INDEX] = str(index)
        spec["hostname"] = name
        _add_index_variable(spec)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def _add_index_variable(spec: JsonObject) -> None:
    field = {"apiVersion": "v1", "fieldPath": f"metadata.labels['{COMPLETION_INDEX}']"}
    variable = {"name": "JOB_COMPLETION_INDEX", "valueFrom": {"fieldRef": field}}
    for container in [*(spec.get("initContainers") or []), *spec["containers"]]:
        container.setdefault("env", []).append(variable)
