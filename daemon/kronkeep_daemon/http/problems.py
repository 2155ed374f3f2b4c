"""Problem responses (RFC 9457), which answer every refusal and failure."""

from collections.abc import Mapping

import msgspec
from aiohttp import web

from kronkeep_common import api
from kronkeep_common.errors import KronkeepError, NotFound
from kronkeep_common.text import clean

PROBLEM = "application/problem+json"


class NoSuchRoute(NotFound):
    """The path or the method is no route of the API."""

    code = "NoSuchRoute"
    status = 404
    default_next_step = "See /openapi.json."


def problem_response(
    error: KronkeepError, status: int | None = None, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return the response that reports an error.

    status: the HTTP status, where it is not that of the error's class.
    headers: those of the response in whose place it is sent; only Allow is taken from them.
    """
    code = status or error.status
    body = api.Problem(
        type=f"https://kronkeep.dev/problems/{error.code}",
        title=error.code,
        status=code,
        detail=clean(error.message, 2000),
        code=error.code,
        next_step=error.next_step,
        retryable=error.retryable,
        details=error.details,
    )
    chosen = {"Retry-After": "1"} if code in (429, 503) else {}
    if headers is not None and "Allow" in headers:
        chosen["Allow"] = headers["Allow"]
    return web.Response(body=msgspec.json.encode(body), status=code, content_type=PROBLEM, headers=chosen)
