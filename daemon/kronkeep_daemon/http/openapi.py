"""The OpenAPI 3.1 document of the routes."""

import re
from collections.abc import Sequence

import msgspec

from kronkeep_common import api
from kronkeep_common.json_decoding import JsonObject
from kronkeep_daemon.http.problems import PROBLEM
from kronkeep_daemon.http.route import JSON, Route

_TEXT: JsonObject = {"type": "string"}
_BOOLEAN: JsonObject = {"type": "string", "enum": ["true", "false"]}
_QUERY: dict[str, JsonObject] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": 1000},
    "dry_run": _BOOLEAN,
    "follow": _BOOLEAN,
}
_WRITES = {
    "If-Match": "the ETag that the object must still have, or that of its spec, which runs do not change",
    "Idempotency-Key": "a key of the caller's choice; a repeated request under it gets the first answer",
}
_REFERENCE = "#/components/schemas/{name}"


def document(routes: Sequence[Route]) -> JsonObject:
    """Return the document that describes these routes."""
    types = [t for route in routes for t in (route.request, route.answer) if t is not None]
    schemas, components = msgspec.json.schema_components(
        [*types, api.Problem, api.DryRun], ref_template=_REFERENCE
    )
    following = iter(schemas)
    paths: JsonObject = {}
    for route in routes:
        request = next(following) if route.request is not None else None
        answer = next(following) if route.answer is not None else None
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, request, answer)
    info = {"title": "kronkeep", "version": api.VERSION}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": {"schemas": components}}


def _operation(route: Route, request: JsonObject | None, answer: JsonObject | None) -> JsonObject:
    problem = {PROBLEM: {"schema": _reference("Problem")}}
    operation: JsonObject = {
        "summary": route.summary,
        "x-kronkeep-level": route.level.name.lower(),
        "parameters": _parameters(route),
        "responses": {
            **_other_responses(route),
            str(route.status): _success(route, answer),
            "default": {"description": "A problem.", "content": problem},
        },
    }
    if request is not None:
        operation["requestBody"] = {"required": True, "content": _json_content(request)}
    return operation


def _parameters(route: Route) -> list[JsonObject]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _TEXT}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]
    parameters += [
        {"name": name, "in": "query", "schema": _QUERY.get(name, _TEXT)} for name in route.parameters
    ]
    if route.writes:
        parameters += [_header(name, description) for name, description in _WRITES.items()]
    if route.media == "text/event-stream":
        resume = "the `seq` of a snapshot, or the id of the last event that was read"
        parameters.append(_header("Last-Event-ID", resume))
    return parameters


def _header(name: str, description: str) -> JsonObject:
    return {"name": name, "in": "header", "required": False, "description": description, "schema": _TEXT}


def _success(route: Route, answer: JsonObject | None) -> JsonObject:
    response: JsonObject = {"description": route.summary}
    if route.writes and "dry_run" not in route.query and route.status == 200 and answer is not None:
        response["content"] = _json_content({"anyOf": [answer, _reference("DryRun")]})
    elif answer is not None:
        response["content"] = _json_content(answer)
    elif route.media != JSON:
        response["content"] = {route.media: {"schema": _TEXT}}
    return response


def _other_responses(route: Route) -> JsonObject:
    """Return the responses besides the usual one and problems: a dry run, not modified, not ready."""
    if route.writes and "dry_run" not in route.query:
        content = _json_content(_reference("DryRun"))
        return {"200": {"description": "What it would do; nothing was changed.", "content": content}}
    if route.path == "/readyz":
        return {"503": {"description": "Not ready.", "content": _json_content(_reference("Ready"))}}
    if route.method == "GET" and route.media == JSON:
        return {"304": {"description": "The answer is still the one that If-None-Match names."}}
    return {}


def _json_content(schema: JsonObject) -> JsonObject:
    return {JSON: {"schema": schema}}


def _reference(name: str) -> JsonObject:
    return {"$ref": _REFERENCE.format(name=name)}
