"""A folder of the node: `path`, absolute."""

from typing import Any

from kronkeep_common.errors import InvalidRequest

Object = dict[str, Any]
MOUNT = "/repository"


def validate(settings: dict[str, str]) -> None:
    """`path` must be an absolute path without `..`."""
    path = settings.get("path", "")
    if set(settings) != {"path"} or not path.startswith("/") or ".." in path.split("/") or path == "/":
        raise InvalidRequest(
            "A local storage needs exactly `path`, an absolute folder.", field="settings.path"
        )


def repository(settings: dict[str, str]) -> str:  # noqa: ARG001  every kind takes its settings
    """The repository as the pod sees it."""
    return MOUNT


def volumes(settings: dict[str, str]) -> tuple[list[Object], list[Object]]:
    """The folder, made if it is not there."""
    source = {"path": settings["path"], "type": "DirectoryOrCreate"}
    return [{"name": "repository", "hostPath": source}], [{"name": "repository", "mountPath": MOUNT}]
