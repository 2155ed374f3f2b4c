"""What release/check-cluster puts kronkeep into a cluster with, in namespaces of its own.

python -m release.cluster_resources values WATCHED [--standby] prints values of the chart;
python -m release.cluster_resources kustomize NAMESPACE WATCHED prints the resources of an overlay.
"""

import sys
from typing import Any

import yaml

from release.check_manifests import kustomized


def chart_values(watched: str, *, standby: bool) -> dict[str, Any]:
    """Return values with metrics, a storage, and a second daemon where `standby` says so."""
    storage = {
        "kind": "BackupStorage",
        "id": "first",
        "kind_of_storage": "pvc",
        "settings": {"claim": "backups", "namespace": watched},
        "namespaces": [watched],
    }
    return {
        "namespaces": [watched],
        "manifests": [storage],
        "metrics": {"enabled": True},
        "standby": {"enabled": standby},
        "state": {"size": "1Gi"},
    }


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
    what, *places = [word for word in sys.argv[1:] if word != "--standby"]
    if what == "values":
        sys.stdout.write(yaml.safe_dump(chart_values(places[0], standby="--standby" in sys.argv)))
    else:
        sys.stdout.write(yaml.safe_dump_all(kustomize_resources(places[0], places[1]), sort_keys=False))
