"""The bodies of requests: JSON, YAML and protobuf, decoded and checked for their outer shape."""

from typing import Any

import msgspec
import yaml
from aiohttp import web

from kronkeep_daemon.embedded.apiserver import protobuf
from kronkeep_daemon.embedded.apiserver.status_responses import bad_request
from kronkeep_daemon.kube.objects import JsonObject


def decode_json(data: bytes) -> Any:
    """Return the decoded JSON; raises a 400 Refusal."""
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError as fault:
        raise bad_request(f"the object provided is unrecognized: {fault}") from fault


def decode_yaml(data: bytes) -> Any:
    """Return the decoded YAML; raises a 400 Refusal."""
    try:
        return yaml.load(data, yaml.CSafeLoader)
    except yaml.YAMLError as fault:
        raise bad_request(f"error decoding YAML: {fault}") from fault


def require_object(value: Any) -> JsonObject:
    """Return the value without nulls; raises a 400 Refusal where it cannot be a Kubernetes object."""
    parts = [value.get(key) for key in ("metadata", "spec")] if isinstance(value, dict) else [0]
    if any(part is not None and not isinstance(part, dict) for part in parts):
        raise bad_request("the object provided is unrecognized: it has no metadata and spec as objects")
    return {key: entry for key, entry in value.items() if entry is not None}


def read_delete_options(request: web.Request, data: bytes) -> JsonObject:
    """Return the DeleteOptions of a request, from its body and its query."""
    options: JsonObject = {}
    if data and request.content_type == protobuf.CONTENT_TYPE:
        options = protobuf.decode_object(data)
    elif data:
        options = require_object(decode_json(data))
    if "propagationPolicy" in request.query:
        options["propagationPolicy"] = request.query["propagationPolicy"]
    if "gracePeriodSeconds" in request.query:
        options["gracePeriodSeconds"] = int(request.query["gracePeriodSeconds"])
    return options
