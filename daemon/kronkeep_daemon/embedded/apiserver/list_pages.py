"""Lists in pages (`limit` and `continue`): the token holds the list's version and the last item's key."""

import base64
import json
from collections.abc import Mapping

from kronkeep_daemon.embedded.apiserver.status_responses import Refusal
from kronkeep_daemon.kube.objects import JsonObject


def cut_page(
    items: list[JsonObject], version: int, query: Mapping[str, str]
) -> tuple[list[JsonObject], JsonObject]:
    """Return the page that the query asks for and the list's metadata.

    `items` are ordered by namespace and name. Raises a 400 Refusal for a token that cannot be read.
    """
    meta: JsonObject = {"resourceVersion": str(version)}
    if token := query.get("continue"):
        last_key, meta["resourceVersion"] = _decode_token(token)
        items = [obj for obj in items if _key_of(obj) > last_key]
    limit = int(query.get("limit") or 0)
    if not limit or len(items) <= limit:
        return items, meta
    last = items[limit - 1]
    meta["continue"] = _encode_token(_key_of(last), meta["resourceVersion"])
    meta["remainingItemCount"] = len(items) - limit
    return items[:limit], meta


def _key_of(obj: JsonObject) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _encode_token(key: tuple[str, str], version: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([*key, version]).encode()).decode().rstrip("=")


def _decode_token(token: str) -> tuple[tuple[str, str], str]:
    try:
        namespace, name, version = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except ValueError as fault:
        raise Refusal(code=400, reason="BadRequest", message="continue key is not valid") from fault
    return (namespace, name), str(version)
