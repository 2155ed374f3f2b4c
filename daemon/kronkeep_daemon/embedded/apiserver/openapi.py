"""The OpenAPI that kubectl asks for before it sends objects: no schemas, only what each kind's patch takes.

kubectl from 1.27 on reads version 3 in JSON, looking for `fieldValidation`; before, version 2 in protobuf
(gnostic's OpenAPIv2.proto), looking for `dryRun`. A kind without a schema is not validated on its side.
"""

from kronkeep_daemon.embedded.apiserver.discovery import OLD_CRONJOBS
from kronkeep_daemon.embedded.apiserver.protobuf_wire import message
from kronkeep_daemon.embedded.apiserver.resources import BY_PATH, GROUPS, RESOURCES, Resource
from kronkeep_daemon.kube.objects import JsonObject

V2_PATH = "/openapi/v2"
V2_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_VERSION = "v1.36.2"


def document(path: str) -> JsonObject | None:
    """The document of version 3 at `path`, or None where there is none."""
    prefixes = {(f"apis/{group}/{v}" if group else f"api/{v}"): (group, v) for group, v in GROUPS}
    if path == "/openapi/v3":
        return {"paths": {prefix: {"serverRelativeURL": f"/openapi/v3/{prefix}"} for prefix in prefixes}}
    found = prefixes.get(path.removeprefix("/openapi/v3/"))
    return None if found is None or not path.startswith("/openapi/v3/") else _version_3(*found)


def _version_3(group: str, version: str) -> JsonObject:
    paths = {}
    for resource in RESOURCES:
        if (resource.group, resource.version) == (group, version):
            gvk = {"group": group, "version": version, "kind": resource.kind}
            parameter = {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}
            operation = {"x-kubernetes-group-version-kind": gvk, "x-kubernetes-action": "patch"}
            paths[_path(resource)] = {"patch": {**operation, "parameters": [parameter], "responses": {}}}
    return {"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": _VERSION}, "paths": paths}


def _path(resource: Resource) -> str:
    prefix = f"apis/{resource.api_version}" if resource.group else f"api/{resource.version}"
    scope = "/namespaces/{namespace}" if resource.namespaced else ""
    return f"/{prefix}{scope}/{resource.plural}/{{name}}"


def version_2() -> bytes:
    """The Document message."""
    old = BY_PATH["batch", "v1", "cronjobs"]._replace(version=OLD_CRONJOBS)
    items = [(2, message((1, _path(found)), (2, _item(found)))) for found in (*RESOURCES, old)]
    info = message((1, "Kubernetes"), (2, _VERSION))
    return message((1, "2.0"), (2, info), (8, message(*items)))


def _item(resource: Resource) -> bytes:
    """A PathItem whose patch (8) has the parameter `dryRun` (8) and the kind as an extension (13)."""
    query = message((2, "query"), (4, "dryRun"), (6, "string"))
    parameter = message((1, message((2, message((3, query))))))
    kind = f"group: {resource.group!r}\nkind: {resource.kind}\nversion: {resource.version}\n"
    extension = message((1, "x-kubernetes-group-version-kind"), (2, message((2, kind))))
    return message((8, message((8, parameter), (9, b""), (13, extension))))
