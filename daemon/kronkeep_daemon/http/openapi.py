"""OpenAPI 3.1 from the table of routes."""

import re
from collections.abc import Sequence

import msgspec

from kronkeep_common import api
from kronkeep_common.json_decoding import JsonObject
from kronkeep_daemon.http.route import Route

_TEXT: JsonObject = {"type": "string"}
_BOOLEAN: JsonObject = {"type": "string", "enum": ["true", "false"]}
_QUERY: dict[str, JsonObject] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": 1000},
    "dry_run": _BOOLEAN,
    "follow": _BOOLEAN,
}
_WRITES = {
    "If-Match": "the ETag that the object must still have, or that of its spec, which runs leave alone",
    "Idempotency-Key": "a key of the caller's; a repetition under it gets the first answer",
}
_REFERENCE = "#/components/schemas/{name}"


def document(routes: Sequence[Route]) -> JsonObject:
    """The whole document."""
    types = [t for route in routes for t in (route.request, route.answer) if t is not None]
    schemas, components = msgspec.json.schema_components(
        [*types, api.Problem, api.DryRun], ref_template=_REFERENCE
    )
    found = iter(schemas)
    paths: JsonObject = {}
    for route in routes:
        request = next(found) if route.request is not None else None
        answer = next(found) if route.answer is not None else None
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, request, answer)
    info = {"title": "kronkeep", "version": api.VERSION}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": {"schemas": components}}


def _operation(route: Route, request: JsonObject | None, answer: JsonObject | None) -> JsonObject:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]
    parameters += [
        {"name": name, "in": "query", "schema": _QUERY.get(name, _TEXT)} for name in route.parameters
    ]
    if route.writes:
        parameters += [_header(name, words) for name, words in _WRITES.items()]
    if route.media == "text/event-stream":
        parameters.append(
            _header("Last-Event-ID", "the `seq` of a snapshot, or the id of the last event that was read")
        )
    good: JsonObject = {"description": route.summary}
    if answer is not None:
        good["content"] = {"application/json": {"schema": answer}}
    elif route.media != "application/json":
        good["content"] = {route.media: {"schema": _TEXT}}
    problem = {"application/problem+json": {"schema": {"$ref": _REFERENCE.format(name="Problem")}}}
    if route.writes and "dry_run" not in route.query and route.status == 200 and answer is not None:
        rehearsal = {"$ref": _REFERENCE.format(name="DryRun")}
        good["content"]["application/json"]["schema"] = {"anyOf": [answer, rehearsal]}
    operation: JsonObject = {
        "summary": route.summary,
        "x-kronkeep-level": route.level.name.lower(),
        "parameters": parameters,
        "responses": {
            **_others(route),
            str(route.status): good,
            "default": {"description": "A problem.", "content": problem},
        },
    }
    if request is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": request}}}
    return operation


def _header(name: str, words: str) -> JsonObject:
    return {"name": name, "in": "header", "required": False, "description": words, "schema": _TEXT}


def _others(route: Route) -> JsonObject:
    """The good answers besides the usual one: dry runs, what has not changed, what is not ready."""
    if route.writes and "dry_run" not in route.query:
        schema = {"$ref": _REFERENCE.format(name="DryRun")}
        words = "What it would do; nothing was changed."
        return {"200": {"description": words, "content": {"application/json": {"schema": schema}}}}
    if route.path == "/readyz":
        schema = {"$ref": _REFERENCE.format(name="Ready")}
        return {"503": {"description": "Not ready.", "content": {"application/json": {"schema": schema}}}}
    if route.method == "GET" and route.media == "application/json":
        return {"304": {"description": "It is as If-None-Match says."}}
    return {}
