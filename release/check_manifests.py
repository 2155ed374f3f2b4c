"""Validate deploy/ against Kubernetes' schemas; release/check-manifests runs this.

The chart is rendered with several values, each checked against values.schema.json first.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml
from gotpl.exts.helm import HelmTemplateEngine

DEPLOY = Path(__file__).parents[1] / "deploy"
CHART = DEPLOY / "helm/kronkeep"
KUBERNETES = "1.37"
VARIANTS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "chosen namespaces": {"namespaces": ["shop", "billing"], "standby": {"enabled": True}},
    "everything": {
        "image": {"repository": "registry.example/kronkeep", "tag": "1.2.3", "pullSecrets": [{"name": "r"}]},
        "settings": "[alerts]\nfailing_runs = 5\n[archive]\nimage = \"a: 'b' {{c}}\"\n",
        "existingSecret": "channels",
        "networkPolicy": {"enabled": False},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "a", "operator": "Exists"}],
    },
}
WRONG: dict[str, dict[str, Any]] = {
    "an unknown value": {"replicas": 3},
    "a size that is none": {"state": {"size": "much"}},
}


def merge(defaults: dict[str, Any], chosen: dict[str, Any]) -> dict[str, Any]:
    """Return values with those that were chosen on top, as Helm merges them."""
    merged = dict(defaults)
    for name, value in chosen.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = merge(merged[name], value) if both else value
    return merged


def render(chosen: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the resources of the chart with the chosen values; raise ValidationError for wrong ones."""
    values = merge(yaml.safe_load((CHART / "values.yaml").read_text()), chosen)
    jsonschema.validate(values, json.loads((CHART / "values.schema.json").read_text()))
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    titled = {name[:1].upper() + name[1:]: value for name, value in chart.items()}
    release = {"Namespace": "backups", "Name": "kronkeep", "Service": "Helm"}
    context = {"Values": values, "Chart": titled, "Release": release}
    sources = {path.name: path.read_text() for path in (CHART / "templates").iterdir()}
    engine = HelmTemplateEngine.from_sources(sources, strict=True)
    rendered = [engine.render_template(name, context) for name in sources if name.endswith(".yaml")]
    return [resource for text in rendered for resource in yaml.safe_load_all(text) if resource]


def kustomized() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield each overlay with the resources that `kubectl kustomize` makes of it."""
    for overlay in sorted((DEPLOY / "kustomize/overlays").iterdir()):
        command = ["kubectl", "kustomize", str(overlay)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        yield overlay.name, list(yaml.safe_load_all(done.stdout))


def check(name: str, resources: list[dict[str, Any]]) -> None:
    """Raise ValidationError for a resource that Kubernetes' schemas refuse, unknown fields too."""
    for resource in resources:
        kubernetes_validate.validate(resource, KUBERNETES, strict=True)
    keys = [(r["kind"], r["metadata"].get("namespace"), r["metadata"]["name"]) for r in resources]
    if len(keys) != len(set(keys)):
        raise SystemExit(f"{name}: a resource twice: {keys}")
    print(f"{name}: {len(resources)} resources are valid for Kubernetes {KUBERNETES}")


def main() -> int:
    """Check all; return the exit code."""
    for name, resources in kustomized():
        check(f"kustomize, {name}", resources)
    for name, chosen in VARIANTS.items():
        check(f"chart, {name}", render(chosen))
    for name, chosen in WRONG.items():
        try:
            render(chosen)
        except jsonschema.ValidationError as fault:
            print(f"chart, {name}: refused: {fault.message}")
        else:
            raise SystemExit(f"chart, {name}: accepted")
    everything = {r["kind"]: r for r in render(VARIANTS["everything"])}
    settings = everything["ConfigMap"]["data"]["kronkeepd.toml"]
    if VARIANTS["everything"]["settings"] not in settings or 'namespace = "backups"' not in settings:
        raise SystemExit(f"the settings were changed on the way: {settings}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
