"""What the settings let an admin put into a CronJob; pure.

The daemon's own rights in the cluster are wider than those of the people who use its socket, so what would
let them borrow those rights, or a node, is refused here (`[allow]` in the settings).
"""

from collections.abc import Iterator
from typing import Any

from kronkeep_common.errors import Denied
from kronkeep_common.text import clean
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.settings import AllowSettings

_NODE = ("hostNetwork", "hostPID", "hostIPC")
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")


def require_allowed(cronjob: JsonObject, allow: AllowSettings) -> None:
    """Raises Denied naming the first field of a batch/v1 CronJob that `allow` does not cover."""
    namespace = cronjob["metadata"]["namespace"]
    if allow.namespaces and namespace not in allow.namespaces:
        raise Denied(f"Nothing may be created in namespace {clean(namespace, 63)}.", field="namespace")
    pod = _pod(cronjob)
    account = pod.get("serviceAccountName") or pod.get("serviceAccount")
    if account and account not in allow.service_accounts:
        raise Denied("That service account may not be used.", field="service_account")
    if not allow.host_path and any("hostPath" in volume for volume in _objects(pod.get("volumes"))):
        raise Denied("Folders of the nodes may not be mounted (allow.host_path).", field="volumes")
    if not allow.privileged and (field := next(_privileged(pod), None)):
        raise Denied(f"{field} is not allowed here (allow.privileged).", field=field)


def _pod(cronjob: JsonObject) -> JsonObject:
    """The pod's spec, empty where the manifest has none: the API server says that then."""
    found: JsonObject = cronjob["spec"]
    for step in ("jobTemplate", "spec", "template", "spec"):
        found = _object(found.get(step))
    return found


def _object(value: Any) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[JsonObject]:
    """What is well-formed of a list; the API server refuses the rest."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _privileged(pod: JsonObject) -> Iterator[str]:
    """The fields by which a pod leaves its containers (Pod Security Standards, baseline)."""
    yield from (field for field in _NODE if pod.get(field))
    if _object(_object(pod.get("securityContext")).get("windowsOptions")).get("hostProcess"):
        yield "securityContext.windowsOptions.hostProcess"
    for container in [entry for kind in _CONTAINERS for entry in _objects(pod.get(kind))]:
        context = _object(container.get("securityContext"))
        if context.get("privileged"):
            yield "securityContext.privileged"
        if _object(context.get("windowsOptions")).get("hostProcess"):
            yield "securityContext.windowsOptions.hostProcess"
        if _object(context.get("capabilities")).get("add"):
            yield "securityContext.capabilities.add"
        if any(port.get("hostPort") for port in _objects(container.get("ports"))):
            yield "ports.hostPort"
