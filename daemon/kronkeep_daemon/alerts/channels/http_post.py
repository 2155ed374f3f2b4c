"""One POST whose answer's body is never read, so that no receiver can fill memory or hold the sender."""

import asyncio
import functools
import ssl
from collections.abc import Mapping

from kronkeep_common.foreign_packages import import_httpx
from kronkeep_daemon.alerts.channels.message import NotSent

AGAIN = (408, 425, 429)  # RFC 9110, 8470, 6585: what a client may send again
SECONDS = 10.0  # for one step, as to connect; the caller sets the deadline of the whole


async def post(url: str, body: bytes, headers: Mapping[str, str]) -> None:
    """Send `body` once; raise NotSent for anything but a 2xx status. Redirects are not followed.

    The status line and at most 100 KB of headers (h11's limit) are read, then the connection is closed.
    """
    httpx = import_httpx()
    try:
        context = await asyncio.to_thread(_tls_context)
        async with (
            httpx.AsyncClient(timeout=SECONDS, verify=context) as client,
            client.stream("POST", url, content=body, headers=headers) as answer,
        ):
            status = answer.status_code
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as fault:
        raise NotSent("the URL is no http URL", final=True) from fault
    except (httpx.HTTPError, ssl.SSLError) as fault:
        raise NotSent(f"no answer ({type(fault).__name__})") from fault
    if not httpx.codes.is_success(status):
        raise NotSent(f"the answer was {status}", final=status < 500 and status not in AGAIN)


@functools.cache
def _tls_context() -> ssl.SSLContext:
    """Return httpx's context, made once: to read its certificates takes 20 ms.

    It trusts what curl does: from 3.13 on Python refuses certificates without key identifiers, which CAs of
    a company's own make.
    """
    context: ssl.SSLContext = import_httpx().create_ssl_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
