"""Placeholders of the manifests: kustomize gets their defaults, the chart the expressions."""

import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import yaml

from kronkeep_common.version import VERSION
from release.chart_values import VALUES

Manifest = dict[str, Any]
NAMESPACE = "kronkeep"
LABELS = {"app.kubernetes.io/name": "kronkeep", "app.kubernetes.io/part-of": "kronkeep"}


class Placeholder(NamedTuple):
    """What a manifest has in one place: kustomize the default, the chart an expression that gives JSON."""

    default: Any
    expression: str


_EGRESS = [
    {"port": 53, "protocol": "UDP"},
    {"port": 53, "protocol": "TCP"},
    {"port": 443, "protocol": "TCP"},
    {"port": 6443, "protocol": "TCP"},
]


def _dictionary(value: Manifest) -> str:
    """Return a template's expression of a map of texts and numbers."""
    return " ".join(["dict", *(f"{json.dumps(key)} {json.dumps(text)}" for key, text in value.items())])


def _dictionaries(values: list[Manifest]) -> str:
    return " ".join(f"({_dictionary(value)})" for value in values)


PLACEHOLDERS = {
    "namespace": Placeholder(NAMESPACE, ".Release.Namespace"),
    "image": Placeholder(
        f"kronkeep:{VERSION}",
        '(printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion))',
    ),
    "pull-policy": Placeholder("IfNotPresent", ".Values.image.pullPolicy"),
    "pull-secrets": Placeholder([], ".Values.image.pullSecrets"),
    "resources": Placeholder(VALUES["resources"], ".Values.resources"),
    "node-selector": Placeholder({}, ".Values.nodeSelector"),
    "tolerations": Placeholder([], ".Values.tolerations"),
    "storage-size": Placeholder("10Gi", ".Values.state.size"),
    "credentials": Placeholder(
        "kronkeepd-credentials", '(.Values.existingSecret | default "kronkeepd-credentials")'
    ),
    "egress": Placeholder(_EGRESS, f"(concat (list {_dictionaries(_EGRESS)}) .Values.networkPolicy.egress)"),
    "metrics-port": Placeholder(VALUES["metrics"]["port"], ".Values.metrics.port"),
    "scrapers": Placeholder([], ".Values.metrics.from"),
    "scrape-interval": Placeholder(
        VALUES["metrics"]["serviceMonitor"]["interval"], ".Values.metrics.serviceMonitor.interval"
    ),
    "monitoring-labels": Placeholder(LABELS, f"(merge ({_dictionary(LABELS)}) .Values.metrics.labels)"),
}
_BRACES = re.compile(r"\{\{|\}\}")
_MARK = re.compile(r"'?@@([a-z-]+)@@'?")


def place(name: str) -> str:
    return f"@@{name}@@"


def with_defaults(text: str) -> str:
    return _MARK.sub(lambda mark: json.dumps(PLACEHOLDERS[mark[1]].default), text)


def escape(text: str) -> str:
    """Return text as a template that gives it, such as text with Prometheus's own braces."""
    return _BRACES.sub(lambda braces: f'{{{{ "{braces[0]}" }}}}', text)


def with_expressions(text: str) -> str:
    return _MARK.sub(lambda mark: f"{{{{ {PLACEHOLDERS[mark[1]].expression} | toJson }}}}", text)


class _Dumper(yaml.SafeDumper):
    """Writes a value that occurs twice in full each time."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        """Return that no value gets an anchor."""
        return True


def dump(manifests: Iterable[Manifest]) -> str:
    return "---\n".join(
        yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, width=1000) for manifest in manifests
    )


def metadata(name: str) -> Manifest:
    """Return the metadata of a resource in kronkeep's namespace."""
    return {"name": name, "namespace": place("namespace"), "labels": LABELS}
