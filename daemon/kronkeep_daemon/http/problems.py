"""RFC 9457 problems: how every refusal and failure is answered."""

from collections.abc import Mapping

import msgspec
from aiohttp import web

from kronkeep_common import api
from kronkeep_common.errors import KronkeepError, NotFound
from kronkeep_common.text import clean

PROBLEM = "application/problem+json"


class NoSuchRoute(NotFound):
    """A path or method that is not in the table."""

    code = "NoSuchRoute"
    status = 404
    default_next_step = "See /openapi.json."


def problem(
    error: KronkeepError, status: int | None = None, others: Mapping[str, str] | None = None
) -> web.Response:
    """RFC 9457."""
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
    headers = {"Retry-After": "1"} if code in (429, 503) else {}
    if others is not None and "Allow" in others:
        headers["Allow"] = others["Allow"]
    return web.Response(body=msgspec.json.encode(body), status=code, content_type=PROBLEM, headers=headers)
