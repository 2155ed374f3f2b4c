"""What the path of a request names: a kind, a namespace, an object, a subresource."""

from typing import NamedTuple

from kronkeep_daemon.embedded.apiserver.discovery import OLD_CRONJOB_VERSION
from kronkeep_daemon.embedded.apiserver.resources import BY_PATH, SUBRESOURCES, Resource
from kronkeep_daemon.embedded.apiserver.status_responses import path_not_found
from kronkeep_daemon.kube.objects import JsonObject


class Target(NamedTuple):
    """What a path names, and the version in which its objects are shown."""

    resource: Resource
    namespace: str | None
    name: str | None
    subresource: str
    api_version: str

    def with_kind(self, obj: JsonObject) -> JsonObject:
        """Return an object of the store with its kind and apiVersion."""
        return {"kind": self.resource.kind, "apiVersion": self.api_version, **obj}


def parse_target(path: str, *, old_kubectl: bool) -> Target:
    """Return what a path names; raises a 404 Refusal.

    An old kubectl (see `discovery`) sees CronJobs in v1beta1 too.
    """
    group, version, segments = _split_path(path)
    api_version = f"{group}/{version}" if group else version
    namespace = None
    if len(segments) > 2 and segments[0] == "namespaces" and segments[2] != "status":
        namespace = segments[1]
        segments = segments[2:]
    if old_kubectl and (group, version, segments[:1]) == ("batch", OLD_CRONJOB_VERSION, ["cronjobs"]):
        version = "v1"
    resource = BY_PATH.get((group, version, segments[0])) if segments else None
    if resource is None or len(segments) > 3:
        raise path_not_found()
    if resource.namespaced and len(segments) > 1 and namespace is None:
        raise path_not_found()
    subresource = segments[2] if len(segments) > 2 else ""
    if subresource and not _has_subresource(resource, subresource):
        raise path_not_found()
    return Target(
        resource=resource,
        namespace=namespace,
        name=segments[1] if len(segments) > 1 else None,
        subresource=subresource,
        api_version=api_version,
    )


def _split_path(path: str) -> tuple[str, str, list[str]]:
    """Return the API group, its version, and the segments after them."""
    parts = path.strip("/").split("/")
    if parts[:2] == ["api", "v1"]:
        return "", "v1", parts[2:]
    if parts[0] == "apis" and len(parts) > 3:
        return parts[1], parts[2], parts[3:]
    raise path_not_found()


def _has_subresource(resource: Resource, subresource: str) -> bool:
    if subresource == "status":
        return resource.status
    return subresource in SUBRESOURCES.get(resource.plural, ())
