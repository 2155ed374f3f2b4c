"""The values of the Helm chart: their defaults and their schema (values.schema.json)."""

from typing import Any

VALUES: dict[str, Any] = {
    "image": {"repository": "kronkeep", "tag": "", "pullPolicy": "IfNotPresent", "pullSecrets": []},
    "namespaces": [],
    "settings": "",
    "existingSecret": "",
    "state": {"size": "10Gi"},
    "standby": {"enabled": False},
    "networkPolicy": {"enabled": True, "apiPort": 6443},
    "resources": {"requests": {"cpu": "50m", "memory": "160Mi"}, "limits": {"memory": "512Mi"}},
    "nodeSelector": {},
    "tolerations": [],
}
_TEXTS = {"type": "array", "items": {"type": "string"}}
_SWITCH = {"type": "boolean"}


def _group(description: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "additionalProperties": False,
        "properties": properties,
    }


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
        "existingSecret": {
            "type": "string",
            "description": "A Secret whose keys are files that settings name, such as url_file of a channel.",
        },
        "state": _group(
            "The claim of the history.", {"size": {"type": "string", "pattern": "^[0-9]+([KMGT]i?)?$"}}
        ),
        "standby": _group(
            "A second daemon with a state of its own; a Lease lets one act.", {"enabled": _SWITCH}
        ),
        "networkPolicy": _group(
            "Whether pods may only reach DNS, HTTPS and the API server, and nobody reaches them.",
            {"enabled": _SWITCH, "apiPort": {"type": "integer", "minimum": 1, "maximum": 65535}},
        ),
        "resources": {"type": "object", "description": "Of the container."},
        "nodeSelector": {"type": "object", "description": "Of the pods."},
        "tolerations": {"type": "array", "description": "Of the pods."},
        "global": {"type": "object", "description": "Helm's own."},
    },
    "additionalProperties": False,
}
