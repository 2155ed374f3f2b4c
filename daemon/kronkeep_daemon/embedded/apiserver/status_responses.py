"""Answers that are not objects: Status, with the words and codes of a real API server."""

from kronkeep_daemon.embedded.apiserver.resources import Resource
from kronkeep_daemon.kube.objects import JsonObject


class Refusal(Exception):
    """An answer of 4xx or 5xx; `body` is a Status object."""

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


def _named(resource: Resource, name: str) -> JsonObject:
    return {"name": name} | ({"group": resource.group} if resource.group else {}) | {"kind": resource.plural}


def not_found(resource: Resource, name: str) -> Refusal:
    """404 for an object."""
    return Refusal(
        code=404,
        reason="NotFound",
        message=f'{resource.qualified} "{name}" not found',
        details=_named(resource, name),
    )


def no_path() -> Refusal:
    """404 for a path that nothing serves."""
    return Refusal(
        code=404, reason="NotFound", message="the server could not find the requested resource", details={}
    )


def already_exists(resource: Resource, name: str) -> Refusal:
    """409 for a name that is taken."""
    message = f'{resource.qualified} "{name}" already exists'
    return Refusal(code=409, reason="AlreadyExists", message=message, details=_named(resource, name))


def modified(resource: Resource, name: str) -> Refusal:
    """409 for a stale resourceVersion."""
    message = (
        f'Operation cannot be fulfilled on {resource.qualified} "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    return Refusal(code=409, reason="Conflict", message=message, details=_named(resource, name))


def precondition(resource: Resource, name: str, field: str, wanted: str, found: str) -> Refusal:
    """409 for a failed precondition of a delete."""
    message = (
        f'Operation cannot be fulfilled on {resource.qualified} "{name}": Precondition failed: '
        f"{field} in precondition: {wanted}, {field} in object meta: {found}"
    )
    return Refusal(code=409, reason="Conflict", message=message, details=_named(resource, name))


def invalid(resource: Resource, name: str, causes: list[tuple[str, str, str]]) -> Refusal:
    """422; each cause is (field, reason, message), in order."""
    words = [f"{field}: {message}" for field, _, message in causes]
    unique = list(dict.fromkeys(words))
    joined = unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]"
    details: JsonObject = {"name": name} | ({"group": resource.group} if resource.group else {})
    details["kind"] = resource.kind
    details["causes"] = [{"reason": r, "message": m, "field": f} for f, r, m in causes]
    return Refusal(
        code=422,
        reason="Invalid",
        message=f'{resource.qualified_kind} "{name}" is invalid: {joined}',
        details=details,
    )


def forbidden(resource: Resource, name: str, why: str) -> Refusal:
    """403; `why` is what RBAC says."""
    subject = f'{resource.qualified} "{name}"' if name else resource.qualified
    details = {key: value for key, value in _named(resource, name).items() if value}
    return Refusal(code=403, reason="Forbidden", message=f"{subject} is forbidden: {why}", details=details)


def bad_request(message: str) -> Refusal:
    """400."""
    return Refusal(code=400, reason="BadRequest", message=message)


def expired(version: int, oldest: int) -> JsonObject:
    """The ERROR object of a watch from a version that the window no longer holds."""
    return Refusal(code=410, reason="Expired", message=f"too old resource version: {version} ({oldest})").body


def too_large(version: int, current: int) -> Refusal:
    """504 for a list at a version that this server has not reached."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    message = f"Timeout: Too large resource version: {version}, current: {current}"
    return Refusal(
        code=504, reason="Timeout", message=message, details={"causes": [cause], "retryAfterSeconds": 1}
    )


def success(resource: Resource, name: str, uid: str) -> JsonObject:
    """What a delete answers when the object is gone."""
    details = _named(resource, name) | {"uid": uid}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
