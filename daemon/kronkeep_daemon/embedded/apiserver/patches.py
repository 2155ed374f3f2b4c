"""Merge patches (RFC 7386), JSON patches (RFC 6902) and Kubernetes' strategic merge patches.

Server-side apply is treated as a strategic merge patch: fields have no managers and are never removed.
"""

from typing import Any

from kronkeep_daemon.embedded.apiserver.status_responses import Refusal, bad_request
from kronkeep_daemon.kube.json_copy import copy_json

# The patchMergeKey of each list that a strategic merge patch merges item by item.
_MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "volumeMounts": "mountPath",
    "ownerReferences": "uid",
    "conditions": "type",
    "addresses": "type",
}


def apply_merge_patch(target: Any, patch: Any) -> Any:
    """Return the patched value: null removes a field, objects are merged, all else is replaced."""
    if not isinstance(patch, dict):
        return copy_json(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = apply_merge_patch(result.get(key), value)
    return result


def apply_strategic_patch(target: Any, patch: Any) -> Any:
    """Return the patched value: as a merge patch, but lists with a merge key are merged item by item."""
    if not isinstance(patch, dict):
        return copy_json(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        if value is None:
            result.pop(key, None)
        elif key in _MERGE_KEYS and isinstance(value, list) and isinstance(result.get(key), list):
            result[key] = _merge_list(result[key], value, _MERGE_KEYS[key])
        elif key == "finalizers" and _is_list_of_texts(result.get(key)) and _is_list_of_texts(value):
            result[key] = list(dict.fromkeys([*result[key], *value]))
        else:
            result[key] = apply_strategic_patch(result.get(key), value)
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            field = key.partition("/")[2]
            result[field] = [item for item in result.get(field) or [] if item not in value]
    return result


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def _merge_list(old: list[Any], patch: list[Any], key: str) -> list[Any]:
    result = list(old)
    for item in patch:
        if not isinstance(item, dict):
            return copy_json(patch)
        index = next((i for i, entry in enumerate(result) if entry.get(key) == item.get(key)), None)
        if item.get("$patch") == "delete":
            if index is not None:
                del result[index]
        elif index is None:
            result.append(copy_json(item))
        else:
            result[index] = apply_strategic_patch(result[index], item)
    return result


def apply_json_patch(target: Any, operations: Any) -> Any:
    """Return the patched value; raises a 400 or 422 Refusal."""
    if not isinstance(operations, list):
        raise bad_request("a JSON patch is a list of operations")
    document = copy_json(target)
    for operation in operations:
        document = _apply_operation(document, operation)
    return document


def _apply_operation(document: Any, operation: Any) -> Any:
    if not isinstance(operation, dict):
        raise bad_request("an operation of a JSON patch is an object")
    kind = operation.get("op")
    path = str(operation.get("path", ""))
    try:
        if kind == "test":
            if _find(document, path) != operation.get("value"):
                raise _patch_refusal(f"testing value {path} failed")
        elif kind in ("move", "copy"):
            value = copy_json(_find(document, operation["from"]))
            document = _remove(document, operation["from"]) if kind == "move" else document
            document = _add(document, path, value)
        elif kind == "remove":
            document = _remove(document, path)
        elif kind == "replace":
            document = _add(_remove(document, path), path, operation.get("value"))
        elif kind == "add":
            document = _add(document, path, operation.get("value"))
        else:
            raise bad_request(f"unexpected kind: {kind}")
    except (KeyError, IndexError, ValueError, TypeError) as fault:
        raise _patch_refusal(f"{kind} operation does not apply: doc is missing path: {path}") from fault
    return document


def _patch_refusal(message: str) -> Refusal:
    return Refusal(
        code=422,
        reason="Invalid",
        message=f"the server rejected our request due to an error in our request: {message}",
    )


def _split_pointer(path: str) -> list[str]:
    """Return the steps of a JSON pointer (RFC 6901)."""
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]


def _find(document: Any, path: str) -> Any:
    for step in _split_pointer(path):
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document


def _find_parent(document: Any, path: str) -> tuple[Any, str]:
    """Return the value that holds what `path` names, and the last step to it."""
    *steps, last = _split_pointer(path)
    for step in steps:
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document, last


def _remove(document: Any, path: str) -> Any:
    parent, last = _find_parent(document, path)
    del parent[int(last) if isinstance(parent, list) else last]
    return document


def _add(document: Any, path: str, value: Any) -> Any:
    parent, last = _find_parent(document, path)
    if isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else int(last), value)
    else:
        parent[last] = value
    return document
