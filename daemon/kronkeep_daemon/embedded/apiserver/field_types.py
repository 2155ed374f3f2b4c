"""Whether each known field holds the JSON type that its Go type takes; a real API server refuses it with 400.

Fields are told by name alone: within the kinds served here no name has two types.
"""

from typing import Any

from kronkeep_daemon.embedded.apiserver import status_responses
from kronkeep_daemon.kube.objects import JsonObject

_OBJECTS = (
    "metadata spec jobTemplate template selector matchLabels securityContext resources limits requests "
    "nodeSelector labels annotations valueFrom secretKeyRef configMapKeyRef fieldRef emptyDir secret "
    "configMap persistentVolumeClaim hostPath podFailurePolicy onExitCodes data stringData binaryData"
)
_LISTS = (
    "containers initContainers volumes env envFrom volumeMounts ownerReferences finalizers tolerations "
    "accessModes rules onPodConditions command args ports imagePullSecrets"
)
_TEXTS = "name namespace schedule timeZone image concurrencyPolicy restartPolicy serviceAccountName mountPath"
_NUMBERS = (
    "startingDeadlineSeconds activeDeadlineSeconds backoffLimit parallelism completions "
    "successfulJobsHistoryLimit failedJobsHistoryLimit ttlSecondsAfterFinished terminationGracePeriodSeconds"
)
_TYPES: dict[str, type] = {
    **dict.fromkeys(_OBJECTS.split(), dict),
    **dict.fromkeys(_LISTS.split(), list),
    **dict.fromkeys(_TEXTS.split(), str),
    **dict.fromkeys(_NUMBERS.split(), int),
    "suspend": bool,
}
_RBAC_KINDS = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")  # their `resources` is a list
_RBAC: dict[str, type] = {"rules": list, "subjects": list, "roleRef": dict}
_MAPS = ("labels", "annotations", "matchLabels", "nodeSelector", "data", "stringData", "limits", "requests")
_TEXT_LISTS = ("finalizers", "accessModes", "command", "args")
_WORDS = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number"}


def check(kind: str, obj: JsonObject) -> None:
    """Raises a 400 for the first field of another type, as encoding/json words it; nulls are dropped.

    The status is left alone: only controllers write it, and its conditions have a `status` of their own.
    """
    if kind in _RBAC_KINDS:
        _rbac(kind, obj)
        return
    _object(kind, {key: value for key, value in obj.items() if key != "status"}, "")


def _rbac(kind: str, obj: JsonObject) -> None:
    _object(kind, {"metadata": obj.get("metadata")}, "")
    for key, wanted in _RBAC.items():
        found = obj.get(key)
        if found is not None and type(found) is not wanted:
            raise status_responses.bad_request(_words(kind, found, key, wanted))
        if isinstance(found, list):
            _list(kind, [entry for entry in found if not isinstance(entry, dict)], key, objects=True)


def _object(kind: str, value: JsonObject, path: str) -> None:
    for key in [key for key, entry in value.items() if entry is None]:
        del value[key]
    for key, entry in value.items():
        where = f"{path}.{key}" if path else key
        wanted = _TYPES.get(key)
        if wanted is not None and (type(entry) is not wanted):
            raise status_responses.bad_request(_words(kind, entry, where, wanted))
        if key in _MAPS:
            _texts(kind, entry, where)
            continue
        if isinstance(entry, dict):
            _object(kind, entry, where)
        elif isinstance(entry, list):
            _list(kind, entry, where, objects=_TYPES.get(key) is list and key not in _TEXT_LISTS)


def _texts(kind: str, entries: JsonObject, where: str) -> None:
    """Values of labels and the like are texts, nulls empty ones; quantities may be numbers."""
    for key in [key for key, entry in entries.items() if entry is None]:
        entries[key] = ""
    for key, entry in entries.items():
        if not isinstance(entry, str) and not where.endswith(("limits", "requests")):
            raise status_responses.bad_request(_words(kind, entry, f"{where}.{key}", str))


def _list(kind: str, entries: list[Any], where: str, *, objects: bool) -> None:
    for entry in entries:
        if isinstance(entry, dict):
            _object(kind, entry, where)
        elif objects:
            raise status_responses.bad_request(_words(kind, entry, where, dict))


def _words(kind: str, entry: Any, where: str, wanted: type) -> str:
    found = _WORDS.get(type(entry), "null")
    field = f"Go struct field {kind}.{where} of type {_WORDS[wanted]}"
    return f"{kind} cannot be handled as a {kind}: json: cannot unmarshal {found} into {field}"
