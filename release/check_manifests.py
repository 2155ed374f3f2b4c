"""Validate deploy/ against Kubernetes' schemas; release/check-manifests runs this.

Helm lints the chart and renders it with several values, each of which it checks against values.schema.json.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from release.operator_schemas import SCHEMAS

DEPLOY = Path(__file__).parents[1] / "deploy"
CHART = DEPLOY / "helm/kronkeep"
KUBERNETES = "1.37"
VARIANTS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "chosen namespaces": {"namespaces": ["shop", "billing"], "standby": {"enabled": True}},
    "everything": {
        "image": {"repository": "registry.example/kronkeep", "tag": "1.2.3", "pullSecrets": [{"name": "r"}]},
        "manifests": [{"kind": "BackupStorage", "id": "a", "settings": {"path": "/\"'{{b}}"}}],
        "settings": "[alerts]\nfailing_runs = 5\n[archive]\nimage = \"a: 'b' {{c}}\"\n",
        "existingSecret": "channels",
        "networkPolicy": {"enabled": False},
        "metrics": {"enabled": True, "address": "[::]"},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "a", "operator": "Exists"}],
    },
    "monitoring": {
        "networkPolicy": {"egress": [{"port": 587, "protocol": "TCP"}]},
        "metrics": {
            "enabled": True,
            "port": 9100,
            "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
            "labels": {"release": "prometheus"},
            "serviceMonitor": {"enabled": True},
            "prometheusRule": {"enabled": True, "runbooks": "https://wiki.example/kronkeep"},
        },
    },
}
WRONG: dict[str, dict[str, Any]] = {
    "an unknown value": {"replicas": 3},
    "a size that is none": {"state": {"size": "much"}},
    "a monitor of a port that nobody listens on": {"metrics": {"serviceMonitor": {"enabled": True}}},
}


class RefusedValuesError(Exception):
    """Values that Helm refuses; the text is Helm's."""


def render(chosen: dict[str, Any], namespace: str = "backups") -> list[dict[str, Any]]:
    """Return the resources that Helm makes of the chart with the chosen values; raise RefusedValuesError."""
    command = ["helm", "template", "kronkeep", str(CHART), "--namespace", namespace, "--values", "-"]
    done = subprocess.run(command, input=json.dumps(chosen), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RefusedValuesError(done.stderr)
    return [resource for resource in yaml.safe_load_all(done.stdout) if resource]


def kustomized() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield each overlay with the resources that `kubectl kustomize` makes of it."""
    for overlay in sorted((DEPLOY / "kustomize/overlays").iterdir()):
        command = ["kubectl", "kustomize", str(overlay)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        yield overlay.name, list(yaml.safe_load_all(done.stdout))


def key_of(resource: dict[str, Any]) -> tuple[str, str | None, str]:
    """Return what a cluster knows a resource by."""
    metadata = resource["metadata"]
    return resource["kind"], metadata.get("namespace"), metadata["name"]


def check_rules(groups: dict[str, Any]) -> None:
    """Have Prometheus's own program read rules, where there is one; raise CalledProcessError for a fault."""
    if shutil.which("promtool"):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump(groups, file)
            file.flush()
            subprocess.run(["promtool", "check", "rules", file.name], check=True, stdout=subprocess.DEVNULL)


def check_releases() -> None:
    """Exit where two releases in one cluster would share a resource."""
    keys = [{key_of(r) for r in render({"namespaces": ["shop"]}, namespace)} for namespace in ("a", "b")]
    shared = {key for key in keys[0] & keys[1] if key[1] != "shop"}
    if shared:
        raise SystemExit(f"two releases share {shared}")


def check(name: str, resources: list[dict[str, Any]]) -> None:
    """Raise ValidationError for a resource that Kubernetes' schemas refuse, unknown fields too."""
    for resource in resources:
        if resource["kind"] in SCHEMAS:
            jsonschema.validate(resource, SCHEMAS[resource["kind"]])
        else:
            kubernetes_validate.validate(resource, KUBERNETES, strict=True)
        if resource["kind"] == "PrometheusRule":
            check_rules(resource["spec"])
    keys = [key_of(resource) for resource in resources]
    if len(keys) != len(set(keys)):
        raise SystemExit(f"{name}: a resource twice: {keys}")
    print(f"{name}: {len(resources)} resources are valid for Kubernetes {KUBERNETES}")


def main() -> int:
    """Check all; return the exit code."""
    subprocess.run(["helm", "lint", "--strict", "--quiet", str(CHART)], check=True)
    for name, resources in kustomized():
        check(f"kustomize, {name}", resources)
    for name, chosen in VARIANTS.items():
        check(f"chart, {name}", render(chosen))
    for name, chosen in WRONG.items():
        try:
            render(chosen)
        except RefusedValuesError as fault:
            reason = str(fault).strip().splitlines()[-1]
            if "specifications of the schema" not in str(fault):
                raise SystemExit(f"chart, {name}: refused for another reason: {fault}") from fault
            print(f"chart, {name}: refused: {reason}")
        else:
            raise SystemExit(f"chart, {name}: accepted")
    check_releases()
    everything = {key_of(r)[::2]: r for r in render(VARIANTS["everything"])}
    folder = everything["ConfigMap", "kronkeepd-manifests"]["data"]
    if [json.loads(text) for text in folder.values()] != VARIANTS["everything"]["manifests"]:
        raise SystemExit(f"the manifests were changed on the way: {folder}")
    settings = everything["ConfigMap", "kronkeepd"]["data"]["kronkeepd.toml"]
    if VARIANTS["everything"]["settings"] not in settings or 'namespace = "backups"' not in settings:
        raise SystemExit(f"the settings were changed on the way: {settings}")
    tomllib.loads(settings.replace("a: 'b' {{c}}", "c"))
    for resource in render(VARIANTS["monitoring"]):
        if resource["kind"] == "PrometheusRule" and "{{ $labels" not in json.dumps(resource):
            raise SystemExit("the rules lost Prometheus's own braces")
    return 0


if __name__ == "__main__":
    sys.exit(main())
