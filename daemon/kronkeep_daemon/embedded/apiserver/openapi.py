"""The OpenAPI documents that kubectl reads before it sends objects.

They hold no schemas, only the query parameters that a patch of each kind takes. kubectl from 1.27 on reads
version 3 in JSON and looks for `fieldValidation`; an older one reads version 2 in protobuf (gnostic's
OpenAPIv2.proto) and looks for `dryRun`. kubectl does not validate objects of a kind without a schema.
"""

from kronkeep_daemon.embedded.apiserver.discovery import OLD_CRONJOB_VERSION
from kronkeep_daemon.embedded.apiserver.protobuf_wire import encode_message
from kronkeep_daemon.embedded.apiserver.resources import BY_PATH, GROUPS, RESOURCES, Resource
from kronkeep_daemon.kube.objects import JsonObject

V2_PATH = "/openapi/v2"
V2_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
V3_PATH = "/openapi/v3"
_VERSION = "v1.36.2"


def find_document(path: str) -> JsonObject | None:
    """Return the document of version 3 at `path`, None where there is none."""
    prefixes = {(f"apis/{group}/{v}" if group else f"api/{v}"): (group, v) for group, v in GROUPS}
    if path == V3_PATH:
        return {"paths": {prefix: {"serverRelativeURL": f"{V3_PATH}/{prefix}"} for prefix in prefixes}}
    if not path.startswith(f"{V3_PATH}/"):
        return None
    group_version = prefixes.get(path.removeprefix(f"{V3_PATH}/"))
    return None if group_version is None else _build_version_3(*group_version)


def _build_version_3(group: str, version: str) -> JsonObject:
    paths = {}
    for resource in RESOURCES:
        if (resource.group, resource.version) == (group, version):
            gvk = {"group": group, "version": version, "kind": resource.kind}
            parameter = {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}
            operation = {"x-kubernetes-group-version-kind": gvk, "x-kubernetes-action": "patch"}
            patch = {**operation, "parameters": [parameter], "responses": {}}
            paths[_path_template(resource)] = {"patch": patch}
    return {"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": _VERSION}, "paths": paths}


def _path_template(resource: Resource) -> str:
    prefix = f"apis/{resource.api_version}" if resource.group else f"api/{resource.version}"
    scope = "/namespaces/{namespace}" if resource.namespaced else ""
    return f"/{prefix}{scope}/{resource.plural}/{{name}}"


def encode_version_2() -> bytes:
    """Return the Document message of version 2.

    The numbers here and below are those of the fields in OpenAPIv2.proto.
    """
    old_cronjobs = BY_PATH["batch", "v1", "cronjobs"]._replace(version=OLD_CRONJOB_VERSION)
    items = [
        (2, encode_message((1, _path_template(resource)), (2, _encode_path_item(resource))))
        for resource in (*RESOURCES, old_cronjobs)
    ]
    info = encode_message((1, "Kubernetes"), (2, _VERSION))
    return encode_message((1, "2.0"), (2, info), (8, encode_message(*items)))


def _encode_path_item(resource: Resource) -> bytes:
    """Return a PathItem whose patch (8) has the parameter `dryRun` (8) and the kind as an extension (13)."""
    query = encode_message((2, "query"), (4, "dryRun"), (6, "string"))
    parameter = encode_message((1, encode_message((2, encode_message((3, query))))))
    kind = f"group: {resource.group!r}\nkind: {resource.kind}\nversion: {resource.version}\n"
    extension = encode_message((1, "x-kubernetes-group-version-kind"), (2, encode_message((2, kind))))
    return encode_message((8, encode_message((8, parameter), (9, b""), (13, extension))))
