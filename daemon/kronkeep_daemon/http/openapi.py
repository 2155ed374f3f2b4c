"""OpenAPI 3.1 from the table of routes."""

import re
from typing import Any

import msgspec

from kronkeep_common import api
from kronkeep_daemon.http.routes import ROUTES, Route

Object = dict[str, Any]
_REFERENCE = "#/components/schemas/{name}"


def document() -> Object:
    """The whole document."""
    types = [t for route in ROUTES for t in (route.request, route.answer) if t is not None]
    schemas, components = msgspec.json.schema_components([*types, api.Problem], ref_template=_REFERENCE)
    found = iter(schemas)
    paths: Object = {}
    for route in ROUTES:
        request = next(found) if route.request is not None else None
        answer = next(found) if route.answer is not None else None
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, request, answer)
    info = {"title": "kronkeep", "version": api.VERSION}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": {"schemas": components}}


def _operation(route: Route, request: Object | None, answer: Object | None) -> Object:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]
    parameters += [{"name": name, "in": "query", "schema": {"type": "string"}} for name in route.query]
    good: Object = {"description": route.sentence}
    if answer is not None:
        good["content"] = {"application/json": {"schema": answer}}
    problem = {"application/problem+json": {"schema": {"$ref": _REFERENCE.format(name="Problem")}}}
    operation: Object = {
        "summary": route.sentence,
        "x-kronkeep-level": route.level.name.lower(),
        "parameters": parameters,
        "responses": {str(route.status): good, "default": {"description": "A problem.", "content": problem}},
    }
    if request is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": request}}}
    return operation
