"""Pod Security admission: the level `restricted` of a namespace's label, enforced when a pod is created.

Of the Pod Security Standards this implements what `restricted` adds to `baseline`, and of `baseline`
privileged containers, the node's namespaces and its folders. Other levels are accepted and not enforced.
"""

from collections.abc import Callable

from kronkeep_daemon.kube.objects import JsonObject

ENFORCE_LABEL = "pod-security.kubernetes.io/enforce"
_VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_SECCOMP = ("RuntimeDefault", "Localhost")


def find_violations(pod: JsonObject) -> list[str]:
    """Return what the level `restricted` refuses in a pod's spec, in the API server's words."""
    containers = [*(pod.get("initContainers") or ()), *(pod.get("containers") or ())]
    context = pod.get("securityContext") or {}
    violations = _find_baseline_violations(pod, containers)
    names = _names_where(containers, _may_escalate)
    if names:
        must = "must set securityContext.allowPrivilegeEscalation=false"
        violations.append(f"allowPrivilegeEscalation != false ({names} {must})")
    names = _names_where(containers, _keeps_capabilities)
    if names:
        must = 'must set securityContext.capabilities.drop=["ALL"]'
        violations.append(f"unrestricted capabilities ({names} {must})")
    if not context.get("runAsNonRoot"):
        names = _names_where(containers, _may_be_root)
    else:
        names = _names_where(containers, _asks_for_root)
    if names:
        must = "must set securityContext.runAsNonRoot=true"
        violations.append(f"runAsNonRoot != true (pod or {names} {must})")
    if context.get("runAsUser") == 0 or _names_where(containers, _is_user_root):
        violations.append("runAsUser=0 (pod or a container must not set runAsUser=0)")
    if (context.get("seccompProfile") or {}).get("type") not in _SECCOMP:
        names = _names_where(containers, _lacks_seccomp)
        if names:
            must = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
            violations.append(f"seccompProfile (pod or {names} {must})")
    return violations


def _find_baseline_violations(pod: JsonObject, containers: list[JsonObject]) -> list[str]:
    violations = []
    if any(pod.get(field) for field in ("hostNetwork", "hostPID", "hostIPC")):
        violations.append("host namespaces (the pod uses a namespace of the node)")
    names = _names_where(containers, _is_privileged)
    if names:
        violations.append(f"privileged ({names} must not set securityContext.privileged=true)")
    for volume in pod.get("volumes") or ():
        kinds = sorted(set(volume) - {"name"} - _VOLUMES)
        if kinds:
            violations.append(f'restricted volume types (volume "{volume["name"]}" uses {kinds[0]})')
    return violations


def _names_where(containers: list[JsonObject], is_wrong: Callable[[JsonObject], bool]) -> str:
    names = [c["name"] for c in containers if is_wrong(c.get("securityContext") or {})]
    quoted = ", ".join(f'"{name}"' for name in names)
    return f"container{'s' if len(names) > 1 else ''} {quoted}" if names else ""


def _may_escalate(context: JsonObject) -> bool:
    return context.get("allowPrivilegeEscalation") is not False


def _keeps_capabilities(context: JsonObject) -> bool:
    capabilities = context.get("capabilities") or {}
    added = set(capabilities.get("add") or ()) - {"NET_BIND_SERVICE"}
    return "ALL" not in (capabilities.get("drop") or ()) or bool(added)


def _may_be_root(context: JsonObject) -> bool:
    return context.get("runAsNonRoot") is not True


def _asks_for_root(context: JsonObject) -> bool:
    return context.get("runAsNonRoot") is False


def _is_user_root(context: JsonObject) -> bool:
    return context.get("runAsUser") == 0


def _lacks_seccomp(context: JsonObject) -> bool:
    return (context.get("seccompProfile") or {}).get("type") not in _SECCOMP


def _is_privileged(context: JsonObject) -> bool:
    return context.get("privileged") is True
