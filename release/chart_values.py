"""The values of the Helm chart: their defaults and their schema (values.schema.json)."""

from typing import Any

from kronkeep_common.monitoring.alerting_rules import RUNBOOKS

VALUES: dict[str, Any] = {
    "image": {"repository": "kronkeep", "tag": "", "pullPolicy": "IfNotPresent", "pullSecrets": []},
    "namespaces": [],
    "settings": "",
    "manifests": [],
    "existingSecret": "",
    "state": {"size": "10Gi"},
    "standby": {"enabled": False},
    "networkPolicy": {"enabled": True, "egress": []},
    "metrics": {
        "enabled": False,
        "address": "0.0.0.0",  # noqa: S104 - in a pod, behind a NetworkPolicy
        "port": 9877,
        "from": [],
        "labels": {},
        "serviceMonitor": {"enabled": False, "interval": "60s"},
        "prometheusRule": {"enabled": False, "runbooks": RUNBOOKS},
    },
    "resources": {"requests": {"cpu": "50m", "memory": "160Mi"}, "limits": {"memory": "512Mi"}},
    "nodeSelector": {},
    "tolerations": [],
}
_TEXTS = {"type": "array", "items": {"type": "string"}}
_SWITCH = {"type": "boolean"}
_PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
_OPEN_PORT = {
    "type": "object",
    "required": ["port"],
    "additionalProperties": False,
    "properties": {"port": _PORT, "endPort": _PORT, "protocol": {"enum": ["TCP", "UDP", "SCTP"]}},
}
_DURATION = {"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"}
_ON = {"required": ["enabled"], "properties": {"enabled": {"const": True}}}


def _group(description: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "additionalProperties": False,
        "properties": properties,
    }


def _metrics() -> dict[str, Any]:
    group = _group(
        "Metrics over HTTP, which name CronJobs: `from` are the peers (NetworkPolicyPeer) that may read "
        "them, empty for all; `address` is [::] in a cluster of IPv6. `labels` are those by which a "
        "Prometheus of the Operator selects; `runbooks` is the address of docs/metrics.md.",
        {
            "enabled": _SWITCH,
            "address": {"type": "string", "pattern": "^([0-9.]+|\\[[0-9a-f:]+\\])$"},
            "port": _PORT,
            "from": {"type": "array", "items": {"type": "object"}},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "serviceMonitor": _group(
                "For the Prometheus Operator.", {"enabled": _SWITCH, "interval": _DURATION}
            ),
            "prometheusRule": _group(
                "The rules of `kronkeep monitoring rules`.",
                {"enabled": _SWITCH, "runbooks": {"type": "string", "pattern": "^[a-z]+://[^\\s\"']+$"}},
            ),
        },
    )
    # A monitor of a port that nobody listens on would look like a daemon that is down.
    group["if"] = {"properties": {"serviceMonitor": _ON}}
    group["then"] = {"properties": {"enabled": {"const": True}}}
    return group


SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {
        "image": _group(
            "The image of kronkeepd; without a tag the chart's version.",
            {
                "repository": {"type": "string", "minLength": 1},
                "tag": {"type": "string"},
                "pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
                "pullSecrets": {"type": "array", "items": {"type": "object", "required": ["name"]}},
            },
        ),
        "namespaces": {**_TEXTS, "description": "The namespaces to watch; empty means all."},
        "settings": {
            "type": "string",
            "description": "More of kronkeepd.toml, in TOML: see docs/settings.md.",
        },
        "manifests": {
            "type": "array",
            "description": "Storages and CronJobs, in the form that `kronkeep apply` takes, which kronkeepd "
            "creates and keeps. Storages are each daemon's own: a second one has those that are named here.",
            "items": {"type": "object", "required": ["kind"]},
        },
        "existingSecret": {
            "type": "string",
            "description": "A Secret whose keys are files that settings name, such as url_file of a channel.",
        },
        "state": _group(
            "The claim of the history.", {"size": {"type": "string", "pattern": "^[0-9]+([KMGT]i?)?$"}}
        ),
        "standby": _group(
            "A second daemon with its own state; a Lease lets one act. Storages belong into `manifests`.",
            {"enabled": _SWITCH},
        ),
        "networkPolicy": _group(
            "Whether pods may only reach DNS, HTTPS (443), API servers (6443) and the ports in `egress`, "
            "such as {port: 587} for mail; nobody reaches them but for metrics.",
            {"enabled": _SWITCH, "egress": {"type": "array", "items": _OPEN_PORT}},
        ),
        "metrics": _metrics(),
        "resources": {"type": "object", "description": "Of the container."},
        "nodeSelector": {"type": "object", "description": "Of the pods."},
        "tolerations": {"type": "array", "description": "Of the pods."},
        "global": {"type": "object", "description": "Helm's own."},
    },
    "additionalProperties": False,
}
