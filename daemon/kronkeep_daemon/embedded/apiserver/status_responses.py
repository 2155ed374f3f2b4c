"""Status objects: refusals with the messages and codes of a real API server."""

from typing import NamedTuple

from kronkeep_daemon.embedded.apiserver.resources import Resource
from kronkeep_daemon.kube.objects import JsonObject


class StatusCause(NamedTuple):
    """One reason why an object is invalid; `field` is a path such as spec.schedule."""

    field: str
    reason: str
    message: str


class Refusal(Exception):
    """An answer with a code of 4xx or 5xx; `body` is its Status object."""

    def __init__(self, *, code: int, reason: str, message: str, details: JsonObject | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.body: JsonObject = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
        }
        if details is not None:
            self.body["details"] = details
        self.body["code"] = code


def _details_of(resource: Resource, name: str) -> JsonObject:
    group = {"group": resource.group} if resource.group else {}
    return {"name": name, **group, "kind": resource.plural}


def object_not_found(resource: Resource, name: str) -> Refusal:
    """Return a 404 for an object."""
    return Refusal(
        code=404,
        reason="NotFound",
        message=f'{resource.qualified} "{name}" not found',
        details=_details_of(resource, name),
    )


def namespace_not_found(namespace: str) -> Refusal:
    """Return a 404 for an object in a namespace that does not exist."""
    return Refusal(
        code=404,
        reason="NotFound",
        message=f'namespaces "{namespace}" not found',
        details={"name": namespace, "kind": "namespaces"},
    )


def path_not_found() -> Refusal:
    """Return a 404 for a path that is not served."""
    return Refusal(
        code=404, reason="NotFound", message="the server could not find the requested resource", details={}
    )


def name_conflict(resource: Resource, name: str) -> Refusal:
    """Return a 409 for a name that exists already."""
    message = f'{resource.qualified} "{name}" already exists'
    return Refusal(code=409, reason="AlreadyExists", message=message, details=_details_of(resource, name))


def version_conflict(resource: Resource, name: str) -> Refusal:
    """Return a 409 for a stale resourceVersion."""
    message = (
        f'Operation cannot be fulfilled on {resource.qualified} "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    return Refusal(code=409, reason="Conflict", message=message, details=_details_of(resource, name))


def precondition_conflict(
    resource: Resource, name: str, *, field: str, expected: str, actual: str
) -> Refusal:
    """Return a 409 for a precondition that does not hold; `field` is UID or ResourceVersion."""
    message = (
        f'Operation cannot be fulfilled on {resource.qualified} "{name}": Precondition failed: '
        f"{field} in precondition: {expected}, {field} in object meta: {actual}"
    )
    return Refusal(code=409, reason="Conflict", message=message, details=_details_of(resource, name))


def invalid_object(resource: Resource, name: str, causes: list[StatusCause]) -> Refusal:
    """Return a 422 that lists the causes in order; equal texts are listed once in the message."""
    unique = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in causes))
    joined = unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]"
    group = {"group": resource.group} if resource.group else {}
    entries = [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes]
    return Refusal(
        code=422,
        reason="Invalid",
        message=f'{resource.qualified_kind} "{name}" is invalid: {joined}',
        details={"name": name, **group, "kind": resource.kind, "causes": entries},
    )


def access_denied(resource: Resource, name: str, explanation: str) -> Refusal:
    """Return a 403; `explanation` is RBAC's."""
    subject = f'{resource.qualified} "{name}"' if name else resource.qualified
    details = {key: value for key, value in _details_of(resource, name).items() if value}
    return Refusal(
        code=403, reason="Forbidden", message=f"{subject} is forbidden: {explanation}", details=details
    )


def bad_request(message: str) -> Refusal:
    """Return a 400 with this message."""
    return Refusal(code=400, reason="BadRequest", message=message)


def version_expired(version: int, oldest: int) -> JsonObject:
    """Return the ERROR object of a watch from a version that the window no longer holds."""
    return Refusal(code=410, reason="Expired", message=f"too old resource version: {version} ({oldest})").body


def version_too_large(version: int, current: int) -> Refusal:
    """Return a 504 for a list at a version that this server has not reached."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    message = f"Timeout: Too large resource version: {version}, current: {current}"
    return Refusal(
        code=504, reason="Timeout", message=message, details={"causes": [cause], "retryAfterSeconds": 1}
    )


def deletion_success(resource: Resource, name: str, uid: str) -> JsonObject:
    """Return the Status of a deletion that has removed the object."""
    details = _details_of(resource, name) | {"uid": uid}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
