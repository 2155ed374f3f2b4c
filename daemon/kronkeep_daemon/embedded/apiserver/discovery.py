"""What clients ask first: versions, groups, resources, and the OpenAPI that kubectl needs to send objects."""

from typing import Any

from kronkeep_daemon.embedded.apiserver.registry import GROUPS, RESOURCES, Resource

Object = dict[str, Any]

VERSION: Object = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.2+kronkeep",
    "gitCommit": "",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}


def document(path: str) -> Object | None:
    """The discovery document at `path`, or None where there is none."""
    if path in ("/version", "/version/"):
        return VERSION
    if path in ("/api", "/api/"):
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    if path in ("/apis", "/apis/"):
        groups = [_group(group, version) for group, version in GROUPS if group]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    if path == "/openapi/v3":
        return {
            "paths": {_prefix(g, v): {"serverRelativeURL": f"/openapi/v3/{_prefix(g, v)}"} for g, v in GROUPS}
        }
    for group, version in GROUPS:
        prefix = _prefix(group, version)
        if path.rstrip("/") == f"/{prefix}":
            return _resources(group, version)
        if path == f"/openapi/v3/{prefix}":
            return _openapi(group, version)
        if group and path.rstrip("/") == f"/apis/{group}":
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, version)}
    return None


def _prefix(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


def _group(group: str, version: str) -> Object:
    entry = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [entry], "preferredVersion": entry}


def _resources(group: str, version: str) -> Object:
    entries: list[Object] = []
    for resource in RESOURCES:
        if (resource.group, resource.version) == (group, version):
            entries += _entries(resource)
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": entries,
    }


def _entries(resource: Resource) -> list[Object]:
    entry: Object = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short:
        entry["shortNames"] = list(resource.short)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    parts = ["status"] * resource.status + ["log"] * (resource.kind == "Pod")
    below = {"singularName": "", "namespaced": resource.namespaced, "kind": resource.kind}
    subresources = [
        {
            "name": f"{resource.plural}/{part}",
            **below,
            "verbs": ["get"] if part == "log" else ["get", "patch", "update"],
        }
        for part in parts
    ]
    return [entry, *subresources]


def _openapi(group: str, version: str) -> Object:
    """One path a kind whose patch takes `fieldValidation`: all that kubectl looks for before it sends."""
    paths = {}
    for resource in RESOURCES:
        if (resource.group, resource.version) == (group, version):
            gvk = {"group": group, "version": version, "kind": resource.kind}
            parameter = {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}
            scope = "/namespaces/{namespace}" if resource.namespaced else ""
            path = f"/{_prefix(group, version)}{scope}/{resource.plural}/{{name}}"
            operation = {"x-kubernetes-group-version-kind": gvk, "x-kubernetes-action": "patch"}
            paths[path] = {"patch": {**operation, "parameters": [parameter], "responses": {}}}
    return {"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.36.2"}, "paths": paths}
