"""The resources with which release/check-cluster puts kronkeep into a cluster, in namespaces of its own.

python -m release.cluster_resources chart|kustomize NAMESPACE WATCHED [--standby] prints them: the chart's
as Helm makes them, or those of an overlay of kustomize.
"""

import sys
from typing import Any

import yaml

from release.check_manifests import kustomized, render

# Helm's and kubectl's order, so that what a pod needs is there before it.
_LAST = ("PersistentVolumeClaim", "Service", "Deployment")


def chart_resources(namespace: str, watched: str, *, standby: bool) -> list[dict[str, Any]]:
    """Return the chart's resources with metrics, and a second daemon where `standby` says so."""
    storage = {
        "kind": "BackupStorage",
        "id": "first",
        "kind_of_storage": "pvc",
        "settings": {"claim": "backups", "namespace": watched},
        "namespaces": [watched],
    }
    values = {
        "namespaces": [watched],
        "manifests": [storage],
        "metrics": {"enabled": True},
        "standby": {"enabled": standby},
        "state": {"size": "1Gi"},
    }
    return sorted(render(values, namespace), key=_order)


def _order(resource: dict[str, Any]) -> int:
    kind = resource["kind"]
    return 1 + _LAST.index(kind) if kind in _LAST else 0


def kustomize_resources(namespace: str, watched: str) -> list[dict[str, Any]]:
    """Return the resources of the overlay `chosen-namespaces`, under other names than its own."""
    (resources,) = [made for overlay, made in kustomized() if overlay == "chosen-namespaces"]
    names = {"kronkeep": namespace, "shop": watched, "kronkeepd-identity": f"kronkeepd-identity-{namespace}"}
    return [_rename(resource, names) for resource in resources if resource["kind"] != "Namespace"]


def _rename(value: Any, names: dict[str, str], key: str = "") -> Any:
    """Return a resource with other names in its fields, its rights and the settings."""
    if isinstance(value, dict):
        return {field: _rename(part, names, field) for field, part in value.items()}
    if isinstance(value, list):
        return [_rename(part, names, key) for part in value]
    if key == "kronkeepd.toml":
        for old, new in names.items():
            value = value.replace(f'"{old}"', f'"{new}"')
    return names.get(value, value) if key in ("name", "namespace", "resourceNames") else value


if __name__ == "__main__":
    way, *places = [word for word in sys.argv[1:] if word != "--standby"]
    if way == "chart":
        made = chart_resources(places[0], places[1], standby="--standby" in sys.argv)
    else:
        made = kustomize_resources(places[0], places[1])
    sys.stdout.write(yaml.safe_dump_all(made, sort_keys=False))
