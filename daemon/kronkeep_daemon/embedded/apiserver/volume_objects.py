"""What a new cluster has for volumes: a driver, a StorageClass, and all for snapshots of volumes."""

from collections.abc import Iterator

from kronkeep_daemon.embedded.apiserver.resources import BY_PATH, RESOURCES, SNAPSHOT_GROUP, Resource
from kronkeep_daemon.kube.objects import JsonObject

CLASS = "standard"
DRIVER = "folder.kronkeep.dev"
DEFINITIONS = BY_PATH["apiextensions.k8s.io", "v1", "customresourcedefinitions"]


def initial_volume_objects() -> Iterator[tuple[Resource, JsonObject]]:
    """Yield the objects with their kinds, in the order in which they can be created."""
    for resource in RESOURCES:
        if resource.custom:
            yield DEFINITIONS, _definition_of(resource)
    yield BY_PATH["storage.k8s.io", "v1", "csidrivers"], {"metadata": {"name": DRIVER}, "spec": {}}
    storage_class = {
        "metadata": {"name": CLASS},
        "provisioner": DRIVER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
    }
    yield BY_PATH["storage.k8s.io", "v1", "storageclasses"], storage_class
    snapshot_class = {"metadata": {"name": CLASS}, "driver": DRIVER, "deletionPolicy": "Delete"}
    yield BY_PATH[SNAPSHOT_GROUP, "v1", "volumesnapshotclasses"], snapshot_class


def _definition_of(resource: Resource) -> JsonObject:
    names = {"plural": resource.plural, "singular": resource.singular, "kind": resource.kind}
    return {
        "metadata": {"name": resource.qualified},
        "spec": {
            "group": resource.group,
            "names": names,
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "versions": [{"name": resource.version, "served": True, "storage": True}],
        },
    }
