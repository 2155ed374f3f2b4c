"""Bodies of requests: read within a deadline, limited in size and depth, decoded as the route's type."""

import asyncio
import re
import zlib
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from kronkeep_common.errors import InvalidRequest, TooSlow, UnreadableBody
from kronkeep_common.json_decoding import DECODING_ERRORS
from kronkeep_common.model_faults import describe_fault
from kronkeep_common.text import clean

DEPTH = 32
# What aiohttp raises for a body that is not compressed as Content-Encoding says, or is cut off.
UNREADABLE = (web.RequestPayloadError, HttpProcessingError, zlib.error)
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


async def read_body(request: web.Request, decoder: "msgspec.json.Decoder[Any] | None", seconds: float) -> Any:
    """Return the decoded body, None for a route without one; raise InvalidRequest, TooSlow.

    seconds: the deadline of the whole body.
    """
    try:
        async with asyncio.timeout(seconds):
            raw = await request.read()
    except TimeoutError as fault:
        raise TooSlow(f"The body did not arrive within {seconds:.0f} s.") from fault
    except UNREADABLE as fault:
        raise UnreadableBody("The body cannot be unpacked as its headers say.") from fault
    if decoder is None:
        if raw:
            raise InvalidRequest("This request takes no body.")
        return None
    check_depth(raw)
    try:
        return decoder.decode(raw or b"{}")
    except DECODING_ERRORS as fault:
        raise _body_error(fault, decoder.type) from fault


def _body_error(fault: Exception, kind: Any) -> InvalidRequest:
    """Return the error for a body that is no JSON, or has not the shape of the route's type."""
    if not isinstance(fault, msgspec.ValidationError):
        return InvalidRequest(f"The body is no JSON: {clean(str(fault), 300)}.")
    described = describe_fault(fault, kind)
    return InvalidRequest(f"The body is refused: {described.sentence}", field=described.path)


def check_depth(raw: bytes) -> None:
    """Raise InvalidRequest for JSON that is nested more than 32 levels deep."""
    if raw.count(b"[") + raw.count(b"{") <= DEPTH:
        return
    depth = 0
    for match in _BRACKET.finditer(_STRING.sub(b"", raw)):
        depth += 1 if match.group() in b"[{" else -1
        if depth > DEPTH:
            raise InvalidRequest(f"The body is nested more than {DEPTH} levels deep.")
