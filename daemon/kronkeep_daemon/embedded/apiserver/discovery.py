"""The discovery documents that clients read first: versions, groups and resources.

kubectl before 1.21 (Debian 12 has 1.20) knows CronJobs only as batch/v1beta1, which Kubernetes removed in
1.25. This server shows that version too, but only to such a kubectl.
"""

import re
from collections.abc import Sequence

from kronkeep_daemon.embedded.apiserver.resources import BY_PATH, SUBRESOURCES, Resource
from kronkeep_daemon.kube.objects import JsonObject

VERSION: JsonObject = {
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
OLD_CRONJOB_VERSION = "v1beta1"
_SUBRESOURCE_VERBS = {"log": ["get"], "token": ["create"], "status": ["get", "patch", "update"]}
_KUBECTL_VERSION = re.compile(r"kubectl[^/]*/v1\.(\d{1,2})\.")
_FIRST_MINOR_WITH_CRONJOBS = 21


def is_old_kubectl(user_agent: str) -> bool:
    """Whether the caller is a kubectl that does not know CronJobs in batch/v1."""
    match = _KUBECTL_VERSION.match(user_agent)
    return match is not None and int(match[1]) < _FIRST_MINOR_WITH_CRONJOBS


def find_document(path: str, resources: Sequence[Resource], *, old_kubectl: bool) -> JsonObject | None:
    """Return the discovery document at `path`, None where there is none; `resources` are those served."""
    groups_served = sorted({(resource.group, resource.version) for resource in resources})
    if path in ("/version", "/version/"):
        return VERSION
    if path in ("/api", "/api/"):
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    if path in ("/apis", "/apis/"):
        groups = [_describe_group(group, version, old_kubectl) for group, version in groups_served if group]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    for group, version in groups_served:
        prefix = f"apis/{group}/{version}" if group else f"api/{version}"
        if path.rstrip("/") == f"/{prefix}":
            of_group = [r for r in resources if (r.group, r.version) == (group, version)]
            return _list_resources(group, version, of_group)
        if group and path.rstrip("/") == f"/apis/{group}":
            description = _describe_group(group, version, old_kubectl)
            return {"kind": "APIGroup", "apiVersion": "v1", **description}
    if old_kubectl and path.rstrip("/") == f"/apis/batch/{OLD_CRONJOB_VERSION}":
        return _list_resources("batch", OLD_CRONJOB_VERSION, [BY_PATH["batch", "v1", "cronjobs"]])
    return None


def _describe_group(group: str, version: str, old_kubectl: bool) -> JsonObject:
    names = [OLD_CRONJOB_VERSION, version] if old_kubectl and group == "batch" else [version]
    versions = [{"groupVersion": f"{group}/{name}", "version": name} for name in names]
    return {"name": group, "versions": versions, "preferredVersion": versions[0]}


def _list_resources(group: str, version: str, resources: list[Resource]) -> JsonObject:
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": [entry for resource in resources for entry in _describe_resource(resource)],
    }


def _describe_resource(resource: Resource) -> list[JsonObject]:
    """Return the entries of a resource and its subresources."""
    entry: JsonObject = {
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
    subresources = [*(["status"] if resource.status else []), *SUBRESOURCES.get(resource.plural, ())]
    return [entry, *(_describe_subresource(resource, subresource) for subresource in subresources)]


def _describe_subresource(resource: Resource, subresource: str) -> JsonObject:
    return {
        "name": f"{resource.plural}/{subresource}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": _SUBRESOURCE_VERBS[subresource],
    }
