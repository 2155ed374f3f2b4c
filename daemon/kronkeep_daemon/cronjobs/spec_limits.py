"""What the settings allow in a CronJob that is created or changed through this daemon; pure.

The daemon's own rights in the cluster are wider than those of the people who use its socket. So what would
let them use those rights, or take over a node, is refused here unless `[allow]` in the settings permits it.
"""

from collections.abc import Iterator
from typing import Any

from kronkeep_common.errors import Denied
from kronkeep_common.text import clean
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.settings import AllowSettings

_HOST_FIELDS = ("hostNetwork", "hostPID", "hostIPC")
_CONTAINER_FIELDS = ("containers", "initContainers", "ephemeralContainers")


def require_allowed(cronjob: JsonObject, allow: AllowSettings, *, own_namespace: str) -> None:
    """Raise Denied with the first field of a batch/v1 CronJob that `allow` does not permit.

    own_namespace: kronkeep's; a pod there could mount the keys of every storage.
    """
    require_allowed_namespace(cronjob["metadata"]["namespace"], allow, own_namespace)
    pod = _pod_spec(cronjob)
    account = pod.get("serviceAccountName") or pod.get("serviceAccount")
    if account and account not in allow.service_accounts:
        raise Denied("That service account may not be used.", field="service_account")
    if not allow.host_path and any("hostPath" in volume for volume in _objects_in(pod.get("volumes"))):
        raise Denied("Folders of the nodes may not be mounted (allow.host_path).", field="volumes")
    if not allow.privileged and (field := next(_iter_privileged_fields(pod), None)):
        raise Denied(f"{field} is not allowed here (allow.privileged).", field=field)


def require_allowed_namespace(namespace: str, allow: AllowSettings, own_namespace: str) -> None:
    """Raise Denied for a namespace in which people who use the socket may let nothing run."""
    name = clean(namespace, 63)
    if namespace in allow.namespaces:
        return
    if namespace == own_namespace or namespace.startswith("kube-"):
        whose = "kronkeep itself" if namespace == own_namespace else "Kubernetes itself"
        raise Denied(
            f"The namespace {name} is reserved for {whose}.",
            field="namespace",
            next_step="Use another namespace, or name this one in allow.namespaces of the settings.",
        )
    if not allow.permits_namespace(namespace):
        raise Denied(
            f"Nothing may be created in namespace {name}.",
            field="namespace",
            next_step="Use another namespace, or name this one in allow.namespaces of the settings.",
        )


def _pod_spec(cronjob: JsonObject) -> JsonObject:
    """Return the pod's spec; empty where the manifest lacks one, which the API server refuses itself."""
    value: JsonObject = cronjob["spec"]
    for key in ("jobTemplate", "spec", "template", "spec"):
        value = _object_or_empty(value.get(key))
    return value


def _object_or_empty(value: Any) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _objects_in(value: Any) -> list[JsonObject]:
    """Return the objects of a list; anything else in it is refused by the API server itself."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _iter_privileged_fields(pod: JsonObject) -> Iterator[str]:
    """Yield the fields by which a pod leaves its containers (Pod Security Standards, baseline)."""
    yield from (field for field in _HOST_FIELDS if pod.get(field))
    if _object_or_empty(_object_or_empty(pod.get("securityContext")).get("windowsOptions")).get(
        "hostProcess"
    ):
        yield "securityContext.windowsOptions.hostProcess"
    for container in [entry for field in _CONTAINER_FIELDS for entry in _objects_in(pod.get(field))]:
        context = _object_or_empty(container.get("securityContext"))
        if context.get("privileged"):
            yield "securityContext.privileged"
        if _object_or_empty(context.get("windowsOptions")).get("hostProcess"):
            yield "securityContext.windowsOptions.hostProcess"
        if _object_or_empty(context.get("capabilities")).get("add"):
            yield "securityContext.capabilities.add"
        if any(port.get("hostPort") for port in _objects_in(container.get("ports"))):
            yield "ports.hostPort"
