"""What clients ask first: versions, groups and resources.

kubectl before 1.21 (Debian 12 has 1.20) knows CronJobs only as batch/v1beta1, which Kubernetes removed in
1.25; to it, and to nobody else, this server shows that version too.
"""

import re

from kronkeep_daemon.embedded.apiserver.resources import BY_PATH, GROUPS, RESOURCES, SUBRESOURCES, Resource
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


_PART_VERBS = {"log": ["get"], "token": ["create"], "status": ["get", "patch", "update"]}
OLD_CRONJOBS = "v1beta1"
_OLD = re.compile(r"kubectl[^/]*/v1\.(\d{1,2})\.")


def is_old(user_agent: str) -> bool:
    """Whether a kubectl from before batch/v1 had CronJobs asks."""
    found = _OLD.match(user_agent)
    return found is not None and int(found[1]) < 21


def document(path: str, old: bool) -> JsonObject | None:
    """The discovery document at `path` for an old kubectl or for all others; None where there is none."""
    if path in ("/version", "/version/"):
        return VERSION
    if path in ("/api", "/api/"):
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    if path in ("/apis", "/apis/"):
        groups = [_group(group, version, old) for group, version in GROUPS if group]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    for group, version in GROUPS:
        prefix = _prefix(group, version)
        if path.rstrip("/") == f"/{prefix}":
            return _resources(group, version)
        if group and path.rstrip("/") == f"/apis/{group}":
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, version, old)}
    if old and path.rstrip("/") == f"/apis/batch/{OLD_CRONJOBS}":
        return _listed("batch", OLD_CRONJOBS, [BY_PATH["batch", "v1", "cronjobs"]])
    return None


def _prefix(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


def _group(group: str, version: str, old: bool) -> JsonObject:
    versions = [OLD_CRONJOBS, version] if old and group == "batch" else [version]
    entries = [{"groupVersion": f"{group}/{found}", "version": found} for found in versions]
    return {"name": group, "versions": entries, "preferredVersion": entries[0]}


def _resources(group: str, version: str) -> JsonObject:
    return _listed(group, version, [r for r in RESOURCES if (r.group, r.version) == (group, version)])


def _listed(group: str, version: str, resources: list[Resource]) -> JsonObject:
    entries = [entry for resource in resources for entry in _entries(resource)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": entries,
    }


def _entries(resource: Resource) -> list[JsonObject]:
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
    parts = ["status"] * resource.status + list(SUBRESOURCES.get(resource.plural, ()))
    below = {"singularName": "", "namespaced": resource.namespaced, "kind": resource.kind}
    return [entry, *({"name": f"{resource.plural}/{p}", **below, "verbs": _PART_VERBS[p]} for p in parts)]
