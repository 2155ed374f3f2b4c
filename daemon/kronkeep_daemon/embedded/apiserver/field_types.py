"""The JSON type of each known field; a real API server refuses another type with 400.

A field is looked up by its name alone: no name has two types within the kinds served here, except in RBAC.
"""

from typing import Any

from kronkeep_daemon.embedded.apiserver.status_responses import bad_request
from kronkeep_daemon.kube.objects import JsonObject

_OBJECT_FIELDS = (
    "metadata spec jobTemplate template selector matchLabels securityContext resources limits requests "
    "nodeSelector labels annotations valueFrom secretKeyRef configMapKeyRef fieldRef emptyDir secret "
    "configMap persistentVolumeClaim hostPath podFailurePolicy onExitCodes data stringData binaryData"
)
_LIST_FIELDS = (
    "containers initContainers volumes env envFrom volumeMounts ownerReferences finalizers tolerations "
    "accessModes rules onPodConditions command args ports imagePullSecrets"
)
_TEXT_FIELDS = (
    "name namespace schedule timeZone image concurrencyPolicy restartPolicy serviceAccountName mountPath"
)
_NUMBER_FIELDS = (
    "startingDeadlineSeconds activeDeadlineSeconds backoffLimit parallelism completions "
    "successfulJobsHistoryLimit failedJobsHistoryLimit ttlSecondsAfterFinished terminationGracePeriodSeconds"
)
_TYPES: dict[str, type] = {
    **dict.fromkeys(_OBJECT_FIELDS.split(), dict),
    **dict.fromkeys(_LIST_FIELDS.split(), list),
    **dict.fromkeys(_TEXT_FIELDS.split(), str),
    **dict.fromkeys(_NUMBER_FIELDS.split(), int),
    "suspend": bool,
}
_RBAC_KINDS = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")  # their `resources` is a list
_RBAC_TYPES: dict[str, type] = {"rules": list, "subjects": list, "roleRef": dict}
_MAP_FIELDS = (
    "labels",
    "annotations",
    "matchLabels",
    "nodeSelector",
    "data",
    "stringData",
    "limits",
    "requests",
)
_QUANTITY_MAPS = ("limits", "requests")
_TEXT_LISTS = ("finalizers", "accessModes", "command", "args")
_JSON_NAMES = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number"}


def check_field_types(kind: str, obj: JsonObject) -> None:
    """Raise a 400 Refusal for the first field of another type, in the words of Go's encoding/json.

    Nulls are dropped in place. The status is not checked: only controllers write it, and its conditions have
    a `status` of another type.
    """
    if kind == "CustomResourceDefinition":  # the properties of its schema have any name
        return
    if kind in _RBAC_KINDS:
        _check_rbac(kind, obj)
        return
    _check_object(kind, {key: value for key, value in obj.items() if key != "status"}, "")


def _check_rbac(kind: str, obj: JsonObject) -> None:
    _check_object(kind, {"metadata": obj.get("metadata")}, "")
    for field, expected in _RBAC_TYPES.items():
        value = obj.get(field)
        if value is not None and type(value) is not expected:
            raise bad_request(_message(kind, value, field, expected))
        if isinstance(value, list):
            others = [entry for entry in value if not isinstance(entry, dict)]
            _check_list(kind, others, field, of_objects=True)


def _check_object(kind: str, obj: JsonObject, path: str) -> None:
    for key in [key for key, value in obj.items() if value is None]:
        del obj[key]
    for key, value in obj.items():
        field = f"{path}.{key}" if path else key
        expected = _TYPES.get(key)
        if expected is not None and type(value) is not expected:
            raise bad_request(_message(kind, value, field, expected))
        if key in _MAP_FIELDS:
            _check_map(kind, value, field)
        elif isinstance(value, dict):
            _check_object(kind, value, field)
        elif isinstance(value, list):
            of_objects = expected is list and key not in _TEXT_LISTS
            _check_list(kind, value, field, of_objects=of_objects)


def _check_map(kind: str, entries: JsonObject, field: str) -> None:
    """Check that values are texts; nulls become empty texts, and quantities may be numbers."""
    for key in [key for key, value in entries.items() if value is None]:
        entries[key] = ""
    for key, value in entries.items():
        if not isinstance(value, str) and not field.endswith(_QUANTITY_MAPS):
            raise bad_request(_message(kind, value, f"{field}.{key}", str))


def _check_list(kind: str, entries: list[Any], field: str, *, of_objects: bool) -> None:
    for entry in entries:
        if isinstance(entry, dict):
            _check_object(kind, entry, field)
        elif of_objects:
            raise bad_request(_message(kind, entry, field, dict))


def _message(kind: str, value: Any, field: str, expected: type) -> str:
    actual = _JSON_NAMES.get(type(value), "null")
    go_field = f"Go struct field {kind}.{field} of type {_JSON_NAMES[expected]}"
    return f"{kind} cannot be handled as a {kind}: json: cannot unmarshal {actual} into {go_field}"
