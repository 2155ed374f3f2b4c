"""Refusals of a Kubernetes API server as kronkeep's errors; `response_error` maps its Status object."""

from typing import Any

import msgspec

from kronkeep_common.errors import (
    ClusterUnreachable,
    Denied,
    InvalidRequest,
    KronkeepError,
    NameTaken,
    NotFound,
    PreconditionFailed,
    Unavailable,
)
from kronkeep_common.json_decoding import DECODING_ERRORS
from kronkeep_common.text import clean


class ClusterRefused(KronkeepError):
    """The cluster refused a request for a reason of its own (`details`: status, reason)."""

    code = "ClusterRefused"
    status = 502
    default_next_step = "Read the cluster's answer in the message and correct what it names."


class NotFoundInCluster(NotFound):
    """The cluster has no such object (404)."""

    code = "NotFoundInCluster"


class AlreadyExists(NameTaken):
    """The cluster has an object of that name (409 AlreadyExists)."""


class ConflictInCluster(PreconditionFailed):
    """The object changed since it was read, or a precondition failed (409 Conflict)."""


class ClusterUnavailable(Unavailable):
    """The cluster cannot answer now (5xx, 429); `retry_after` is the wait that it asks for, in seconds."""

    code = "ClusterUnavailable"
    retry_after: float = 0.0


class Gone(ClusterUnavailable):
    """The version is too old to watch or list from (410)."""

    code = "Gone"


class Forbidden(Denied):
    """The cluster's RBAC does not grant the verb (403)."""

    code = "Forbidden"
    default_next_step = "Grant the right named in the message (systemd/kubernetes has the rules)."


class Unauthorized(ClusterUnreachable):
    """The cluster does not accept the credentials (401)."""

    code = "Unauthorized"
    default_next_step = "Renew the credentials in the kubeconfig; they are read anew at the next request."


class InvalidObject(InvalidRequest):
    """The cluster's validation refused the object (400, 422)."""

    code = "InvalidObject"


_BY_STATUS: dict[int, type[KronkeepError]] = {
    400: InvalidObject,
    401: Unauthorized,
    403: Forbidden,
    404: NotFoundInCluster,
    409: ConflictInCluster,
    410: Gone,
    422: InvalidObject,
    429: ClusterUnavailable,
    500: ClusterUnavailable,
    503: ClusterUnavailable,
    504: ClusterUnavailable,
}


def response_error(status: int, body: bytes, retry_after: str | None = None) -> KronkeepError:
    """Return the error for a response of `status` whose body usually is a Kubernetes Status object."""
    answer = _status_object(body)
    message = clean(str(answer.get("message") or f"the cluster answered {status}"))
    reason = str(answer.get("reason") or "")
    kind = AlreadyExists if reason == "AlreadyExists" else _BY_STATUS.get(status, ClusterRefused)
    error = kind(message, status=status, reason=clean(reason))
    if isinstance(error, ClusterUnavailable) and retry_after:
        error.retry_after = _seconds(retry_after, error.retry_after)
    return error


def _status_object(body: bytes) -> dict[str, Any]:
    try:
        decoded = msgspec.json.decode(body)
    except DECODING_ERRORS:
        return {"message": body[:500].decode(errors="replace")} if body else {}
    return decoded if isinstance(decoded, dict) else {}


def _seconds(retry_after: str, otherwise: float) -> float:
    """Return the seconds of a Retry-After, at most 60; API servers do not send its other form, a date."""
    return min(60.0, float(retry_after)) if retry_after.isdigit() else otherwise
