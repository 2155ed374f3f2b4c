"""Paged lists: `limit` and `continue`; a token names the version and the last item given."""

import base64
import json
from collections.abc import Mapping

from kronkeep_daemon.embedded.apiserver.status_responses import Refusal
from kronkeep_daemon.kube.objects import JsonObject


def page(
    found: list[JsonObject], version: int, query: Mapping[str, str]
) -> tuple[list[JsonObject], JsonObject]:
    """The page of the ordered items that the query asks for, and the list's metadata."""
    meta: JsonObject = {"resourceVersion": str(version)}
    if token := query.get("continue"):
        start, meta["resourceVersion"] = _read(token)
        found = [obj for obj in found if _key(obj) > start]
    limit = int(query.get("limit") or 0)
    if not limit or len(found) <= limit:
        return found, meta
    last = found[limit - 1]
    meta["continue"] = _token(_key(last), meta["resourceVersion"])
    meta["remainingItemCount"] = len(found) - limit
    return found[:limit], meta


def _key(obj: JsonObject) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _token(key: tuple[str, str], version: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([*key, version]).encode()).decode().rstrip("=")


def _read(token: str) -> tuple[tuple[str, str], str]:
    try:
        namespace, name, version = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except ValueError as fault:
        raise Refusal(code=400, reason="BadRequest", message="continue key is not valid") from fault
    return (namespace, name), str(version)
