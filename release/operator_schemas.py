"""What the Prometheus Operator's resources may hold, as far as ours use them (its API reference, v1)."""

from typing import Any

_TEXT = {"type": "string"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}
_DURATION = {
    "type": "string",
    "pattern": "^(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?$",
}


def _closed(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": properties,
    }


def _resource(spec: dict[str, Any]) -> dict[str, Any]:
    properties = {
        "apiVersion": {"const": "monitoring.coreos.com/v1"},
        "kind": _TEXT,
        "metadata": {},
        "spec": spec,
    }
    return _closed(properties, *properties)


_ENDPOINT = _closed({"port": _TEXT, "interval": _DURATION, "honorLabels": {"type": "boolean"}}, "port")
_RULE = _closed(
    {"alert": _TEXT, "expr": _TEXT, "for": _DURATION, "labels": _TEXTS, "annotations": _TEXTS},
    "alert",
    "expr",
)
_GROUP = _closed(
    {"name": {"type": "string", "minLength": 1}, "rules": {"type": "array", "items": _RULE}}, "name", "rules"
)
SCHEMAS: dict[str, dict[str, Any]] = {
    "ServiceMonitor": _resource(
        _closed(
            {
                "selector": _closed({"matchLabels": _TEXTS}),
                "endpoints": {"type": "array", "items": _ENDPOINT},
            },
            "selector",
            "endpoints",
        )
    ),
    "PrometheusRule": _resource(_closed({"groups": {"type": "array", "items": _GROUP}}, "groups")),
}
